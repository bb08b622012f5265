"""npm oauth4webapi binds its tokens to a key: proofs, nonces, and what introspection says of them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.interop.provider_app import API, ISSUER_VARIABLE, SECRET
from tests.servers.node import Node
from tests.servers.process import ROOT, ServerProcesses, find_free_port

pytestmark = pytest.mark.node

PROGRAM = Path(__file__).with_name("dpop.mjs")


@pytest.fixture(scope="module")
def dpop_issuer(processes: ServerProcesses) -> str:
    """Our provider under uvicorn, asking for proofs and nonces."""
    port = find_free_port()
    issuer = f"http://127.0.0.1:{port}"
    server = processes.python(
        *("-m", "uvicorn", "--factory", "tests.interop.dpop_provider_app:application"),
        *("--port", str(port), "--no-access-log", "--ws", "none"),
        environ={ISSUER_VARIABLE: issuer},
        cwd=ROOT,
    )
    server.wait_for(f"{issuer}/.well-known/openid-configuration")
    return issuer


def test_a_client_of_others_binds_its_tokens_here(node: Node, dpop_issuer: str) -> None:
    """RFC 9449 §5, §8: no proof is refused, the nonce dance succeeds, its own API side accepts our token with its proof; RFC 9701: it verifies our signed answer."""
    ran = subprocess.run(
        [
            node.path,
            node.script(PROGRAM),
            json.dumps({"issuer": dpop_issuer, "secret": SECRET, "api": API}),
        ],
        env=node.environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "algorithms": ["ES256", "PS256", "EdDSA"],
        "without_proof": [400, "invalid_dpop_proof"],
        "without_nonce": [400, "use_dpop_nonce", True],
        "token_type": "dpop",
        "jkt": [True, API],
        "content_type": "application/token-introspection+jwt",
        "looked_up": {"active": True, "token_type": "DPoP", "same_key": True},
    }
