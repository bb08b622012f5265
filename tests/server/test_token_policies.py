"""Policies of tokens as an operator writes them, and what they become."""

from datetime import timedelta
from pathlib import Path

import pytest

from authwright.clock import utcnow
from authwright.server import declared
from authwright.server.config import ConfigurationError, load

CONFIGURATION = """
issuer = "http://localhost:9000"
[tokens]
refresh_absolute_lifetime = 7776000
sliding_refresh = false
[[clients]]
client_id = "web"
client_secret = "a secret of the web client 0123456789"
redirect_uris = ["http://localhost:9001/auth/callback"]
refresh_absolute_lifetime = 86400
refresh_claims = "re_evaluated"
token_response_type = true
[[clients]]
client_id = "plain"
client_secret = "a secret of the plain client 0123456789"
redirect_uris = ["http://localhost:9001/auth/callback"]
[[resources]]
uri = "https://api.example.com"
scopes = ["read"]
access_token_lifetime = 90
access_token_format = "opaque"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "authwright.toml"
    path.write_text(text)
    return path


def test_policies_arrive_where_they_count(tmp_path: Path) -> None:
    """Of the issuer, of a client, of a resource; what is not written leaves the decision to the next."""
    values = load(written(tmp_path, CONFIGURATION), {}).values
    assert declared.seconds(values.tokens.refresh_absolute_lifetime) == timedelta(days=90)
    assert values.tokens.sliding_refresh is False
    web, plain = (declared.registration(table, utcnow()).client for table in values.clients)
    assert web.refresh_absolute_lifetime == timedelta(days=1)
    assert (web.refresh_claims, web.token_response_type) == ("re_evaluated", True)
    assert plain.refresh_absolute_lifetime is None
    assert (plain.refresh_claims, plain.token_response_type) == ("frozen", False)
    resource = declared.resource(values.resources[0])
    assert (resource.access_token_lifetime, resource.access_token_format) == (timedelta(seconds=90), "opaque")


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ('"re_evaluated"', '"fresh"', "clients[0].refresh_claims"),
        ('"opaque"', '"paseto"', "resources[0].access_token_format"),
        ("7776000", "-1", "tokens.refresh_absolute_lifetime"),
    ],
)
def test_a_policy_there_is_not_stops_the_start(tmp_path: Path, before: str, after: str, path: str) -> None:
    """With the path of the key, what was found and what is allowed."""
    with pytest.raises(ConfigurationError) as refusal:
        load(written(tmp_path, CONFIGURATION.replace(before, after)), {})
    assert path in str(refusal.value)
    assert "allowed" in str(refusal.value)
