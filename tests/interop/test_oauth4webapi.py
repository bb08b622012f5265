"""npm oauth4webapi reads our machine-to-machine side: as the client, and as the API its tokens are for."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop.provider_app import API, OTHER_API, SECRET
from tests.servers.node import Node

pytestmark = pytest.mark.node

PROGRAM = Path(__file__).with_name("oauth4webapi.mjs")


def run(node: Node, issuer: str) -> dict[str, Any]:
    """What oauth4webapi saw."""
    options = {"issuer": issuer, "secret": SECRET, "api": API, "other_api": OTHER_API}
    ran = subprocess.run(
        [node.path, node.script(PROGRAM), json.dumps(options)],
        env=node.environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


def test_a_machine_and_an_api_understand_our_tokens_and_refusals(node: Node, our_issuer: str) -> None:
    """RFC 9068 tokens verify by our published keys for their audience alone; opaque ones by introspection."""
    seen = run(node, our_issuer)

    # The grant.
    assert seen["granted"] == {
        "members": ["access_token", "expires_in", "scope", "token_type"],
        "scope": "read",
    }
    assert seen["refused"] == {
        "secret": [401, ["basic"]],
        "client": [401, ["basic"]],
        "scope": [400, "invalid_scope"],
        "resource": [400, "invalid_target"],
        "grant": [400, "unauthorized_client"],
    }

    # A JWT at the API.
    claims = seen["claims"]
    assert claims.items() >= {"iss": our_issuer, "aud": API, "client_id": "machine", "scope": "read"}.items()
    assert claims["iat"] <= time.time() + 1 < claims["exp"]
    assert seen["at_the_wrong_api"] == "OAUTH_JWT_CLAIM_COMPARISON_FAILED"

    # An opaque token at the API.
    known = {"active": True, "client_id": "opaque-machine", "scope": "read", "aud": API}
    assert seen["looked_up"].items() >= known.items()
    assert seen["looked_up_by_a_stranger"] == {"active": False}
    assert seen["looked_up_after_revocation"] == {"active": False}
