"""What the issuer publishes is what works (OpenID Connect Discovery 1.0, RFC 8414)."""

import pytest

from authwright.crypto.seal import RootKeys
from authwright.protocol.http import HttpRequest
from authwright.protocol.metadata import parse_metadata
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import ISSUER, Installation

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_both_documents_say_the_same_and_parse_with_our_own_reader(op: Installation, path: str) -> None:
    """RFC 8414 §2; the issuer is exact."""
    answer = await op.get(path)
    assert (answer.status, answer.headers.get("content-type")) == (200, "application/json")
    metadata = parse_metadata(answer.json(), issuer=ISSUER)
    assert metadata.authorization_response_iss_parameter_supported
    assert metadata.code_challenge_methods_supported == ("S256",)
    assert answer.body == (await op.get(DOCUMENTS[0])).body


async def test_everything_it_names_answers(op: Installation) -> None:
    """Nothing is advertised that does not work: no endpoint it names is a 404."""
    document = (await op.get(DOCUMENTS[0])).json()
    named = {name: url for name, url in document.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    assert len(named) >= 8
    for url in named.values():
        answer = await op.provider.handle(HttpRequest.to("GET", url))
        assert answer.status != 404
    for grant_type in document["grant_types_supported"]:
        answer = await op.post("/token", client_id="web", grant_type=grant_type)
        assert answer.json()["error"] != "unsupported_grant_type"


async def test_documents_are_cached_and_revalidated(op: Installation) -> None:
    """ETag and Cache-Control; an unchanged document is not sent twice."""
    for path in (*DOCUMENTS, "/jwks"):
        first = await op.get(path)
        etag = first.headers.get("etag")
        assert etag
        again = await op.get(path, if_none_match=etag)
        assert (again.status, again.body) == (304, b"")


async def test_an_issuer_with_a_path_has_its_documents_where_both_specifications_look(
    clock: FrozenClock,
) -> None:
    """Discovery §4 appends to the issuer; RFC 8414 §3.1 inserts between host and path."""
    issuer = "https://host.example/realms/blue"
    provider = standard_provider(
        issuer=issuer, stores=memory_stores(clock), keys=RootKeys([b"k" * 32]), clock=clock
    )
    await provider.open()
    for url in (
        "https://host.example/realms/blue/.well-known/openid-configuration",
        "https://host.example/.well-known/oauth-authorization-server/realms/blue",
    ):
        document = (await provider.handle(HttpRequest.to("GET", url))).json()
        assert document["issuer"] == issuer
        assert document["token_endpoint"] == issuer + "/token"
    assert (await provider.handle(HttpRequest.to("GET", "https://host.example/token"))).status == 404


@pytest.mark.parametrize(
    ("issuer", "words"),
    [
        ("", "not an absolute URL"),
        ("op.example", "not an absolute URL"),
        ("http://op.example", "loopback only"),
        ("https://op.example?x=1", "query"),
        ("https://op.example#x", "fragment"),
        ("https://user@op.example", "user name"),
    ],
)
def test_an_impossible_issuer_is_refused_in_words(issuer: str, words: str) -> None:
    """Configuration mistakes are told at the start."""
    with pytest.raises(ValueError, match=words):
        standard_provider(issuer=issuer, stores=memory_stores(), keys=RootKeys([b"k" * 32]))
