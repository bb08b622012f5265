"""What may hold a secret, a code, a token or a cookie shows none of it, in no way a log or a traceback prints it."""

from datetime import UTC, datetime

import msgspec
import pytest

from authwright.protocol.authorization import AuthorizationRequest, AuthorizationResponse
from authwright.protocol.client_credentials import OfferedAssertion, OfferedSecret
from authwright.protocol.errors import InvalidGrant, Refused
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.protocol.introspection import TokenReference
from authwright.protocol.logout import LogoutRequest
from authwright.protocol.params import Params
from authwright.protocol.token import TokenResponse, parse_token_request
from authwright.ticket import CodeBinding, StoredTicket, Ticket, TokenKind

SECRET = "s3cr3t-value"
NOW = datetime(2026, 11, 22, tzinfo=UTC)

TICKET = Ticket(
    grant_id="g",
    client_id="c",
    subject=SECRET,
    nonce=SECRET,
    claims={"email": SECRET},
    properties={"x": SECRET},
    carry={"x": SECRET},
    response={"x": SECRET},
)

HOLDERS: tuple[object, ...] = (
    Params.of({"code": SECRET}),
    Headers.of({"authorization": SECRET, "cookie": SECRET}),
    HttpRequest("POST", "/token", f"code={SECRET}", Headers.of({"cookie": SECRET}), SECRET.encode(), client_certificate=SECRET.encode()),
    HttpRequest.to("POST", f"https://op.example/token?x={SECRET}", headers={"x": SECRET}, body=SECRET.encode()),
    HttpResponse(200, Headers.of({"set-cookie": SECRET}), SECRET.encode()),
    AuthorizationRequest(
        client_id="c", state=SECRET, nonce=SECRET, login_hint=SECRET, id_token_hint=SECRET, claims=SECRET,
        request=SECRET, request_uri=SECRET, extra=Params.of({"x": SECRET}),
    ),
    AuthorizationResponse(code=SECRET, state=SECRET, id_token=SECRET, access_token=SECRET, response=SECRET),
    TokenResponse(access_token=SECRET, refresh_token=SECRET, id_token=SECRET, custom={"x": SECRET}),
    parse_token_request(Params.of({"grant_type": "x", "code": SECRET, "client_secret": SECRET})),
    OfferedSecret(client_id="c", method="client_secret_post", secret=SECRET),
    OfferedAssertion(client_id="c", assertion=SECRET),
    LogoutRequest(id_token_hint=SECRET, logout_hint=SECRET, state=SECRET),
    TokenReference(SECRET),
    InvalidGrant("no", detail=SECRET),
    Refused("invalid_grant", detail=SECRET),
    TICKET,
    StoredTicket(
        kind=TokenKind.AUTHORIZATION_CODE, digest="d", ticket=TICKET, issued_at=NOW, expires_at=NOW,
        binding=CodeBinding(redirect_uri="https://rp.example/cb"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_a_representation_shows_no_secret(holder: object) -> None:
    """repr, str, format, and as part of something else."""
    for shown in (repr(holder), str(holder), f"{holder}", repr([holder]), repr({"x": holder})):
        assert SECRET not in shown
        assert SECRET.encode().hex() not in shown
        assert type(holder).__name__ in shown or isinstance(holder, Exception)


@pytest.mark.parametrize(
    "kind",
    [AuthorizationRequest, AuthorizationResponse, OfferedSecret, LogoutRequest, TokenReference],
    ids=lambda kind: kind.__name__,
)
def test_a_message_can_not_be_changed_nor_given_new_members(kind: type) -> None:
    """Frozen and slotted: nothing is mutated on the way, and nothing is smuggled along."""
    message = next(holder for holder in HOLDERS if type(holder) is kind)
    names = (
        message.__struct_fields__
        if isinstance(message, msgspec.Struct)
        else getattr(message, "__slots__", ())
    )
    for name in (*names, "another"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(message, name, "other")
    assert not hasattr(message, "__dict__")
