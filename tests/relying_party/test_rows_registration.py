"""rp_A: what a relying party is made of, and what it refuses to be made of."""

from typing import Any

import pytest

from authwright.crypto.seal import RootKeys
from authwright.protocol.http import json_response
from authwright.protocol.metadata import parse_metadata
from authwright.relying_party.client import Paths, Public
from authwright.remote.documents import RemoteFault
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    Clock,
    HostileProvider,
    error_code,
    location,
    sign_in,
)
from tests.relying_party.ways import made, query_of


async def test_rp_A1_several_relying_parties_coexist(provider: HostileProvider) -> None:
    """A1: each is an object of its own, with a name and paths of its own; there is no registry."""
    one, two = made(provider, name="one"), made(provider, name="two")
    assert query_of(await one.get("/auth/one/login"))["redirect_uri"] == f"{BASE}/auth/one/callback"
    assert query_of(await two.get("/auth/two/login"))["redirect_uri"] == f"{BASE}/auth/two/callback"


@pytest.mark.parametrize(
    "options",
    [
        {"client_id": ""},
        {"max_age": -1},
        {"issuer": ""},
        {"issuer": "op.example"},
        {"issuer": "ftp://op.example"},
        {"issuer": "http://op.example"},
        {"issuer": "HTTP://op.example"},
        {"scopes": ["profile"]},
        {"paths": Paths(prefix="/x"), "base_url": "http://app.example"},
        {"client_auth": Public()},
        {"name": "a/b"},
        {"response_type": "token"},
        {"response_type": "code token"},
        {"response_type": "id_token", "response_mode": "query"},
        {"response_mode": "fragment"},
        {"authentication_method": "carrier pigeon"},
        {"id_token_algorithms": []},
        {"id_token_algorithms": ["HS256"]},
        {"required_claims": ["email"]},
        {"tenants": ["t1"]},
        {"issuer": "https://op.example/{tenantid}"},
        {"issuer": "https://op.example/{tenantid}", "tenants": ["t1"]},
        {"issuer": "https://op.example/{other}", "tenants": ["t1"], "metadata_url": "https://op.example/x"},
    ],
    ids=str,
)
def test_rp_A5_A7_A8_what_cannot_work_is_refused_where_it_is_written(
    provider: HostileProvider, options: dict[str, Any]
) -> None:
    """A5, A7, A8: an empty client id, a negative max_age, no issuer: an error at construction, not at the first use."""
    with pytest.raises(ValueError):
        made(provider, **options)


@pytest.mark.parametrize("prefix", ["", "/", "auth", "/auth/", "/café"])
def test_rp_A6_an_empty_or_broken_path_is_refused(prefix: str) -> None:
    """A6: the callback needs a path."""
    with pytest.raises(ValueError):
        Paths(prefix=prefix)


@pytest.mark.parametrize("issuer", ["https://op.example/x", "https://op.example/x/"])
async def test_rp_A9_B1_the_metadata_is_below_the_issuer(issuer: str) -> None:
    """A9: with or without a slash at the end: /.well-known/openid-configuration is added to the issuer's path."""
    provider = HostileProvider(Clock(), issuer)
    with pytest.raises(RemoteFault):
        await made(provider).party.metadata.get()
    assert provider.requests[0].url == "https://op.example/x/.well-known/openid-configuration"


async def test_rp_B1_the_metadata_may_be_elsewhere(provider: HostileProvider) -> None:
    """B1: the full address instead; what is there must still be of the issuer."""
    provider.answers["/elsewhere"] = lambda request: json_response(200, provider.metadata)
    browser = made(provider, metadata_url="https://op.example/elsewhere")
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked("/.well-known/openid-configuration") == 0


@pytest.mark.parametrize("issuer", ["http://localhost:9000", "http://127.0.0.1:9000"])
async def test_rp_A10_http_is_for_loopback_alone(issuer: str) -> None:
    """A10: elsewhere it is an error at construction; on loopback metadata and keys may be http too."""
    provider = HostileProvider(Clock(), issuer)
    with pytest.raises(ValueError, match="https"):
        made(provider, issuer="http://op.example")
    assert (await sign_in(provider, made(provider))).status == 303


async def test_rp_A10_an_https_issuer_has_no_http_endpoint(provider: HostileProvider) -> None:
    """A10: whatever its metadata says."""
    provider.metadata["token_endpoint"] = "http://op.example/token"
    response = await made(provider).get("/auth/login")
    assert (response.status, error_code(response)) == (503, "endpoint_not_https")


async def test_rp_A11_B2_given_metadata_is_not_fetched(provider: HostileProvider) -> None:
    """A11: no fetch, and no address of one is looked at."""
    given = parse_metadata(provider.metadata, issuer=ISSUER)
    provider.down.add("/.well-known/openid-configuration")
    browser = made(provider, metadata=given, metadata_url="https://op.example/elsewhere")
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked("/.well-known/openid-configuration") == 0


async def test_rp_A12_the_audience_is_the_client_id(provider: HostileProvider) -> None:
    """A12, B22: aud must be our client_id; others beside it only where they are trusted."""
    provider.id_token = {"aud": ["web", "api"], "azp": "web"}
    assert error_code(await sign_in(provider, made(provider))) == "id_token_aud_untrusted"
    assert (await sign_in(provider, made(provider, trusted_audiences=["api"]))).status == 303


async def test_rp_A14_one_party_cannot_open_the_attempt_of_another(provider: HostileProvider) -> None:
    """A14: state of scheme A cannot be opened by scheme B, though key, issuer and client are the same."""
    one, two = made(provider, name="one"), made(provider, name="two")
    url = provider.authorize(location(await one.get("/auth/one/login")))
    two.cookies = dict(one.cookies)
    response = await two.get(url.replace("/auth/one/", "/auth/two/"))
    assert error_code(response) == "flow_of_another_issuer"
    other_key = made(provider, name="one", keys=RootKeys([b"x" * 32]))
    other_key.cookies = dict(one.cookies)
    assert (await other_key.get(url)).status == 400
