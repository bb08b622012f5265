"""requests-oauth2client exchanges tokens at our running provider, with and without an actor (RFC 8693)."""

from collections.abc import Callable, Iterator

import pytest
import requests
from jwskate import Jwt
from requests_oauth2client import BearerToken, ClientSecretBasic, InvalidRequest, InvalidScope, OAuth2Client

from tests.interop.exchange_provider_app import (
    API,
    BASE,
    ISSUER_VARIABLE,
    PASSWORD,
    SECRET,
    SUBJECT,
    USERNAME,
)
from tests.servers.process import ROOT, ServerProcesses, find_free_port

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(scope="module")
def issuer(processes: ServerProcesses) -> str:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    server = processes.python(
        *("-m", "uvicorn", "--factory", "tests.interop.exchange_provider_app:application"),
        *("--port", str(port), "--no-access-log", "--ws", "none"),
        environ={ISSUER_VARIABLE: url},
        cwd=ROOT,
    )
    server.wait_for(f"{url}/.well-known/openid-configuration")
    return url


@pytest.fixture
def become(issuer: str) -> Iterator[Callable[[str], OAuth2Client]]:
    sessions: list[requests.Session] = []

    def make(client_id: str) -> OAuth2Client:
        session = requests.Session()
        session.trust_env = False
        sessions.append(session)
        return OAuth2Client(
            token_endpoint=f"{issuer}/token",
            introspection_endpoint=f"{issuer}/introspect",
            revocation_endpoint=f"{issuer}/revoke",
            auth=ClientSecretBasic(client_id, SECRET),
            issuer=issuer,
            session=session,
            testing=True,
        )

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def alices(become: Callable[[str], OAuth2Client]) -> BearerToken:
    """What alice's sign-in gave the web client, for the API."""
    return become("web").resource_owner_password(
        USERNAME, PASSWORD, scope="read write offline_access", resource=API
    )


def test_a_token_is_exchanged_without_an_actor(
    become: Callable[[str], OAuth2Client], alices: BearerToken
) -> None:
    """RFC 8693 §2.3: narrower, for the API; the library guesses the subject_token_type."""
    exchanged = become("api").token_exchange(subject_token=alices, scope="read")
    assert exchanged.issued_token_type == ACCESS_TOKEN
    assert (exchanged.token_type, exchanged.scope) == ("Bearer", "read")
    claims = Jwt(exchanged.access_token).claims  # type: ignore[union-attr]
    assert (claims["sub"], claims["client_id"], claims["aud"], "act" in claims) == (
        SUBJECT,
        "api",
        API,
        False,
    )


def test_a_token_is_exchanged_with_an_actor(
    become: Callable[[str], OAuth2Client], alices: BearerToken
) -> None:
    """RFC 8693 §2.1, §4.1: the API's own token is the actor's; `act` is in the token and in introspection."""
    api = become("api")
    own = api.client_credentials(scope="read")
    exchanged = api.token_exchange(
        subject_token=alices,
        actor_token=own,
        requested_token_type=ACCESS_TOKEN,
        scope="read",
        audience=API,
    )
    claims = Jwt(exchanged.access_token).claims  # type: ignore[union-attr]
    assert claims["act"] == {"sub": "api", "client_id": "api"}
    about = api.introspect_token(exchanged)
    assert (about["active"], about["act"]) == (True, claims["act"])


def test_scopes_that_a_service_decided(become: Callable[[str], OAuth2Client], alices: BearerToken) -> None:
    """The answer says which; the library reads members it does not know."""
    api = become("api")
    exchanged = api.token_exchange(subject_token=alices, scope=f"read {BASE}photos {BASE}mail")
    assert exchanged.scope == f"read {BASE}photos.readonly"
    about = api.introspect_token(exchanged)
    assert (about["photos.geo"], about["custom_payload"]) == ("CA", {"photos": {"album": 7}})


def test_refusals_are_the_librarys_exceptions(
    become: Callable[[str], OAuth2Client], alices: BearerToken
) -> None:
    """RFC 8693 §2.2.2."""
    api = become("api")
    with pytest.raises(InvalidRequest):
        api.token_exchange(subject_token="nobodys", subject_token_type=ACCESS_TOKEN)
    with pytest.raises(InvalidScope):
        api.token_exchange(subject_token=alices, scope="openid")


def test_what_was_exchanged_ends_with_its_parent(
    become: Callable[[str], OAuth2Client], alices: BearerToken
) -> None:
    """Lineage, over the wire."""
    api = become("api")
    exchanged = api.token_exchange(subject_token=alices, scope="read")
    assert api.introspect_token(exchanged)["active"] is True
    assert alices.refresh_token is not None
    become("web").revoke_refresh_token(alices.refresh_token)
    assert api.introspect_token(exchanged) == {"active": False}
