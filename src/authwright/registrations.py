"""Clients and users as an application writes them down."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from authwright.crypto.passwords import Passwords
from authwright.protocol.client_credentials import CLIENT_SECRET_BASIC, NONE, PRIVATE_KEY_JWT
from authwright.protocol.http import Json
from authwright.protocol.redirect_uri import check_registrable
from authwright.protocol.scopes import parse_scope
from authwright.provider.clients import ClientRegistration
from authwright.records import Account, Client
from authwright.stores.protocols import AccountStore, Stores

_LISTS = ("redirect_uris", "post_logout_redirect_uris", "grant_types")


def client(
    client_id: str,
    client_secret: str | None = None,
    *,
    redirect_uris: Iterable[str] = (),
    scope: str = "openid",
    **metadata: Any,
) -> ClientRegistration:
    """A client in RFC 7591 names; `metadata` are further members of `records.Client`.

    Without a method it is one with a secret, else with its keys, else public.

    Raises ValueError or a redirect URI error for what no client may have.
    """
    for name, value in {"redirect_uris": redirect_uris, **metadata}.items():
        # One string would be read letter by letter.
        if name in _LISTS and isinstance(value, str):
            raise ValueError(f"client {client_id!r}: {name} is a list of strings, not one string")
    if not isinstance(scope, str):
        raise ValueError(f"client {client_id!r}: scope is one string, with spaces between the scopes")
    native = metadata.get("application_type") == "native"
    keyed = PRIVATE_KEY_JWT if metadata.get("jwks") or metadata.get("jwks_uri") else NONE
    method = metadata.pop("token_endpoint_auth_method", CLIENT_SECRET_BASIC if client_secret else keyed)
    grant_types = frozenset(metadata.pop("grant_types", ("authorization_code", "refresh_token")))
    return ClientRegistration(
        client=Client(
            client_id=client_id,
            redirect_uris=tuple(check_registrable(uri, native=native) for uri in redirect_uris),
            post_logout_redirect_uris=tuple(metadata.pop("post_logout_redirect_uris", ())),
            scopes=parse_scope(scope) if scope else (),
            grant_types=grant_types,
            token_endpoint_auth_method=method,
            **metadata,
        ),
        secrets=(client_secret,) if client_secret else (),
    )


@dataclass(frozen=True, slots=True)
class UserRegistration:
    """A user as an operator or an application writes one down: with the password still in clear."""

    account: Account
    password: str | None = None

    def __repr__(self) -> str:
        return f"UserRegistration({self.account!r})"


def user(
    username: str,
    password: str | None = None,
    *,
    sub: str | None = None,
    password_hash: str = "",
    **claims: Json,
) -> UserRegistration:
    """A user with the given claims. Without `sub`, the subject is made from the username, and stays the same."""
    account = Account(
        subject=sub or f"u-{username}", username=username, password_hash=password_hash, claims=claims
    )
    return UserRegistration(account, password)


def check_subjects(client_ids: Iterable[str], subjects: Iterable[str]) -> None:
    """Raises ValueError when one name is both a client's id and a user's `sub`.

    A token of such a client says the same `sub` as the user's tokens do, and a resource server that looks no further
    takes one for the other (RFC 9700 §4.15).
    """
    for both in sorted(frozenset(client_ids) & frozenset(subjects)):
        raise ValueError(
            f"{both!r} is the client_id of a client and the sub of a user; one of them needs another name"
        )


async def check_subjects_at_rest(
    clients: Sequence[ClientRegistration], users: Sequence[UserRegistration], stores: Stores
) -> None:
    """The same for an application's own clients and users against those in the store. Raises ValueError."""
    for registration in clients:
        client_id = registration.client.client_id
        if await stores.accounts.get(client_id) is not None:
            check_subjects([client_id], [client_id])
    for user in users:
        subject = user.account.subject
        if await stores.clients.get(subject) is not None:
            check_subjects([subject], [subject])


async def write_users(users: Sequence[UserRegistration], store: AccountStore, passwords: Passwords) -> None:
    """Put users into the store; one that is there already with the same password keeps its hash."""
    for registration in users:
        account = registration.account
        known = await store.get(account.subject)
        password_hash = account.password_hash
        if registration.password is not None:
            if known is not None and await passwords.verify(registration.password, known.password_hash):
                password_hash = known.password_hash
            else:
                password_hash = await passwords.hash(registration.password)
        await store.put(
            Account(
                subject=account.subject,
                username=account.username,
                password_hash=password_hash,
                claims=account.claims,
                enabled=account.enabled,
            )
        )
