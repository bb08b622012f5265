"""npm openid-client is a relying party of our provider, over HTTP, with nothing of ours on its side."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop.provider_app import CALLBACK, PASSWORD, SCOPE, SECRET, SIGNED_OUT, SUBJECT, USERNAME
from tests.servers.node import Node

pytestmark = pytest.mark.node

PROGRAM = Path(__file__).with_name("openid_client.mjs")
INTERACTIVE = ["login-submit", "consent-allow"]
TOKENS = {
    "members": ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"],
    "token_type": "bearer",
    "scope": SCOPE,
}


def run(node: Node, issuer: str, client_id: str, method: str, algorithm: str) -> dict[str, Any]:
    """What openid-client saw as that client."""
    options = {
        "issuer": issuer,
        "client_id": client_id,
        "secret": SECRET,
        "method": method,
        "algorithm": algorithm,
        "redirect_uri": CALLBACK,
        "post_logout_redirect_uri": SIGNED_OUT,
        "scope": SCOPE,
        "username": USERNAME,
        "password": PASSWORD,
    }
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


@pytest.mark.parametrize(
    ("client_id", "method", "algorithm"),
    [
        ("basic", "client_secret_basic", "ES256"),
        ("post", "client_secret_post", "RS256"),
        ("public", "none", "ES256"),
    ],
)
def test_openid_client_finds_nothing_to_object_to(
    node: Node, our_issuer: str, client_id: str, method: str, algorithm: str
) -> None:
    """Discovery, code and PKCE, UserInfo, introspection, refresh, revocation, replays, logout: each as each client."""
    started = time.time()
    seen = run(node, our_issuer, client_id, method, algorithm)

    # Discovery, in both places.
    assert (seen["issuer"], seen["supports_pkce"], seen["same_metadata"]) == (our_issuer, True, True)

    # Sign-in. openid-client has verified iss, state, nonce, at_hash, auth_time and the signature by then.
    assert seen["pressed"] == INTERACTIVE
    assert seen["callback"] == ["code", "iss", "state"]
    assert seen["tokens"].items() >= TOKENS.items()
    assert seen["claims"].items() >= {"iss": our_issuer, "sub": SUBJECT, "aud": client_id}.items()
    assert started - 1 <= seen["claims"]["auth_time"] <= time.time()

    # UserInfo, refresh.
    alice = {"sub": SUBJECT, "name": "Alice Example", "email": "alice@example.com"}
    assert seen["userinfo"] == seen["userinfo_after_refresh"] == alice
    assert seen["refreshed"].items() >= TOKENS.items()
    assert seen["rotated"] is True
    same = ("iss", "sub", "aud", "auth_time", "sid")
    assert [seen["refreshed_claims"][name] for name in same] == [seen["claims"][name] for name in same]

    # Introspection, revocation.
    assert seen["refresh_after_revocation"] == "invalid_grant"
    if method != "none":
        active = {"active": True, "sub": SUBJECT, "client_id": client_id, "scope": SCOPE}
        assert seen["introspection"] == active
        assert seen["introspected_after_revocation"] == {"active": False}

    # What may be used once is refused the second time, and what it gave is taken back.
    assert seen["pressed_again"] == []
    assert (seen["code_replayed"], seen["refresh_after_replay"]) == ("invalid_grant", "invalid_grant")
    assert seen["userinfo_after_replay"] == "invalid_token"
    assert (seen["refresh_reused"], seen["successor_after_reuse"]) == ("invalid_grant", "invalid_grant")
    assert seen["wrong_verifier"] == "invalid_grant"

    # Logout.
    assert seen["signed_out_at"] == f"{SIGNED_OUT}?state=bye"
    assert seen["pressed_at_logout"] == []
    assert seen["silent_after_logout"] == "login_required"
