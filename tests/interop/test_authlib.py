"""Authlib's clients, over requests and over httpx2, are clients of ours in every way they can be."""

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AssertionClient, OAuth2Client
from authlib.integrations.requests_client import AssertionSession, OAuth2Session
from authlib.integrations.starlette_client import OAuth
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.jwk import ECKey
from starlette.requests import Request

from authwright.protocol.ciba import CIBA
from authwright.protocol.device import DEVICE_CODE
from tests.interop.deeds import shows
from tests.interop.fleet import Fleet
from tests.interop.fleet_clients import (
    CALLBACK,
    NOTIFICATION_TOKEN,
    PASSWORD,
    PINGED,
    SCOPE,
    SECRET,
    SIGNED_OUT,
    SUBJECT,
    USERNAME,
)

Become: TypeAlias = Callable[..., Any]


@pytest.fixture(params=[OAuth2Session, OAuth2Client], ids=["requests", "httpx2"])
def become(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Become]:
    """Makes the client of that name; with a certificate where its method is to show one."""
    made: list[Any] = []

    def make(
        client_id: str = "client_secret_basic", method: str = "client_secret_basic", **options: Any
    ) -> Any:
        certificate = fleet.certificate_of(client_id).pair if "tls_client_auth" in client_id else None
        if request.param is OAuth2Client:
            options |= over_httpx2(fleet, certificate)
        client = request.param(
            client_id,
            options.pop("client_secret", None if method == "none" else SECRET),
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            redirect_uri=CALLBACK,
            code_challenge_method="S256",
            **options,
        )
        if request.param is OAuth2Session:
            over_requests(client, fleet, certificate)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def over_requests(session: Any, fleet: Fleet, certificate: tuple[str, str] | None = None) -> None:
    # Where the environment names other authorities, it would be believed before these lines.
    session.trust_env, session.verify, session.cert = False, fleet.ca_file, certificate


def over_httpx2(fleet: Fleet, certificate: tuple[str, str] | None = None) -> dict[str, Any]:
    tls = ssl.create_default_context(cafile=fleet.ca_file)
    if certificate is not None:
        tls.load_cert_chain(*certificate)
    return {"verify": tls, "trust_env": False}


def sign_in(client: Any, fleet: Fleet) -> dict[str, Any]:
    """By code and PKCE; the client checks the state."""
    verifier = generate_token(48)
    url, state = client.create_authorization_url(
        f"{fleet.issuer}/authorize", code_verifier=verifier, scope=SCOPE, nonce=generate_token(20)
    )
    tokens: dict[str, Any] = client.fetch_token(
        f"{fleet.issuer}/token",
        authorization_response=fleet.person.sign_in(url),
        state=state,
        code_verifier=verifier,
    )
    return tokens


@shows("authorization_code")
def test_a_person_signs_in_by_code_and_pkce(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §4.1, RFC 7636."""
    tokens = sign_in(become(), fleet)
    assert tokens.keys() >= {"access_token", "id_token", "refresh_token"}
    assert tokens["scope"] == SCOPE


@shows("logout")
async def test_its_starlette_client_signs_somebody_in_and_out(fleet: Fleet) -> None:
    """OpenID Connect Core §3.1 with its own check of the ID token; RP-Initiated Logout §2."""
    oauth = OAuth()
    app: Any = oauth.register(
        "authwright",
        client_id="client_secret_basic",
        client_secret=SECRET,
        server_metadata_url=fleet.discovery,
        client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", **over_httpx2(fleet)},
    )
    session: dict[str, Any] = {}
    redirect = await app.authorize_redirect(request_of("/login", "", session), CALLBACK)
    arrived = await fleet.person.signs_in(redirect.headers["location"])
    callback = request_of("/callback", arrived.partition("?")[2], session)
    tokens = await app.authorize_access_token(callback)
    assert tokens["userinfo"]["sub"] == SUBJECT
    logout = await app.create_logout_url(SIGNED_OUT, tokens["id_token"], "bye")
    assert await fleet.person.signs_in(logout["url"]) == f"{SIGNED_OUT}?state=bye"


def request_of(path: str, query: str, session: dict[str, Any]) -> Request:
    """What its Starlette client looks at."""
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [],
            "session": session,
        }
    )


@shows("refresh_token")
def test_a_refresh_token_is_exchanged_for_its_successor(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §6."""
    client = become()
    tokens = sign_in(client, fleet)
    refreshed = client.refresh_token(f"{fleet.issuer}/token")
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.refresh_token(f"{fleet.issuer}/token", tokens["refresh_token"])


@shows("client_credentials")
def test_a_machine_gets_a_token(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §4.4."""
    token = become(scope="read").fetch_token(f"{fleet.issuer}/token", grant_type="client_credentials")
    assert (token["token_type"], token["scope"]) == ("Bearer", "read")


@shows("password")
def test_a_password_is_exchanged_for_tokens(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §4.3."""
    client = become(scope="read")
    token = client.fetch_token(f"{fleet.issuer}/token", username=USERNAME, password=PASSWORD)
    assert token["scope"] == "read"
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.fetch_token(f"{fleet.issuer}/token", username=USERNAME, password="wrong")


def ask(client: Any, url: str, **form: str) -> dict[str, Any]:
    """A request that Authlib has no function for, with its client authentication."""
    auth = client.client_auth(client.token_endpoint_auth_method)
    answer = client.request("POST", url, withhold_token=True, data=form, auth=auth)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@shows("device_code")
def test_a_device_asks_again_until_somebody_allows_it(become: Become, fleet: Fleet) -> None:
    """RFC 8628 §3.4, §3.5: by its general token request; pending is an error to it like any other."""
    client = become()
    begun = ask(client, f"{fleet.issuer}/device_authorization", scope=SCOPE)
    poll = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}
    with pytest.raises(OAuthError, match="authorization_pending"):
        client.fetch_token(f"{fleet.issuer}/token", **poll)
    fleet.person.allow_device(begun["verification_uri_complete"])
    time.sleep(begun["interval"])
    assert "id_token" in client.fetch_token(f"{fleet.issuer}/token", **poll)


@shows("ciba_poll", "ciba_ping")
@pytest.mark.parametrize("client_id", ["client_secret_basic", PINGED])
def test_a_client_in_the_background_asks_for_its_tokens(become: Become, fleet: Fleet, client_id: str) -> None:
    """CIBA Core §10.1, §10.2: by its general token request, at its own time or when it is told."""
    client = become(client_id)
    told = {"client_notification_token": NOTIFICATION_TOKEN} if client_id == PINGED else {}
    begun = ask(
        client, f"{fleet.issuer}/backchannel_authentication", scope=SCOPE, login_hint=USERNAME, **told
    )
    fleet.person.allow_request()
    if told:
        assert begun["auth_req_id"] in fleet.doorbell.rung.get(timeout=10).body.decode()
    tokens = client.fetch_token(f"{fleet.issuer}/token", grant_type=CIBA, auth_req_id=begun["auth_req_id"])
    assert "id_token" in tokens


@shows("jwt_bearer")
@pytest.mark.parametrize("make", [AssertionSession, AssertionClient], ids=["requests", "httpx2"])
def test_a_signed_statement_is_exchanged_for_a_token(fleet: Fleet, make: Any) -> None:
    """RFC 7523 §2.1: what the client says of a user, signed with its own key; the client itself is public."""
    arguments = {
        "token_endpoint": f"{fleet.issuer}/token",
        "issuer": "none",
        "subject": SUBJECT,
        "audience": fleet.issuer,
        "scope": "read",
        "client_id": "none",
        "key": ECKey.import_key(dict(fleet.jwk)),
        "header": {"alg": "ES256"},
    }
    if make is AssertionClient:
        arguments |= over_httpx2(fleet)
    client = make(**arguments)
    if make is AssertionSession:
        over_requests(client, fleet)
    try:
        assert client.refresh_token()["scope"] == "read"
    finally:
        client.close()


def soon() -> dict[str, int]:
    """Its assertions live for an hour by default, which is longer than we take."""
    return {"exp": int(time.time()) + 60}


@shows(
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)
@pytest.mark.parametrize(
    "method",
    [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ],
)
def test_it_authenticates(become: Become, fleet: Fleet, method: str) -> None:
    """RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2: at the token endpoint, twice, and at the others."""
    token_endpoint = f"{fleet.issuer}/token"
    # Where the connection shows who it is, it only has to name itself.
    client = become(method, "none" if "tls_client_auth" in method else method, scope="read")
    if method == "private_key_jwt":
        client.client_secret = ECKey.import_key(dict(fleet.jwk))

    def renew() -> None:
        # It keeps the id of an assertion in the claims it was given, so each request needs new ones.
        if method == "client_secret_jwt":
            client.register_client_auth_method(ClientSecretJWT(token_endpoint, claims=soon()))
        elif method == "private_key_jwt":
            client.register_client_auth_method(PrivateKeyJWT(token_endpoint, claims=soon(), alg="ES256"))

    renew()
    first = client.fetch_token(token_endpoint, grant_type="client_credentials")["access_token"]
    renew()
    second = client.fetch_token(token_endpoint, grant_type="client_credentials")["access_token"]
    assert first != second
    renew()
    looked_up = client.introspect_token(f"{fleet.issuer}/introspect", token=second)
    assert looked_up.json()["client_id"] == method
    renew()
    assert client.revoke_token(f"{fleet.issuer}/revoke", token=second).status_code == 200


@shows("none")
def test_a_public_client_signs_somebody_in(become: Become, fleet: Fleet) -> None:
    """RFC 6749 §2.1: it names itself, and PKCE does the rest."""
    client = become("none", "none")
    tokens = sign_in(client, fleet)
    assert client.refresh_token(f"{fleet.issuer}/token")["refresh_token"] != tokens["refresh_token"]


@shows("userinfo", "introspection", "revocation")
def test_a_token_is_used_looked_up_and_revoked(become: Become, fleet: Fleet) -> None:
    """OpenID Connect Core §5.3, RFC 7662, RFC 7009."""
    client = become()
    tokens = sign_in(client, fleet)
    assert client.get(f"{fleet.issuer}/userinfo").json() == {
        "sub": SUBJECT,
        "name": "Alice Example",
        "email": "alice@example.com",
    }
    introspection = f"{fleet.issuer}/introspect"
    assert client.introspect_token(introspection, token=tokens["access_token"]).json()["sub"] == SUBJECT
    revoked = client.revoke_token(f"{fleet.issuer}/revoke", tokens["refresh_token"], "refresh_token")
    assert revoked.status_code == 200
    looked_up = client.introspect_token(introspection, token=tokens["access_token"])
    assert looked_up.json() == {"active": False}
