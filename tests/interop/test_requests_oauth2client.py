"""requests-oauth2client is a client of ours in every way it can be."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
import requests
from jwskate import Jwk, Jwt
from requests_oauth2client import (
    AuthorizationPending,
    BackChannelAuthenticationPollingJob,
    BearerToken,
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
    DeviceAuthorizationPollingJob,
    DPoPToken,
    IdToken,
    InvalidGrant,
    OAuth2Client,
    PrivateKeyJwt,
    PublicApp,
)

from tests.interop.deeds import shows
from tests.interop.fleet import Fleet
from tests.interop.fleet_clients import (
    CALLBACK,
    NOTIFICATION_TOKEN,
    PASSWORD,
    PINGED,
    SCOPE,
    SECRET,
    SUBJECT,
    USERNAME,
)

Become: TypeAlias = Callable[..., OAuth2Client]


@pytest.fixture
def become(fleet: Fleet) -> Iterator[Become]:
    """Makes the client of that name; it finds everything through discovery."""
    sessions: list[requests.Session] = []

    def make(client_id: str = "client_secret_basic", auth: Any = None, **options: Any) -> OAuth2Client:
        session = requests.Session()
        session.verify = fleet.ca_file
        # Where the environment names other authorities, it would be believed before the line above.
        session.trust_env = False
        sessions.append(session)
        if "tls_client_auth" in client_id:
            session.cert = fleet.certificate_of(client_id).pair
        # It reads the other endpoints from the document itself, and takes "localhost" for a test's host name alone.
        document = session.get(fleet.discovery, timeout=10).json()
        unread = ("device_authorization_endpoint", "backchannel_authentication_endpoint")
        return OAuth2Client.from_discovery_document(
            document,
            **{name: document[name] for name in unread},
            authorization_server_jwks=session.get(document["jwks_uri"], timeout=10).json(),
            issuer=fleet.issuer,
            auth=auth or ClientSecretBasic(client_id, SECRET),
            redirect_uri=CALLBACK,
            id_token_signed_response_alg="ES256",
            session=session,
            testing=True,
            **options,
        )

    yield make
    for session in sessions:
        session.close()


def sign_in(client: OAuth2Client, fleet: Fleet) -> BearerToken:
    """By code and PKCE; the client checks state, iss, nonce, at_hash and the signature."""
    request = client.authorization_request(scope=SCOPE)
    response = request.validate_callback(fleet.person.sign_in(str(request)))
    return client.authorization_code(response, validate=True)


@shows("authorization_code")
def test_a_person_signs_in_by_code_and_pkce(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §4.1, RFC 7636, RFC 9207, OpenID Connect Core §3.1."""
    tokens = sign_in(become(), fleet)
    assert isinstance(tokens.id_token, IdToken)
    assert tokens.id_token.claims["sub"] == SUBJECT
    assert str(tokens.scope).split() == SCOPE.split()


@shows("refresh_token")
def test_a_refresh_token_is_exchanged_for_its_successor(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §6."""
    client = become()
    tokens = sign_in(client, fleet)
    refreshed = client.refresh_token(tokens)
    assert refreshed.refresh_token not in (None, tokens.refresh_token)
    with pytest.raises(InvalidGrant):
        client.refresh_token(tokens)


@shows("client_credentials")
def test_a_machine_gets_a_token(become: Become) -> None:
    """RFC 6749 §4.4."""
    token = become().client_credentials(scope="read")
    assert (token.token_type, token.scope, token.refresh_token) == ("Bearer", "read", None)


@shows("password")
def test_a_password_is_exchanged_for_tokens(become: Become) -> None:
    """RFC 6749 §4.3."""
    client = become()
    assert client.resource_owner_password(USERNAME, PASSWORD, scope="read").scope == "read"
    with pytest.raises(InvalidGrant):
        client.resource_owner_password(USERNAME, "wrong", scope="read")


@shows("device_code")
def test_a_device_polls_until_somebody_allows_it(become: Become, fleet: Fleet) -> None:
    """RFC 8628 §3.1–§3.5: pending at first, then tokens."""
    client = become()
    begun = client.authorize_device(scope=SCOPE)
    assert (begun.interval, begun.is_expired()) == (5, False)
    with pytest.raises(AuthorizationPending):
        client.device_code(begun)
    assert begun.verification_uri_complete is not None
    fleet.person.allow_device(begun.verification_uri_complete)
    job = DeviceAuthorizationPollingJob(client, begun)
    tokens = job()
    assert tokens is not None
    assert tokens.id_token is not None


@shows("ciba_poll")
def test_a_client_in_the_background_polls(become: Become, fleet: Fleet) -> None:
    """CIBA Core §7, §10.1."""
    client = become()
    begun = client.backchannel_authentication_request(SCOPE, login_hint=USERNAME, binding_message="4711")
    fleet.person.allow_request()
    # She was quicker than the interval, and the first poll may come at any time.
    tokens = BackChannelAuthenticationPollingJob(client, begun, interval=1)()
    assert tokens is not None
    assert tokens.id_token is not None


@shows("ciba_ping")
def test_a_client_in_the_background_is_pinged(become: Become, fleet: Fleet) -> None:
    """CIBA Core §10.2: it asks for the tokens when it was told that they are there."""
    client = become(PINGED)
    begun = client.backchannel_authentication_request(
        SCOPE, login_hint=USERNAME, client_notification_token=NOTIFICATION_TOKEN
    )
    fleet.person.allow_request()
    heard = fleet.doorbell.rung.get(timeout=10)
    assert heard.authorization == f"Bearer {NOTIFICATION_TOKEN}"
    assert begun.auth_req_id in heard.body.decode()
    assert client.ciba(begun).id_token is not None


@shows("jwt_bearer")
def test_a_signed_statement_is_exchanged_for_a_token(become: Become, fleet: Fleet) -> None:
    """RFC 7523 §2.1: what the client says of a user, signed with its own key."""
    key = Jwk(fleet.jwk)
    client = become("private_key_jwt", PrivateKeyJwt("private_key_jwt", key))
    now = Jwt.timestamp()
    statement = Jwt.sign(
        {
            "iss": "private_key_jwt",
            "sub": SUBJECT,
            "aud": fleet.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": "statement of requests-oauth2client",
        },
        key=key,
    )
    assert client.jwt_bearer(statement, scope="read").scope == "read"


AUTHENTICATIONS: dict[str, Callable[[Fleet], Any]] = {
    "client_secret_basic": lambda fleet: ClientSecretBasic("client_secret_basic", SECRET),
    "client_secret_post": lambda fleet: ClientSecretPost("client_secret_post", SECRET),
    # Without `aud` it names the endpoint it talks to, which at another than the token endpoint is refused.
    "client_secret_jwt": lambda fleet: ClientSecretJwt("client_secret_jwt", SECRET, aud=fleet.issuer),
    "private_key_jwt": lambda fleet: PrivateKeyJwt("private_key_jwt", Jwk(fleet.jwk), aud=fleet.issuer),
    # It only has to name itself: the certificate is the session's.
    "tls_client_auth": lambda fleet: PublicApp("tls_client_auth"),
    "self_signed_tls_client_auth": lambda fleet: PublicApp("self_signed_tls_client_auth"),
}


@shows(*AUTHENTICATIONS)
@pytest.mark.parametrize("method", AUTHENTICATIONS)
def test_it_authenticates(become: Become, fleet: Fleet, method: str) -> None:
    """RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2: at the token endpoint, twice, and at the others."""
    client = become(method, AUTHENTICATIONS[method](fleet))
    first, second = client.client_credentials(scope="read"), client.client_credentials(scope="read")
    assert first.access_token != second.access_token
    assert client.introspect_token(first)["client_id"] == method
    assert client.revoke_access_token(first) is True


@shows("none")
def test_a_public_client_signs_somebody_in(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §2.1: it names itself, and PKCE does the rest."""
    client = become("none", PublicApp("none"))
    tokens = sign_in(client, fleet)
    assert client.refresh_token(tokens).refresh_token != tokens.refresh_token


@shows("dpop")
def test_tokens_are_bound_to_a_key_after_the_nonce_dance(become: Become, fleet: Fleet) -> None:
    """RFC 9449 §5, §8: the code, its refresh and the UserInfo endpoint, each with a proof and a nonce of ours."""
    client = become("bound", dpop_bound_access_tokens=True)
    request = client.authorization_request(scope=SCOPE)
    response = request.validate_callback(fleet.person.sign_in(str(request)))
    # Its check of an ID token that came with a bound token fails in its own code.
    tokens = client.authorization_code(response, validate=False)
    assert isinstance(tokens, DPoPToken)
    assert tokens.dpop_key.as_nonce
    assert client.userinfo(tokens)["sub"] == SUBJECT
    looked_up = client.introspect_token(tokens)
    assert looked_up["cnf"] == {"jkt": tokens.dpop_key.dpop_jkt}
    refreshed = client.refresh_token(tokens, dpop_key=tokens.dpop_key)
    assert isinstance(refreshed, DPoPToken)


@shows("userinfo", "introspection", "revocation")
def test_a_token_is_used_looked_up_and_revoked(become: Become, fleet: Fleet) -> None:
    """OpenID Connect Core §5.3, RFC 7662, RFC 7009."""
    client = become()
    tokens = sign_in(client, fleet)
    assert client.userinfo(tokens) == {
        "sub": SUBJECT,
        "name": "Alice Example",
        "email": "alice@example.com",
    }
    assert client.introspect_token(tokens)["sub"] == SUBJECT
    assert client.revoke_refresh_token(tokens) is True
    assert client.introspect_token(tokens) == {"active": False}
