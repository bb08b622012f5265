"""What an authorization request may not say (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1)."""

import pytest

from authwright.protocol.authorization import AuthorizationRequest, add_to_url, parse_authorization_request
from authwright.protocol.errors import InvalidRequest, InvalidScope
from authwright.protocol.params import NO_PARAMS, Params


def _parse(**members: str) -> AuthorizationRequest:
    return parse_authorization_request(Params.of({"client_id": "c", **members}))


@pytest.mark.parametrize(
    "prompt", ["none login", "login none", "none none", "none\u2003login", "none\tlogin"]
)
def test_prompt_none_stands_alone(prompt: str) -> None:
    """Core §3.1.2.1: with any other value it is an error."""
    assert _parse(prompt="none").prompt == ("none",)
    with pytest.raises(InvalidRequest):
        _parse(prompt=prompt)


@pytest.mark.parametrize("prompt", ["NONE", "None", "unknown", "login,consent", "login\n"])
def test_a_prompt_nobody_knows_is_refused(prompt: str) -> None:
    """Core §3.1.2.1: values are case-sensitive."""
    with pytest.raises(InvalidRequest):
        _parse(prompt=prompt)
    assert _parse(prompt=" login  consent ").prompt == ("login", "consent")


@pytest.mark.parametrize("max_age", ["-1", "1.5", "1e3", "٣", " 1", "1 ", "+1", "0x1", "9" * 11, "x"])
def test_max_age_is_a_number_of_seconds(max_age: str) -> None:
    """Core §3.1.2.1; zero is a number and not absent."""
    assert _parse(max_age="0").max_age == 0
    with pytest.raises(InvalidRequest):
        _parse(max_age=max_age)


def test_only_a_space_separates_the_values_of_a_list() -> None:
    """Core §3.1.2.1: space-separated; other blanks are part of a value."""
    assert _parse(acr_values="a\u00a0b c").acr_values == ("a\u00a0b", "c")


def test_a_request_without_a_client_is_refused() -> None:
    """RFC 6749 §4.1.1."""
    for params in (NO_PARAMS, Params.of({"client_id": "", "state": "x"})):
        with pytest.raises(InvalidRequest, match="client_id"):
            parse_authorization_request(params)


def test_a_malformed_scope_is_an_invalid_scope() -> None:
    """RFC 6749 §4.1.2.1."""
    with pytest.raises(InvalidScope):
        _parse(scope='openid "x"')


def test_a_parameter_nobody_knows_is_kept_aside() -> None:
    """RFC 6749 §3.1: unrecognised parameters are ignored, and an event may look at them."""
    assert _parse(custom="x").extra == Params.of({"custom": "x"})


def test_parameters_are_added_behind_a_query_that_is_there() -> None:
    """RFC 6749 §3.1, §3.1.2: the query of an endpoint is retained."""
    params = Params.of({"a": "1"})
    assert add_to_url("https://x/cb", params) == "https://x/cb?a=1"
    assert add_to_url("https://x/cb?t=1", params) == "https://x/cb?t=1&a=1"
    assert add_to_url("https://x/cb?t=1", NO_PARAMS) == "https://x/cb?t=1"
