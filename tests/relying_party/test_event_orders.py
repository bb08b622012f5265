"""rp_L: in which order the events of a way are asked."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authwright.protocol.http import json_response
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.event_line import ALLOWED
from authwright.relying_party.events import RelyingPartyEvents
from tests.relying_party.hostile_provider import (
    ISSUER,
    Browser,
    HostileProvider,
    relying_party,
    sign_in,
    sign_in_by_form,
)

CODE = [
    "message_received", "authorization_code_received", "token_response_received", "token_validated",
    "user_information_received", "ticket_received",
]  # fmt: skip
HYBRID = [
    "message_received", "token_validated", "authorization_code_received", "token_response_received",
    "user_information_received", "ticket_received",
]  # fmt: skip
IMPLICIT = ["message_received", "token_validated", "user_information_received", "ticket_received"]


def recording(seen: list[str]) -> RelyingPartyEvents:
    """Events that only write down their names."""

    def recorder(name: str) -> Callable[[Any, Any], Awaitable[None]]:
        async def record(self: Any, context: Any) -> None:
            seen.append(name)

        return record

    methods = {name: recorder(name) for name, _ in ALLOWED.values()}
    recorder_type: type[RelyingPartyEvents] = type("Recorder", (RelyingPartyEvents,), methods)
    return recorder_type()


async def test_rp_L_the_order_of_the_code_flow(provider: HostileProvider) -> None:
    """1L: code: L1 | L3 L6 L7 L5 L8 L11."""
    seen: list[str] = []
    await sign_in(provider, Browser(relying_party(provider, events=recording(seen))))
    assert seen == [
        "redirect_to_identity_provider",
        "message_received",
        "authorization_code_received",
        "token_response_received",
        "token_validated",
        "user_information_received",
        "ticket_received",
    ]


async def test_rp_L_the_order_of_a_failure(provider: HostileProvider) -> None:
    """1L: an exception after the flow was found is shown to L9, then L10; a forged callback only to L10."""
    seen: list[str] = []
    browser = Browser(relying_party(provider, events=recording(seen)))
    provider.id_token = {"nonce": "wrong"}
    await sign_in(provider, browser)
    assert seen[-2:] == ["authentication_failed", "remote_failure"]
    seen.clear()
    await browser.get("/auth/callback?state=x&code=y")
    assert seen == ["message_received", "remote_failure"]
    seen.clear()
    await sign_in(provider, browser, code=None, error="access_denied")
    assert seen[1:] == ["message_received", "access_denied", "remote_failure"]


@pytest.mark.parametrize(
    ("response_type", "order"),
    [
        ("code", CODE),
        ("code token", CODE),
        ("code id_token", HYBRID),
        ("code id_token token", HYBRID),
        ("id_token token", IMPLICIT),
        ("id_token", [name for name in IMPLICIT if name != "user_information_received"]),
    ],
)
async def test_rp_L1_to_L14_the_order_of_a_sign_in(
    provider: HostileProvider, response_type: str, order: list[str]
) -> None:
    """1L: code: L1 | L3 L6 L7 L5 L8 L11; hybrid: L3 L5 L6 L7 L8 L11; implicit: L3 L5 L8 L11."""
    client = RelyingPartyClient(
        client_id="web",
        auth=Public(),
        response_type=response_type,  # type: ignore[arg-type]
        front_channel_access_tokens=True,
    )
    seen: list[str] = []
    browser = Browser(relying_party(provider, client=client, events=recording(seen)))
    way = sign_in if response_type == "code" else sign_in_by_form
    assert (await way(provider, browser)).status == 303
    assert seen == ["redirect_to_identity_provider", *order]


async def test_rp_L2_the_push_comes_after_the_redirect_s_event(provider: HostileProvider) -> None:
    """L1, L2: first what to ask, then how it is carried."""
    provider.metadata["pushed_authorization_request_endpoint"] = ISSUER + "/par"
    provider.answers["/par"] = lambda request: json_response(201, {"request_uri": "urn:x", "expires_in": 60})
    seen: list[str] = []
    await Browser(relying_party(provider, events=recording(seen))).get("/auth/login")
    assert seen == ["redirect_to_identity_provider", "push_authorization"]
