"""What the tests of other servers show of the token endpoint, where the table does not: node-oidc-provider and the OIDF.

What they show of codes, rotation, narrowing and Basic stands in the rows; token exchange has tables of its own.
"""

from datetime import timedelta
from typing import ClassVar

import msgspec
import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys
from authwright.protocol.params import Params
from authwright.provider.clients import ClientRegistration
from authwright.provider.grants.base import Grant
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.records import ClientSecret
from authwright.registrations import client
from authwright.testing.clock import FrozenClock
from authwright.ticket import StoredTicket, Ticket
from tests.provider.installation import SECRET, Installation
from tests.provider.token.rows import ask_for, provider, refused

LISTED = "urn:example:listed"


class ListedGrant(Grant[tuple[str, ...]]):
    """A grant of an application's own, one of whose parameters may be repeated."""

    grant_type: ClassVar[str] = LISTED
    repeatable: ClassVar[frozenset[str]] = frozenset({"item", "grant_type"})

    def parse(self, params: Params) -> tuple[str, ...]:
        items = params.many("item")
        return items or (params.require("item"),)

    async def authorize(
        self, request: AuthenticatedTokenRequest[tuple[str, ...]], found: StoredTicket | None
    ) -> Ticket:
        return Ticket(
            grant_id="g", client_id=request.client.client_id, response={"items": len(request.request.grant)}
        )


async def test_peer_node_oidc_custom_grants_refuse_repeated_parameters_unless_they_list_them(
    clock: FrozenClock,
) -> None:
    """Refused by default, exempt per grant, grant_type never."""
    listed = client("web", SECRET, grant_types=[LISTED], scope="")
    op = await provider(clock, clients=(listed,), extra_grants=[ListedGrant()])
    answer = await op.post("/token", grant_type=LISTED, item=["a", "b", "c"])
    assert answer.json()["items"] == 3
    refused(await op.post("/token", grant_type=LISTED, item="a", other=["x", "y"]), 400, "invalid_request")
    refused(await op.post("/token", grant_type=[LISTED, LISTED], item="a"), 400, "invalid_request")
    refused(await op.post("/token", grant_type=LISTED), 400, "invalid_request")


async def test_peer_node_oidc_an_expired_secret_is_invalid_client(clock: FrozenClock) -> None:
    """A secret past its time is no secret; the one beside it still works."""
    secrets = client("machine", SECRET, grant_types=["client_credentials"], scope="read")
    until = clock() + timedelta(hours=1)
    digest = Handles(RootKeys([bytes(range(32))]).derive("handles")).digest_of("client_secret", "old-secret")
    old = ClientSecret(digest=digest, created_at=clock(), expires_at=until)
    registered = ClientRegistration(
        client=msgspec.structs.replace(secrets.client, secrets=(old,)), secrets=secrets.secrets
    )
    op = await provider(clock, clients=(registered,))

    async def status(secret: str) -> int:
        answer = await op.post("/token", client_id="machine", secret=secret, grant_type="client_credentials")
        return answer.status

    assert (await status("old-secret"), await status(SECRET)) == (200, 200)
    op.clock.advance(3601)
    assert (await status("old-secret"), await status(SECRET)) == (401, 200)


async def test_peer_node_oidc_an_id_token_goes_when_openid_is_narrowed_away(op: Installation) -> None:
    """And comes back with the next refresh."""
    first = (await op.redeem(await op.code())).json()
    narrow = (await op.refresh(first["refresh_token"], scope="read offline_access")).json()
    assert "id_token" not in narrow
    assert "id_token" in (await op.refresh(narrow["refresh_token"])).json()


@pytest.mark.parametrize("value", ["a\r\nb: c", 'a"b', "a\\b", "a\tb", "é"])
async def test_peer_oidf_error_descriptions_keep_to_their_characters(op: Installation, value: str) -> None:
    """%x20-21 / %x23-5B / %x5D-7E, and neither CR, LF nor TAB."""
    for answer in (
        await ask_for(op, "client_credentials", scope=value),
        await op.post("/token", grant_type=value),
        await op.redeem(value),
    ):
        text = answer.json().get("error_description", "")
        assert all(" " <= character <= "~" and character not in '"\\' for character in text)


async def test_peer_oidf_a_code_is_bound_to_its_client(op: Installation) -> None:
    """ensure-authorization-code-is-bound-to-client: invalid_grant."""
    refused(await op.redeem(await op.code(), client_id="other"), 400, "invalid_grant")


async def test_peer_lesson_mint_introspect_refresh_and_revoke_end_to_end(
    op_on_each_store: Installation,
) -> None:
    """A path through every part, with nothing made by hand but the code."""
    op = op_on_each_store
    tokens = (await op.redeem(await op.code())).json()
    for _ in range(3):
        seen = (await op.post("/introspect", token=tokens["access_token"])).json()
        assert (seen["active"], seen["sub"], seen["client_id"]) == (True, "u-alice", "web")
        answer = await op.get("/userinfo", authorization=f"Bearer {tokens['access_token']}")
        assert answer.json()["sub"] == "u-alice"
        tokens = (await op.refresh(tokens["refresh_token"])).json()
    assert (await op.post("/revoke", token=tokens["refresh_token"])).status == 200
    assert not await op.is_active(tokens["access_token"])
    refused(await op.refresh(tokens["refresh_token"]), 400, "invalid_grant")
