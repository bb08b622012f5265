"""What a right answer to each row looks like: one real answer of either side is looked at before it is measured."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Mapping[str, Any], str], None]


class AnswerIsWrong(Exception):
    """A side does not do the work of the row; the text says what is missing, and no token."""


def expect(fine: bool, what: str) -> None:
    if not fine:
        raise AnswerIsWrong(what)


def check_format(token: object, algorithm: str | None, what: str) -> None:
    """A JWT signed with `algorithm`, or an opaque value for None."""
    expect(isinstance(token, str) and bool(token), f"{what}: there is none")
    parts = str(token).split(".")
    if algorithm is None:
        expect(len(parts) == 1, f"{what}: not opaque")
        return
    expect(len(parts) == 3, f"{what}: not a JWT")
    found = json.loads(base64.urlsafe_b64decode(parts[0] + "=="))["alg"]
    expect(found == algorithm, f"{what}: signed with {found}, not with {algorithm}")


def machine_token(algorithm: str | None) -> Check:
    """An access token for a client, and nothing that speaks of a user."""

    def check(answer: Mapping[str, Any], spent: str) -> None:
        check_format(answer.get("access_token"), algorithm, "access token")
        expect(not answer.keys() & {"id_token", "refresh_token"}, "more than an access token")

    return check


def bound_token(answer: Mapping[str, Any], spent: str) -> None:
    """An opaque access token for a client that proved a key."""
    check_format(answer.get("access_token"), None, "access token")
    expect(answer.get("token_type") == "DPoP", f"token type: {answer.get('token_type')}")


def still_pending(answer: Mapping[str, Any], spent: str) -> None:
    """Nobody has answered yet, and the device may ask again."""
    expect(answer.get("error") == "authorization_pending", f"refused with {answer.get('error')}")


def user_tokens(algorithm: str | None, *, rotated: bool) -> Check:
    """An ES256 ID token, an access token, and with `rotated` another refresh token than the one spent."""

    def check(answer: Mapping[str, Any], spent: str) -> None:
        check_format(answer.get("id_token"), "ES256", "ID token")
        check_format(answer.get("access_token"), algorithm, "access token")
        refresh = answer.get("refresh_token")
        expect(
            (refresh not in (None, spent)) if rotated else refresh is None,
            "refresh token: none, or the one that was spent" if rotated else "refresh token: not asked for",
        )

    return check


def introspected(answer: Mapping[str, Any], spent: str) -> None:
    expect(answer.get("active") is True, "the token is not active")
    expect(
        answer.get("sub") == "u-alice" and answer.get("client_id") == "web", "the token's facts are missing"
    )


def user_info(answer: Mapping[str, Any], spent: str) -> None:
    expect(answer.get("sub") == "u-alice", "sub is missing")
    expect("name" in answer and "email" in answer, "claims of the scopes are missing")


def provider_metadata(answer: Mapping[str, Any], spent: str) -> None:
    wanted = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"}
    expect(wanted <= answer.keys(), "members are missing")


def key_set(answer: Mapping[str, Any], spent: str) -> None:
    kinds = {key.get("kty") for key in answer.get("keys", ())}
    expect({"EC", "RSA"} <= kinds, "an EC key and an RSA key are wanted")
