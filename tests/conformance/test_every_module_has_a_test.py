"""The modules of the OpenID Foundation's plans for relying parties, each with a test of its name or a reason."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DIVERGENCES = HERE.parents[1] / "docs" / "explain" / "divergences-relying-party.md"

# `oidcc-client-test` in front of each.
MODULES = (
    "", "-invalid-iss", "-missing-sub", "-invalid-aud", "-missing-aud", "-missing-iat", "-nonce-invalid",
    "-userinfo-invalid-sub", "-invalid-sig-rs256", "-invalid-sig-es256", "-invalid-sig-hs256", "-invalid-athash",
    "-missing-athash", "-invalid-chash", "-missing-chash", "-kid-absent-single-jwks", "-kid-absent-multiple-jwks",
    "-idtoken-sig-rs256", "-idtoken-sig-none", "-nonce-unless-code-flow", "-scope-userinfo-claims",
    "-client-secret-basic", "-userinfo-bearer-header", "-userinfo-bearer-body", "-userinfo-signed",
    "-aggregated-claims", "-distributed-claims", "-form-post-error", "-mtls-endpoint-aliases",
    "-request-uri-signed-rs256", "-request-uri-signed-none", "-discovery-openid-config", "-discovery-jwks-uri-keys",
    "-discovery-issuer-mismatch", "-discovery-webfinger-acct", "-discovery-webfinger-url", "-dynamic-registration",
    "-signing-key-rotation", "-signing-key-rotation-just-before-signing", "-refresh-token", "-3rd-party-init-login",
    "-rp-backchannel-rpinitlogout", "-rp-frontchannel-rpinitlogout", "-rp-frontchannel-opinitlogout",
    "-rp-init-logout", "-session-management",
)  # fmt: skip


def names() -> str:
    """The names of all conformance tests."""
    found: list[str] = []
    for path in HERE.glob("test_*.py"):
        found += re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
    return " ".join(f"{name}_" for name in found)


NAMES, PAGE = names(), DIVERGENCES.read_text("utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_test_or_a_reason(module: str) -> None:
    """By name; several may share one test."""
    written = f"{module.replace('-', '_') or '_oidcc_client_test'}_"
    assert written in NAMES or f"| `oidcc-client-test{module}` |" in PAGE
