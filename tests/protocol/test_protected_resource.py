"""The metadata of a protected resource as both sides see it (RFC 9728)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.http import Json
from authwright.protocol.protected_resource import (
    ProtectedResourceMetadata,
    build_protected_resource,
    metadata_url,
    parse_protected_resource,
)

RESOURCE = "https://resource.example.com"
WORDS = st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), max_size=3).map(
    tuple
)


def test_rfc_9728_3_1_the_well_known_path_stands_before_the_own_one() -> None:
    """The two examples of §3.1, a final slash of the host alone, and a query."""
    assert metadata_url(RESOURCE) == f"{RESOURCE}/.well-known/oauth-protected-resource"
    assert metadata_url(f"{RESOURCE}/") == f"{RESOURCE}/.well-known/oauth-protected-resource"
    assert (
        metadata_url(f"{RESOURCE}/resource1") == f"{RESOURCE}/.well-known/oauth-protected-resource/resource1"
    )
    assert metadata_url(f"{RESOURCE}/a?b=c") == f"{RESOURCE}/.well-known/oauth-protected-resource/a?b=c"


@pytest.mark.parametrize(
    "resource",
    ["", "orders", "urn:orders", "ftp://a.example", "https://", "https://a.example/#f", "https://a.example/#",
     "https://u@a.example", "https://a.example/ b", "https://a.example/\n", "https://bücher.example"],
)  # fmt: skip
def test_what_is_no_resource_identifier_has_no_document(resource: str) -> None:
    """RFC 9728 §1.2: an absolute URL without a fragment."""
    with pytest.raises(ValueError, match="resource identifier"):
        metadata_url(resource)


def test_rfc_9728_3_2_a_member_without_a_value_is_left_out() -> None:
    """Nothing is said where there is nothing to say."""
    assert build_protected_resource(ProtectedResourceMetadata(resource=RESOURCE)) == {"resource": RESOURCE}


@given(WORDS, WORDS, WORDS, st.booleans(), st.booleans())
def test_what_is_built_is_what_is_read(
    servers: tuple[str, ...], scopes: tuple[str, ...], algorithms: tuple[str, ...], dpop: bool, mtls: bool
) -> None:
    """Through JSON and back."""
    metadata = ProtectedResourceMetadata(
        resource=RESOURCE,
        authorization_servers=servers,
        scopes_supported=scopes,
        bearer_methods_supported=("header",),
        dpop_signing_alg_values_supported=algorithms,
        dpop_bound_access_tokens_required=dpop,
        tls_client_certificate_bound_access_tokens=mtls,
        extra={"resource_name": "Orders", "resource_name#de": "Bestellungen"},
    )
    document = msgspec.json.decode(msgspec.json.encode(build_protected_resource(metadata)))
    assert parse_protected_resource(document, resource=RESOURCE) == metadata


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"resource": f"{RESOURCE}/"},
        {"resource": "https://evil.example"},
        {"resource": RESOURCE, "authorization_servers": "https://op.example"},
        {"resource": RESOURCE, "scopes_supported": [1]},
        {"resource": RESOURCE, "dpop_bound_access_tokens_required": "true"},
    ],
)
def test_rfc_9728_3_3_a_document_of_another_resource_is_refused(document: Json) -> None:
    """Compared exactly, and typed strictly."""
    with pytest.raises(ValueError, match=r"resource|list|true"):
        parse_protected_resource(document, resource=RESOURCE)
