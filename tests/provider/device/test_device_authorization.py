"""The device authorization endpoint and the messages around it (RFC 8628 §3.1, §3.2, §6.1)."""

import re

import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys
from authwright.protocol.device import (
    USER_CODE_ALPHABET,
    DeviceAuthorizationResponse,
    build_device_authorization_request,
    build_device_authorization_response,
    canonical_user_code,
    parse_device_authorization_request,
    parse_device_authorization_response,
    shown_user_code,
)
from authwright.protocol.errors import TemporarilyUnavailable
from authwright.protocol.params import parse_params
from authwright.provider.device_codes import CODE_ROUNDS, DeviceCodes, random_user_code
from tests.provider.device.living_room import DEVICE_PAGE, LivingRoom
from tests.provider.installation import ISSUER


async def test_a_device_gets_a_code_to_poll_with_and_one_to_show(room: LivingRoom) -> None:
    """RFC 8628 §3.2: every member, and no cache keeps it."""
    answer = await room.ask()
    assert answer.status == 200
    assert answer.headers.get("cache-control") == "no-store"
    begun = answer.json()
    assert set(begun) == {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
    }
    assert re.fullmatch(r"dc_[A-Za-z0-9_-]{47,}", begun["device_code"])
    assert re.fullmatch(f"[{USER_CODE_ALPHABET}]{{4}}-[{USER_CODE_ALPHABET}]{{4}}", begun["user_code"])
    assert begun["verification_uri"] == DEVICE_PAGE
    assert begun["verification_uri_complete"] == f"{DEVICE_PAGE}?user_code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)


async def test_discovery_names_the_endpoint_and_the_grant(room: LivingRoom) -> None:
    """RFC 8628 §4: clients find it through metadata."""
    document = (await room.op.get("/.well-known/openid-configuration")).json()
    assert document["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert "urn:ietf:params:oauth:grant-type:device_code" in document["grant_types_supported"]


@pytest.mark.parametrize(
    ("client_id", "params", "status", "error"),
    [
        ("web", {}, 400, "unauthorized_client"),
        ("nobody", {}, 401, "invalid_client"),
        ("tv", {"scope": "openid write"}, 400, "invalid_scope"),
        ("tv", {"scope": ["openid", "profile"]}, 400, "invalid_request"),
        ("tv", {"resource": "https://unknown.example"}, 400, "invalid_target"),
    ],
)
async def test_what_a_client_may_not_ask_for_is_refused(
    room: LivingRoom, client_id: str, params: dict[str, str], status: int, error: str
) -> None:
    """RFC 8628 §3.1: the rules of RFC 6749 §3.3, §5.2 and RFC 8707 §2 hold here too."""
    answer = await room.ask(client_id, **params)
    assert (answer.status, answer.json()["error"]) == (status, error)


async def test_a_confidential_client_authenticates(room: LivingRoom) -> None:
    """RFC 8628 §3.1: client authentication as at the token endpoint."""
    answer = await room.op.post("/device_authorization", client_id="box", secret="wrong", scope="openid")
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    assert (await room.ask("box")).status == 200


async def test_who_is_unknown_gets_sixty_codes_and_then_one_a_second(room: LivingRoom) -> None:
    """T16 reckons with a thousand live codes; a client that authenticates is not limited."""
    for _ in range(60):
        assert (await room.ask()).status == 200
    answer = await room.ask()
    assert (answer.status, answer.json()["error"], answer.headers.get("retry-after")) == (
        429,
        "slow_down",
        "1",
    )
    assert (await room.ask("plain", scope="openid")).status == 200
    for _ in range(61):
        assert (await room.ask("box")).status == 200
    room.clock.advance(1)
    assert (await room.ask()).status == 200


async def test_only_a_form_post_begins_anything(room: LivingRoom) -> None:
    """RFC 8628 §3.1: HTTP POST with a form."""
    assert (await room.op.get("/device_authorization")).status == 405
    answer = await room.op.post("/device_authorization", client_id=None, query="client_id=tv", client_id_="x")
    assert answer.status in (400, 401)


async def test_a_code_that_is_taken_is_drawn_anew(room: LivingRoom) -> None:
    """RFC 8628 §6.1: the codes are short, so two may collide; the second device gets another, or is told to retry."""
    drawn = iter(["BBBBBBBB", "BBBBBBBB", "CCCCCCCC", *["BBBBBBBB"] * CODE_ROUNDS])
    devices = DeviceCodes(
        tickets=room.op.stores.tickets,
        handles=Handles(RootKeys([bytes(range(32))]).derive("handles")),
        settings=room.op.provider.settings,
        user_code=lambda: next(drawn),
    )
    tv, now = room.op.clients["tv"], room.clock()
    assert (await devices.begin(tv, ("openid",), (), now)).user_code == "BBBBBBBB"
    assert (await devices.begin(tv, ("openid",), (), now)).user_code == "CCCCCCCC"
    with pytest.raises(TemporarilyUnavailable):
        await devices.begin(tv, ("openid",), (), now)


def test_a_code_is_eight_letters_without_vowels() -> None:
    """Security §5: 8 of BCDFGHJKLMNPQRSTVWXZ."""
    codes = {random_user_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(canonical_user_code(code) == code for code in codes)
    assert set("".join(codes)) == set(USER_CODE_ALPHABET)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("BCDF-GHJK", "BCDFGHJK"),
        ("bcdfghjk", "BCDFGHJK"),
        (" bcdf - ghjk ", "BCDFGHJK"),
        ("B.C.D.F_G/H:J,K", "BCDFGHJK"),
        ("BCDF-GHJ", None),
        ("BCDF-GHJKL", None),
        ("BCDF-GHJA", None),
        ("BCDF-GHJ1", None),
        ("", None),
        ("ＢCDFGHJK", None),
        ("BCDFGHJK" + " " * 64, None),
    ],
)
def test_what_is_typed_is_read_without_case_and_separators(typed: str, canonical: str | None) -> None:
    """RFC 8628 §6.1: removal of everything that is not in the character set used for user codes, and upper case."""
    assert canonical_user_code(typed) == canonical
    if canonical is not None:
        assert canonical_user_code(shown_user_code(canonical)) == canonical


def test_both_sides_read_what_the_other_writes() -> None:
    """RFC 8628 §3.1, §3.2."""
    body = build_device_authorization_request(
        scope=("openid", "read"), resource=("https://api.example",), client=(("client_id", "tv"),)
    )
    assert body == b"scope=openid+read&resource=https%3A%2F%2Fapi.example&client_id=tv"
    asked = parse_device_authorization_request(parse_params(body))
    assert (asked.scope, asked.resource) == (("openid", "read"), ("https://api.example",))
    response = DeviceAuthorizationResponse(
        device_code="d", user_code="BCDF-GHJK", verification_uri="https://op.example/device", expires_in=600
    )
    assert parse_device_authorization_response(build_device_authorization_response(response)) == response
    assert "BCDF" not in repr(response)


@pytest.mark.parametrize("content", [None, [], {}, {"device_code": "d"}, {"device_code": 1}])
def test_an_answer_that_is_none_is_refused(content: object) -> None:
    """RFC 8628 §3.2: what is required is required."""
    with pytest.raises(ValueError, match="device authorization response"):
        parse_device_authorization_response(content)
