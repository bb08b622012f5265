"""An API that wants a stronger or a fresher sign-in than the token stands for (RFC 9470)."""

import base64
from typing import Any

import pytest

from authwright.protocol.challenge import parse_challenge
from authwright.protocol.http import Json
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.refusals import BearerRefused
from authwright.resource_server.requirement import Requirement
from tests.relying_party.hostile_provider import Clock, HostileProvider
from tests.resource_server.test_bearer_guard import INTROSPECTION, Introspected, guard_of, mint, request

STRONG, WEAK = "urn:example:strong", "urn:example:weak"


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


def seconds_ago(provider: HostileProvider, seconds: int) -> int:
    return int(provider.clock().timestamp()) - seconds


async def refused(guard: ResourceServer, token: str, **needed: Any) -> BearerRefused:
    with pytest.raises(BearerRefused) as raised:
        await guard.guard(request(token), **needed)
    return raised.value


async def test_a_token_of_a_good_sign_in_is_let_in(provider: HostileProvider) -> None:
    """RFC 9470 §6.1: `acr` and `auth_time` are read from the token; one of several values is enough."""
    token = mint(provider, acr=STRONG, auth_time=seconds_ago(provider, 300))
    accepted = await guard_of(provider).guard(
        request(token), ["read"], acr_values=["urn:example:other", STRONG], max_age=300
    )
    assert accepted.acr == STRONG
    assert accepted.auth_time is not None
    assert int(accepted.auth_time.timestamp()) == seconds_ago(provider, 300)


@pytest.mark.parametrize(
    ("claims", "needed"),
    [
        ({"acr": WEAK}, {"acr_values": [STRONG]}),
        ({}, {"acr_values": [STRONG]}),
        ({"acr": [STRONG]}, {"acr_values": [STRONG]}),
        ({}, {"max_age": 300}),
        ({"auth_time": True}, {"max_age": 300}),
        ({"auth_time": "1"}, {"max_age": 300}),
        ({"auth_time": 1}, {"max_age": 300}),
        ({"acr": STRONG, "auth_time": 1}, {"acr_values": [STRONG], "max_age": 300}),
    ],
)
async def test_any_other_token_is_told_what_would_do(
    provider: HostileProvider, claims: dict[str, Json], needed: dict[str, Any]
) -> None:
    """RFC 9470 §3: 401 `insufficient_user_authentication`, with `acr_values` and `max_age` as needed."""
    error = await refused(guard_of(provider), mint(provider, **claims), **needed)
    assert (error.status, error.error) == (401, "insufficient_user_authentication")
    scheme, parameters = parse_challenge(error.www_authenticate or "")
    assert scheme == "bearer"
    assert parameters.pop("error") == "insufficient_user_authentication"
    assert parameters.pop("error_description")
    wanted = {
        name: " ".join(value) if isinstance(value, list) else str(value) for name, value in needed.items()
    }
    assert parameters == wanted


async def test_a_second_too_old_is_too_old(provider: HostileProvider) -> None:
    """`max_age` is counted in whole seconds from `auth_time`, by our clock; 0 is a number like any other."""
    guard = guard_of(provider)
    now = mint(provider, auth_time=seconds_ago(provider, 0))
    await guard.guard(request(now), max_age=0)
    late = await refused(guard, mint(provider, auth_time=seconds_ago(provider, 1)), max_age=0)
    assert 'max_age="0"' in (late.www_authenticate or "")


async def test_one_refusal_names_the_scope_too(provider: HostileProvider) -> None:
    """RFC 9470 §3: a token that lacks scope as well is told so at once, and one that lacks only scope gets 403."""
    guard = guard_of(provider)
    both = await refused(guard, mint(provider, scope="read"), scopes=["write"], acr_values=[STRONG])
    assert (both.status, both.scope) == (401, "write")
    only_authentication = await refused(guard, mint(provider), scopes=["write"], acr_values=[STRONG])
    assert (only_authentication.status, only_authentication.scope) == (401, "")
    only_scope = await refused(
        guard, mint(provider, scope="read", acr=STRONG), scopes=["write"], acr_values=[STRONG]
    )
    assert (only_scope.status, only_scope.error) == (403, "insufficient_scope")


async def test_introspection_says_how_the_user_signed_in(provider: HostileProvider) -> None:
    """RFC 9470 §6.2: the same members of an introspection response."""
    endpoint = Introspected(provider)
    guard = guard_of(provider, introspection=INTROSPECTION)
    weak = await refused(guard, "opaque", acr_values=[STRONG])
    assert weak.error == "insufficient_user_authentication"
    endpoint.answer = {**endpoint.answer, "acr": STRONG, "auth_time": seconds_ago(provider, 10)}
    accepted = await guard.guard(request("another-opaque"), acr_values=[STRONG], max_age=60)
    assert accepted.acr == STRONG


async def test_an_invalid_token_is_invalid_before_it_is_weak(provider: HostileProvider) -> None:
    """A step-up cannot mend a forged or expired token, so nobody is sent to sign in for one."""
    forged = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + ".e30."
    error = await refused(guard_of(provider), forged, acr_values=[STRONG])
    assert error.error == "invalid_token"


@pytest.mark.parametrize("needed", [{"max_age": -1}, {"acr_values": ("a b",)}, {"acr_values": ("",)}])
def test_what_nobody_can_meet_is_refused_at_start(needed: dict[str, Any]) -> None:
    """A space in a value would read as two values on the other side."""
    with pytest.raises(ValueError, match=r"max_age|single words"):
        Requirement(**needed)
