"""What an issuer publishes about itself (OpenID Connect Discovery 1.0, RFC 8414)."""

import pytest

from authwright.protocol.http import Json
from authwright.protocol.metadata import (
    MetadataRejected,
    oauth_metadata_url,
    openid_configuration_url,
    parse_metadata,
)

ISSUER = "https://op.example"


@pytest.mark.parametrize(
    ("issuer", "oauth", "openid"),
    [
        (
            "https://example.com",
            "https://example.com/.well-known/oauth-authorization-server",
            "https://example.com/.well-known/openid-configuration",
        ),
        (
            "https://example.com/",
            "https://example.com/.well-known/oauth-authorization-server",
            "https://example.com/.well-known/openid-configuration",
        ),
        (
            "https://example.com/issuer1",
            "https://example.com/.well-known/oauth-authorization-server/issuer1",
            "https://example.com/issuer1/.well-known/openid-configuration",
        ),
        (
            "https://example.com:8443/a/b/",
            "https://example.com:8443/.well-known/oauth-authorization-server/a/b",
            "https://example.com:8443/a/b/.well-known/openid-configuration",
        ),
    ],
)
def test_where_the_documents_are(issuer: str, oauth: str, openid: str) -> None:
    """RFC 8414 §3.1 puts the well-known part between host and path, Discovery 1.0 §4 behind the path."""
    assert oauth_metadata_url(issuer) == oauth
    assert openid_configuration_url(issuer) == openid


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "not_an_object"),
        (None, "not_an_object"),
        ("https://op.example", "not_an_object"),
        ({}, "issuer_mismatch"),
        ({"issuer": "https://op.example/"}, "issuer_mismatch"),
        ({"issuer": "https://OP.example"}, "issuer_mismatch"),
        ({"issuer": ["https://op.example"]}, "issuer_mismatch"),
        ({"issuer": "https://evil.example"}, "issuer_mismatch"),
        ({"issuer": ISSUER, "token_endpoint": 1}, "malformed"),
        ({"issuer": ISSUER, "scopes_supported": "openid"}, "malformed"),
        ({"issuer": ISSUER, "scopes_supported": [1]}, "malformed"),
        ({"issuer": ISSUER, "authorization_response_iss_parameter_supported": "true"}, "malformed"),
        ({"issuer": ISSUER, "token_endpoint": "http://op.example/token"}, "endpoint_not_https"),
        ({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, "endpoint_not_https"),
        ({"issuer": ISSUER, "authorization_endpoint": "javascript:alert(1)"}, "endpoint_not_https"),
        ({"issuer": ISSUER, "token_endpoint": "HTTPS://op.example/token"}, "endpoint_not_https"),
        ({"issuer": ISSUER, "token_endpoint": "https://op.example/\r\nx"}, "endpoint_malformed"),
        ({"issuer": ISSUER, "token_endpoint": "https://op.example/a b"}, "endpoint_malformed"),
        ({"issuer": ISSUER, "token_endpoint": "https://öp.example/"}, "endpoint_malformed"),
        ({"issuer": ISSUER, "challenge_endpoint": ["https://op.example"]}, "endpoint_malformed"),
        ({"issuer": ISSUER, "device_authorization_endpoint": "http://op.example"}, "endpoint_not_https"),
    ],
)
def test_sec_P6_a_document_of_somebody_else_or_with_unsafe_endpoints_is_refused(
    content: Json, reason: str
) -> None:
    """Row P6, RFC 8414 §3.3 and §2: the issuer is identical to the one asked for, endpoints use https."""
    with pytest.raises(MetadataRejected) as raised:
        parse_metadata(content, issuer=ISSUER)
    assert raised.value.reason == reason


def test_a_null_member_is_an_absent_one_and_pages_for_people_may_use_http() -> None:
    """Some providers write null for what they do not have; policy links are not fetched (Discovery 1.0 §3)."""
    content = {
        "issuer": ISSUER,
        "token_endpoint": "https://op.example/token",
        "end_session_endpoint": None,
        "scopes_supported": None,
        "op_policy_uri": "http://op.example/policy",
        "unknown": {"x": 1},
    }
    metadata = parse_metadata(content, issuer=ISSUER)
    assert (metadata.token_endpoint, metadata.end_session_endpoint) == ("https://op.example/token", None)
    assert metadata.scopes_supported == ()


def test_an_http_issuer_may_have_http_endpoints() -> None:
    """For development on loopback; whether such an issuer may be at all is decided where it is configured."""
    issuer = "http://127.0.0.1:9000"
    content = {"issuer": issuer, "token_endpoint": f"{issuer}/token"}
    assert parse_metadata(content, issuer=issuer).token_endpoint == f"{issuer}/token"
