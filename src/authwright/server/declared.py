"""Configuration tables as the provider's own objects: clients, accounts, resources, lifetimes, root keys."""

import stat
from collections.abc import Mapping
from datetime import datetime, timedelta

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.provider.clients import SECRET_SEAL, ClientRegistration
from authwright.provider.settings import Resource, TrustedIssuer
from authwright.provider.signing import Signing
from authwright.records import Account, Client, ClientSecret
from authwright.server.config import (
    ClientTable,
    ConfigurationError,
    Loaded,
    ResourceTable,
    TrustedIssuerTable,
    UserTable,
)
from authwright.server.config_checks import subject_of
from authwright.stores.protocols import Stores
from authwright.ticket import TokenKind


def root_keys(loaded: Loaded) -> RootKeys:
    """The keys in `store.key_file`. Raises ConfigurationError; a missing file is never made up for by a new key."""
    path = loaded.path(loaded.values.store.key_file)
    at = f"{loaded.file}: store.key_file"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{at}: the key file {path} is missing; restore it, or run `authwright init` in a new place"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError(f"{at}: the key file {path} cannot be read: {reason}") from None
    try:
        return RootKeys.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{at}: the key file {path} is not a key file: {error}") from None


def key_file_is_open(loaded: Loaded) -> bool:
    """Whether others on this machine can read the key file; some container platforms leave no choice."""
    return bool(loaded.path(loaded.values.store.key_file).stat().st_mode & stat.S_IROTH)


def registration(table: ClientTable, now: datetime) -> ClientRegistration:
    """A client as it is declared, with a secret in clear where it has one."""
    hashed = (
        (ClientSecret(digest=table.client_secret_hash, created_at=now),) if table.client_secret_hash else ()
    )
    client = Client(
        client_id=table.client_id,
        secrets=hashed,
        client_name=table.client_name,
        description=table.description,
        namespace=table.namespace,
        tenant=table.tenant,
        enabled=table.enabled,
        application_type=table.application_type,
        redirect_uris=table.redirect_uris,
        post_logout_redirect_uris=table.post_logout_redirect_uris,
        grant_types=frozenset(table.grant_types),
        response_types=frozenset(table.response_types),
        token_endpoint_auth_method=table.auth_method,
        token_endpoint_auth_signing_alg=table.token_endpoint_auth_signing_alg,
        jwks=table.jwks,
        jwks_uri=table.jwks_uri,
        tls_client_auth_subject_dn=table.tls_client_auth_subject_dn,
        tls_client_auth_san_dns=table.tls_client_auth_san_dns,
        tls_client_auth_san_uri=table.tls_client_auth_san_uri,
        tls_client_auth_san_ip=table.tls_client_auth_san_ip,
        tls_client_auth_san_email=table.tls_client_auth_san_email,
        scopes=table.scopes,
        require_pkce=table.require_pkce,
        require_consent=table.require_consent,
        profile=table.profile,
        refresh_rotation=table.refresh_rotation,
        refresh_grace=table.refresh_grace,
        refresh_absolute_lifetime=seconds(table.refresh_absolute_lifetime),
        refresh_claims=table.refresh_claims,
        allowed_consent_services=table.allowed_consent_services,
        allowed_subject_token_types=table.allowed_subject_token_types,
        exchange_from=table.exchange_from,
        exchange_to=table.exchange_to,
        mutate_for=table.mutate_for,
        token_response_type=table.token_response_type,
        access_token_format=table.access_token_format,
        id_token_signed_response_alg=table.id_token_signed_response_alg,
        introspection_signed_response_alg=table.introspection_signed_response_alg,
        dpop_bound_access_tokens=table.dpop_bound_access_tokens,
        tls_client_certificate_bound_access_tokens=table.tls_client_certificate_bound_access_tokens,
        backchannel_token_delivery_mode=table.backchannel_token_delivery_mode,
        backchannel_client_notification_endpoint=table.backchannel_client_notification_endpoint,
        backchannel_logout_uri=table.backchannel_logout_uri,
        backchannel_logout_session_required=table.backchannel_logout_session_required,
        lifetimes=lifetimes(table.access_token_lifetime, table.refresh_token_lifetime),
        logo_uri=table.logo_uri,
        client_uri=table.client_uri,
        policy_uri=table.policy_uri,
        tos_uri=table.tos_uri,
    )
    return ClientRegistration(client=client, secrets=(table.client_secret,) if table.client_secret else ())


def handles(keys: RootKeys) -> Handles:
    """What digests client secrets: the same as the provider's own, so that what one writes the other reads."""
    return Handles(keys.derive("handles"))


def secret_seal(keys: RootKeys) -> Seal:
    """What seals the secrets of client_secret_jwt, under the same purpose as the provider's own."""
    return Seal(keys, SECRET_SEAL)


def signing(loaded: Loaded, keys: RootKeys, stores: Stores) -> Signing:
    """The issuer's signing keys, under the same purpose as the provider's own."""
    return Signing(stores.keys, Seal(keys, "signing-key"), algorithms=loaded.values.keys.algorithms)


def seconds(length: int) -> timedelta | None:
    """A lifetime that is set; 0 is none."""
    return timedelta(seconds=length) if length else None


def lifetimes(access_token: int, refresh_token: int) -> Mapping[TokenKind, timedelta]:
    """Lifetimes that are set, of two in seconds; 0 leaves one out."""
    seconds = {TokenKind.ACCESS_TOKEN: access_token, TokenKind.REFRESH_TOKEN: refresh_token}
    return {kind: timedelta(seconds=length) for kind, length in seconds.items() if length}


def account(table: UserTable, *, subject: str = "") -> Account:
    """The user as an account, with the password hash that is written, if any.

    `sub` is the one that is written, else `subject`, else one that is always the same for the username.
    """
    return Account(
        subject=subject_of(table, subject),
        username=table.username,
        password_hash=table.password_hash,
        claims={name: value for name, value in table.claims.items() if name != "sub"},
        enabled=table.enabled,
    )


def trusted_issuer(table: TrustedIssuerTable) -> TrustedIssuer:
    """An issuer whose statements are believed."""
    return TrustedIssuer(issuer=table.issuer, jwks_uri=table.jwks_uri, audience=table.audience)


def resource(table: ResourceTable) -> Resource:
    """An API that tokens are for."""
    return Resource(
        uri=table.uri,
        scopes=table.scopes,
        introspected_by=frozenset(table.introspected_by),
        access_token_lifetime=seconds(table.access_token_lifetime),
        access_token_format=table.access_token_format,
    )
