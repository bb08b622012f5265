"""The profiles: what each demands of a client, at the start and, of a client in the store, with every request."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.jwt import unverified_claims
from authwright.crypto.seal import RootKeys
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.http import HttpResponse
from authwright.protocol.params import Params, encode, parse_params
from authwright.protocol.pkce import challenge_of
from authwright.provider.clients import ClientRegistration
from authwright.provider.profiles import INCOMPLETE, PROFILES
from authwright.provider.settings import Resource
from authwright.registrations import client
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import API, CALLBACK, ISSUER, SECRET, VERIFIER, Installation, install

RESOURCES = [Resource(uri=API, scopes=("read", "write"))]
STRICT = ["oauth21", "mcp"]
LAX = client("lax", SECRET, redirect_uris=[CALLBACK], scope="openid read", require_pkce=False)
PASSWORD = client("pw", SECRET, grant_types=["password"], scope="read", redirect_uris=[CALLBACK])
STATIC = client("static", redirect_uris=[CALLBACK], scope="openid offline_access", refresh_rotation=False)
MACHINE = client("machine", SECRET, grant_types=["client_credentials"], scope="read")


def made(*clients: ClientRegistration, profile: str = "oidc", **options: Any) -> None:
    """A provider with these clients; never opened."""
    standard_provider(
        issuer=ISSUER,
        stores=memory_stores(),
        keys=RootKeys([bytes(32)]),
        clients=clients,
        resources=options.pop("resources", RESOURCES),
        profile=profile,
        **options,
    )


@pytest.mark.parametrize("profile", STRICT)
def test_oauth_2_1_has_pkce_for_every_client_and_no_password_grant(profile: str) -> None:
    """OAuth 2.1 §7.5.2, §10.1: a client that is declared otherwise stops the start, and `oidc` takes it."""
    for registration, member in ((LAX, "require_pkce"), (PASSWORD, "grant_types")):
        with pytest.raises(
            ValueError, match=f"client '{registration.client.client_id}': {member}: .* {profile} "
        ):
            made(registration, profile=profile)
        own = msgspec.structs.replace(registration.client, profile=profile)
        with pytest.raises(ValueError, match=member):
            made(ClientRegistration(client=own))
        made(registration)
        # The other way round the client is what the operator leaves out of the rule.
        made(ClientRegistration(client=msgspec.structs.replace(own, profile="oidc")), profile=profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_sec_T7_refresh_tokens_of_a_public_client_rotate_or_are_bound(profile: str) -> None:
    """T7: neither is refused at the start, whatever the profile (RFC 9700 §4.14.2)."""
    with pytest.raises(ValueError, match=r"client .static.: refresh_rotation: .*RFC 9700"):
        made(STATIC, profile=profile)
    made(ClientRegistration(client=msgspec.structs.replace(STATIC.client, dpop_bound_access_tokens=True)))
    confidential = client("static", SECRET, redirect_uris=[CALLBACK], refresh_rotation=False)
    made(confidential, profile=profile)


def test_a_profile_that_is_not_whole_is_refused_by_what_it_lacks() -> None:
    """And one nobody knows, by those there are."""
    assert set(INCOMPLETE) == {"fapi2"}
    with pytest.raises(
        ValueError, match=r"'fapi2' is not available .*pushed authorization requests \(RFC 9126\)"
    ):
        made(profile="fapi2")
    own = ClientRegistration(client=msgspec.structs.replace(MACHINE.client, profile="fapi2"))
    with pytest.raises(ValueError, match="client 'machine': profile: 'fapi2' is not available"):
        made(own)
    with pytest.raises(ValueError, match="allowed are oidc, oauth21, mcp"):
        made(profile="oauth20")
    with pytest.raises(ValueError, match="'mcp' needs resources"):
        made(profile="mcp", resources=[])


async def with_stored(
    clock: FrozenClock, registrations: list[ClientRegistration], profile: str, **options: Any
) -> Installation:
    """A provider of that profile over a store where the clients have been since before."""
    stores = memory_stores(clock)
    handles = Handles(RootKeys([bytes(range(32))]).derive("handles"))
    for registration in registrations:
        await stores.clients.put(registration.digested(handles, clock))
    op = await install(stores, clock, clients=[], profile=profile, **options)
    op.clients.update({item.client.client_id: item.client for item in registrations})
    return op


async def public(op: Installation, name: str, path: str = "/token", **params: str) -> HttpResponse:
    """A POST of a client that names itself and has nothing to prove it with."""
    body = encode((*params.items(), ("client_id", name))).encode()
    return await op.post_raw(path, body, {"content-type": "application/x-www-form-urlencoded"})


async def asked(op: Installation, client_id: str, **params: str) -> Params:
    """What the redirect URI gets of an authorization request without a challenge but for `params`."""
    request = {
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        **params,
    }
    answer = await op.get("/authorize?" + encode(tuple(request.items())))
    assert answer.status == 303
    location = answer.headers.get("location") or ""
    return parse_params(location.partition("?")[2].encode())


@pytest.mark.parametrize("profile", STRICT)
async def test_a_client_in_the_store_keeps_to_a_profile_taken_up_later(
    clock: FrozenClock, profile: str
) -> None:
    """What was stored before cannot do more than what is declared now: no password grant, no code without PKCE."""
    sign_in = {"grant_type": "password", "username": "alice", "password": "alice-secret"}
    op = await with_stored(clock, [PASSWORD, LAX], profile)
    answer = await op.post("/token", client_id="pw", resource=API, **sign_in)
    assert (answer.status, answer.json()["error"]) == (400, "unauthorized_client")
    sent = await asked(op, "lax", resource=API)
    assert sent.one("error") == "invalid_request"
    assert "code_challenge" in (sent.one("error_description") or "")
    op = await with_stored(clock, [PASSWORD, LAX], "oidc")
    assert (await op.post("/token", client_id="pw", **sign_in)).status == 200
    answer = await op.get(
        f"/authorize?client_id=lax&redirect_uri={quote(CALLBACK)}&response_type=code&scope=openid"
    )
    assert "error=" not in (answer.headers.get("location") or "")


async def test_sec_T7_a_public_client_in_the_store_rotates_whatever_stands_there(clock: FrozenClock) -> None:
    """T7: its refresh token is another one after each use, and the one before is spent."""
    op = await with_stored(clock, [STATIC], "oidc")
    code = await op.code("static", scopes=("openid", "offline_access"))
    redeemed = await public(
        op,
        "static",
        grant_type="authorization_code",
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=VERIFIER,
    )
    first = redeemed.json()["refresh_token"]
    answer = await public(op, "static", grant_type="refresh_token", refresh_token=first)
    assert answer.json()["refresh_token"] != first
    again = await public(op, "static", grant_type="refresh_token", refresh_token=first)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")


async def test_every_token_of_an_mcp_client_is_for_a_resource_it_named(clock: FrozenClock) -> None:
    """MCP, RFC 8707 §2: without `resource` it is invalid_target, at each place where a grant begins."""
    phone = client("phone", grant_types=[DEVICE_CODE], scope="read", application_type="native")
    web = client("web", SECRET, redirect_uris=[CALLBACK], scope="openid read")
    op = await install(memory_stores(clock), clock, clients=[MACHINE, phone, web], profile="mcp")
    grant = {"client_id": "machine", "grant_type": "client_credentials"}
    refused = await op.post("/token", **grant)
    assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
    claims = unverified_claims((await op.post("/token", resource=API, **grant)).json()["access_token"])
    assert claims is not None
    assert claims["aud"] == API
    refused = await public(op, "phone", path="/device_authorization", scope="read")
    assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
    sent = await asked(op, "web", code_challenge=challenge_of(VERIFIER), code_challenge_method="S256")
    assert sent.one("error") == "invalid_target"
    # Nor does an extension slip one past: what a code was granted for is looked at again.
    code = await op.code("web", scopes=("openid", "read"))
    refused = await op.redeem(code, client_id="web")
    assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
    code = await op.code("web", scopes=("openid", "read"), resources=(API,))
    assert (await op.redeem(code, client_id="web")).status == 200


async def test_one_client_may_follow_mcp_by_itself(clock: FrozenClock) -> None:
    """The others of the issuer need not name a resource."""
    own = ClientRegistration(
        client=msgspec.structs.replace(MACHINE.client, client_id="agent", profile="mcp"), secrets=(SECRET,)
    )
    op = await install(memory_stores(clock), clock, clients=[MACHINE, own])
    statuses = [
        (await op.post("/token", client_id=name, grant_type="client_credentials")).status
        for name in ("machine", "agent")
    ]
    assert statuses == [200, 400]


async def test_an_mcp_client_finds_what_it_needs_in_the_metadata(clock: FrozenClock) -> None:
    """MCP: RFC 8414 metadata, with S256 named, and `iss` in every response (RFC 9207)."""
    op = await install(memory_stores(clock), clock, clients=[MACHINE], profile="mcp")
    metadata = (await op.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "password" not in metadata["grant_types_supported"]
