"""npm oauth4webapi is a client of ours in every way it can be; it reads strictly what a server sends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.interop.deeds import shows
from tests.interop.fleet import Fleet
from tests.interop.fleet_clients import API, METHODS, PINGED, SCOPE, SUBJECT
from tests.interop.npm_peer import run_deed
from tests.servers.node import Node

pytestmark = pytest.mark.node

PROGRAM = Path(__file__).with_name("deeds_of_oauth4webapi.mjs")
CONFIDENTIAL = METHODS[:-1]

Seen: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture
def seen(node: Node, fleet: Fleet) -> Seen:
    """Does one deed as that client, and tells what the peer saw."""
    return lambda deed, *client_id: run_deed(node, fleet, PROGRAM, deed, *client_id)


@shows("authorization_code")
def test_a_person_signs_in_by_code_and_pkce(seen: Seen) -> None:
    """RFC 6749 §4.1, RFC 7636, RFC 9207, OpenID Connect Core §3.1, the signature of the ID token included."""
    assert seen("authorization_code") == {"subject": SUBJECT, "scope": SCOPE}


@shows("refresh_token")
def test_a_refresh_token_is_exchanged_for_its_successor(seen: Seen) -> None:
    """RFC 6749 §6."""
    assert seen("refresh_token") == {"rotated": True, "spent": "invalid_grant"}


@shows("client_credentials")
def test_a_machine_gets_a_token(seen: Seen) -> None:
    """RFC 6749 §4.4."""
    assert seen("client_credentials") == {"scope": "read", "token_type": "bearer"}


@shows("password")
def test_a_password_is_exchanged_for_tokens(seen: Seen) -> None:
    """RFC 6749 §4.3, by its general token request."""
    assert seen("password") == {"scope": "read", "wrong": "invalid_grant"}


@shows("device_code")
def test_a_device_asks_again_until_somebody_allows_it(seen: Seen) -> None:
    """RFC 8628 §3.1–§3.5."""
    assert seen("device_code") == {"pending": "authorization_pending", "subject": SUBJECT}


@shows("ciba_poll")
def test_a_client_in_the_background_polls(seen: Seen) -> None:
    """CIBA Core §7, §10.1."""
    assert seen("ciba_poll") == {"subject": SUBJECT}


@shows("ciba_ping")
def test_a_client_in_the_background_is_pinged(seen: Seen) -> None:
    """CIBA Core §10.2: it asks for the tokens when it was told that they are there."""
    assert seen("ciba_ping", PINGED) == {"told": True, "subject": SUBJECT}


@shows("jwt_bearer")
def test_a_signed_statement_is_exchanged_for_a_token(seen: Seen) -> None:
    """RFC 7523 §2.1, by its general token request."""
    assert seen("jwt_bearer", "private_key_jwt") == {"scope": "read"}


@shows(*CONFIDENTIAL)
@pytest.mark.parametrize("method", CONFIDENTIAL)
def test_it_authenticates(seen: Seen, method: str) -> None:
    """RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2: at the token endpoint, twice, and at the others."""
    assert seen("authenticate", method) == {"different": True, "client_id": method}


@shows("none")
def test_a_public_client_signs_somebody_in(seen: Seen) -> None:
    """RFC 6749 §2.1: it names itself, and PKCE does the rest."""
    assert seen("none", "none") == {"rotated": True}


@shows("dpop")
def test_tokens_are_bound_to_a_key_after_the_nonce_dance(seen: Seen) -> None:
    """RFC 9449 §5, §8: the code, its refresh and the UserInfo endpoint, each with a proof and a nonce of ours."""
    assert seen("dpop", "bound") == {
        "danced": True,
        "token_types": ["dpop", "dpop"],
        "subject": SUBJECT,
        "bound": True,
    }


@shows("userinfo")
def test_the_user_info_endpoint_tells_who_signed_in(seen: Seen) -> None:
    """OpenID Connect Core §5.3."""
    assert seen("userinfo") == {"sub": SUBJECT, "name": "Alice Example", "email": "alice@example.com"}


@shows("introspection")
def test_a_token_is_looked_up(seen: Seen) -> None:
    """RFC 7662."""
    assert seen("introspection") == {"active": True, "sub": SUBJECT, "client_id": "client_secret_basic"}


@shows("signed_introspection")
def test_an_api_gets_a_signed_answer_about_a_token(seen: Seen) -> None:
    """RFC 9701, the signature included."""
    assert seen("signed_introspection", "api") == {
        "active": True,
        "aud": API,
        "content_type": "application/token-introspection+jwt",
    }


@shows("revocation")
def test_a_revoked_refresh_token_takes_its_access_token_along(seen: Seen) -> None:
    """RFC 7009."""
    assert seen("revocation") == {"active": False}
