"""The modules of the OpenID Foundation's plans for relying parties, each with a test of its name or a reason."""

import re
from pathlib import Path

import pytest

from tests.conformance import test_rp_logout

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
    "-signing-key-rotation", "-signing-key-rotation-just-before-signing", "-refresh-token",
    "-refresh-token-invalid-issuer", "-refresh-token-invalid-sub", "-3rd-party-init-login",
    "-rp-backchannel-rpinitlogout", "-rp-backchannel-rpinitlogout-alg-none", "-rp-backchannel-rpinitlogout-no-event",
    "-rp-backchannel-rpinitlogout-with-nonce", "-rp-backchannel-rpinitlogout-wrong-alg",
    "-rp-backchannel-rpinitlogout-wrong-aud", "-rp-backchannel-rpinitlogout-wrong-event",
    "-rp-backchannel-rpinitlogout-wrong-iss", "-rp-frontchannel-rpinitlogout", "-rp-frontchannel-opinitlogout",
    "-rp-init-logout", "-rp-init-logout-other-state", "-rp-init-logout-no-state", "-session-management",
)  # fmt: skip

# `fapi2-security-profile-final-client-test` in front of each, `fapi2-message-signing-final-client-test` of the second.
FAPI2 = (
    "-happy-path", "-happy-path-no-dpop-nonce", "-ensure-discovery-issuer-mismatch", "-invalid-iss", "-missing-iss",
    "-invalid-aud", "-missing-aud", "-invalid-secondary-aud", "-valid-aud-as-array", "-invalid-null-alg",
    "-invalid-alternate-alg", "-invalid-expired-exp", "-invalid-missing-exp", "-invalid-nonce", "-missing-nonce",
    "-invalid-authorization-response-iss", "-remove-authorization-response-iss",
    "-ensure-authorization-response-with-invalid-or-missing-state-fails", "-token-endpoint-response-without-expires-in",
    "-token-type-case-insensitivity", "-rs-dpop-auth-scheme-case-insensitivity", "-refresh-token",
)  # fmt: skip
MESSAGE_SIGNING = (
    "-happy-path", "-without-iss", "-invalid-iss", "-without-aud", "-invalid-aud", "-without-exp", "-invalid-exp",
    "-jarm-invalid-sig", "-jarm-signature-algorithm-is-none",
)  # fmt: skip


def names(path: Path) -> list[str]:
    """The names of the tests of a file, and of their cases."""
    text = path.read_text("utf-8")
    cases = [found.replace("-", "_") for found in re.findall(r'id="([\w-]+)"', text)]
    return [f"{name}_" for name in (*re.findall(r"def (test_\w+)\(", text), *cases)]


NAMES = " ".join(name for path in HERE.glob("test_*.py") for name in names(path))
NAMES += "".join(f" _rp_backchannel_rpinitlogout_{told.__name__}_" for told in test_rp_logout.REFUSED)
FAPI2_NAMES = names(HERE / "test_fapi2_client.py")
PAGE = DIVERGENCES.read_text("utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_test_or_a_reason(module: str) -> None:
    """By name; several may share one test."""
    written = f"{module.replace('-', '_') or '_oidcc_client_test'}_"
    assert written in NAMES or f"| `oidcc-client-test{module}` |" in PAGE


@pytest.mark.parametrize("module", FAPI2)
def test_every_module_of_the_security_profile_has_a_test(module: str) -> None:
    """By name, of a test or of one of its cases."""
    written = f"{module.replace('-', '_')}_".removeprefix("_")
    assert [name for name in FAPI2_NAMES if name.endswith(written) and "message_signing" not in name]


@pytest.mark.parametrize("module", MESSAGE_SIGNING)
def test_every_module_of_message_signing_has_a_test(module: str) -> None:
    """By name, as above."""
    written = f"{module.replace('-', '_')}_".removeprefix("_")
    assert [name for name in FAPI2_NAMES if name.endswith(written)]
