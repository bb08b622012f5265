"""A client for itself (RFC 6749 §4.4)."""

from tests.provider.installation import API, Installation


async def cc(op: Installation, **params: str) -> dict[str, object]:
    answer = await op.post("/token", client_id="machine", grant_type="client_credentials", **params)
    members: dict[str, object] = answer.json()
    return members


async def test_it_gives_an_access_token_and_nothing_that_speaks_of_a_user(op: Installation) -> None:
    """No ID token, no refresh token, and none of the scopes that would call for one."""
    members = await cc(op)
    assert members["scope"] == "read write"
    assert set(members) == {"access_token", "token_type", "expires_in", "scope"}
    seen = (await op.post("/introspect", client_id="machine", token=str(members["access_token"]))).json()
    assert seen["sub"] == seen["client_id"] == "machine"
    assert seen["aud"] == API


async def test_scopes_narrow_and_never_widen(op: Installation) -> None:
    """RFC 6749 §3.3: what the client is not registered for is invalid_scope."""
    assert (await cc(op, scope="read"))["scope"] == "read"
    assert (await cc(op, scope="read openid"))["scope"] == "read"
    assert (await cc(op, scope="admin"))["error"] == "invalid_scope"
    assert (await cc(op, scope="openid"))["error"] == "invalid_scope"


async def test_a_resource_must_be_one_the_issuer_knows(op: Installation) -> None:
    """RFC 8707 §2: invalid_target."""
    assert (await cc(op, resource="https://unknown.example"))["error"] == "invalid_target"
    assert "access_token" in await cc(op, resource=API)


async def test_a_public_client_cannot_act_for_itself(op: Installation) -> None:
    """Row 12: 401 invalid_client for a client that did not authenticate."""
    body = b"grant_type=client_credentials&client_id=machine"
    answer = await op.post_raw("/token", body, {"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
