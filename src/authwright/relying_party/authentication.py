"""From a good authorization response to a user: ID tokens, code, UserInfo (OpenID Connect Core §3.1.3, §3.2.2, §3.3.2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from authwright.protocol.authorization import AuthorizationResponse
from authwright.protocol.http import HttpRequest, Json
from authwright.protocol.id_token import ExpectedIdToken
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.token import TokenResponse
from authwright.relying_party.back_channel import DPOP
from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.events import (
    AuthorizationCodeReceived,
    CodeRedemption,
    Properties,
    TokenResponseReceived,
    TokenValidated,
    UserInformationReceived,
)
from authwright.relying_party.flow import Flow
from authwright.relying_party.id_tokens import decrypted, expected_id_token, verify_id_token
from authwright.relying_party.sessions import SessionData, access_times, dpop_key
from authwright.relying_party.user import User
from authwright.relying_party.userinfo import wants_userinfo
from authwright.remote.documents import RemoteFault

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization response without error, to an attempt of this browser, from the issuer it was sent to."""

    request: HttpRequest
    message: AuthorizationResponse
    flow: Flow
    metadata: ProviderMetadata
    """What the provider says of itself, the same for the whole of the sign-in."""
    properties: Properties

    def __repr__(self) -> str:
        return f"Answer(message={self.message!r}, flow={self.flow!r})"


class Authenticated(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in, with what."""

    user: User
    properties: Properties
    session_id: str | None = None
    data: SessionData = SessionData()

    def __repr__(self) -> str:
        return f"Authenticated(user={self.user!r}, data={self.data!r})"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """An ID token that was verified, after the application saw it."""

    user: User
    token: str
    claims: Mapping[str, Json]
    nonce: str | None
    properties: Properties
    response: TokenResponse | None = None

    def __repr__(self) -> str:
        return f"Verified(user={self.user!r})"


class Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """What a code gave. `by_application`: an event redeemed it."""

    response: TokenResponse
    by_application: bool
    user: User | None
    properties: Properties

    def __repr__(self) -> str:
        return f"Redeemed(by_application={self.by_application}, user={self.user!r})"


async def authenticate(party: "RelyingParty", answer: Answer) -> Authenticated:
    """The user. Raises ResponseRejected, ProviderRefused, RemoteFault or Denied, and what events raise."""
    # 1. What the response type promises, no more and no less.
    message = answer.message
    check_promised(message, answer.flow.response_type)

    # 2. The ID token the browser brought, if it did. It vouches for the code and the access token beside it.
    front = await verify_front_channel(party, answer) if message.id_token is not None else None

    # 3. The code, if there is one. What the token endpoint gives is used in place of what the browser brought.
    if message.code is not None:
        redeemed = await redeem(party, answer, message.code, front)
        verified = await verify_token_response(party, answer, redeemed, front)
    elif front is not None:
        verified = msgspec.structs.replace(front, response=_front_channel_tokens(message))
    else:
        raise ResponseRejected("id_token_missing")
    response = verified.response or TokenResponse()

    # 4. UserInfo. Core §5.3.2: its sub must be the ID token's, or it speaks of somebody else.
    user, properties, information = verified.user, verified.properties, {}
    if wants_userinfo(party.client, answer.metadata, response.access_token, verified.claims):
        assert response.access_token is not None  # noqa: S101 - wants_userinfo looked
        raw = await party.fetch_userinfo(
            response.access_token,
            dpop_key(_bound_to(answer.flow, response)),
            issuer=_text(verified.claims.get("iss")),
        )
        informed = await party.line.ask(
            UserInformationReceived(
                request=answer.request, user=user, user_information=raw, properties=properties
            )
        )
        if raw.get("sub") != verified.claims.get("sub"):
            raise ResponseRejected("userinfo_sub")
        user, properties = informed.user, informed.properties
        # Core §5.6.2: what others vouch for, where the application trusts them with it; the provider's own word stays.
        vouched = await party.claim_sources.claims(informed.user_information)
        information = {**vouched, **informed.user_information}

    # 5. The claims the application sees, and what the session keeps.
    user = replace(user, claims=party.claims.run(user.claims, information))
    return Authenticated(
        user=user,
        properties=properties,
        session_id=_text(verified.claims.get("sid")),
        data=_session_data(party, answer.flow, verified, response),
    )


def check_promised(message: AuthorizationResponse, response_type: str) -> None:
    """Raise ResponseRejected unless the response has exactly what its type promises (Multiple Response Types §3)."""
    promised = response_type.split()
    for name, value, missing in (
        ("code", message.code, "code_missing"),
        ("id_token", message.id_token, "id_token_missing"),
        ("token", message.access_token, "access_token_missing"),
    ):
        if value is None and name in promised:
            raise ResponseRejected(missing)
        # Nobody asked for it, so somebody else may have put it there.
        if value is not None and name not in promised:
            raise ResponseRejected("code_unexpected" if name == "code" else "front_channel_tokens")


async def verify_front_channel(party: "RelyingParty", answer: Answer) -> Verified:
    """The ID token of the authorization response. Raises ResponseRejected or RemoteFault, and what the event raises."""
    flow, message = answer.flow, answer.message
    token = decrypted(party.client, message.id_token or "")
    claims = await verify_id_token(
        token,
        keys=party.keys,
        metadata=answer.metadata,
        client=party.client,
        expected=_expected(party, flow, flow.nonce),
        access_token=message.access_token,
        code=message.code,
        front_channel=True,
        issuers=party.issuers,
    )
    return await _ask_validated(party, answer, claims, token, answer.properties, None)


async def redeem(party: "RelyingParty", answer: Answer, code: str, front: Verified | None) -> Redeemed:
    """Redeem the code, or let the application do it. Raises as `authenticate`."""
    flow = answer.flow
    outcome = await party.line.ask_code(
        AuthorizationCodeReceived(
            request=answer.request,
            redemption=CodeRedemption(
                token_endpoint=answer.metadata.token_endpoint or "",
                code=code,
                redirect_uri=flow.redirect_uri,
                code_verifier=flow.code_verifier or None,
                resource=flow.resource,
                dpop_key=dpop_key(flow.dpop_key),
            ),
            properties=front.properties if front else answer.properties,
            fetch=party.fetch,
            user=front.user if front else None,
            id_token=front.claims if front else None,
        )
    )
    if isinstance(outcome, TokenResponse):
        response, properties = outcome, front.properties if front else answer.properties
        user = front.user if front else None
    else:
        if not outcome.redemption.token_endpoint:
            raise RemoteFault("no_token_endpoint")
        response, properties = await party.redeem_code(outcome.redemption), outcome.properties
        user = outcome.user
        if response.access_token is None:
            # RFC 6749 §5.1: it is required, and only an application that redeems for itself may do without.
            raise ResponseRejected("access_token_missing")
    received = await party.line.ask(
        TokenResponseReceived(request=answer.request, token_response=response, properties=properties)
    )
    return Redeemed(
        response=received.token_response,
        by_application=isinstance(outcome, TokenResponse),
        user=user,
        properties=received.properties,
    )


async def verify_token_response(
    party: "RelyingParty", answer: Answer, redeemed: Redeemed, front: Verified | None
) -> Verified:
    """The ID token of the token endpoint. Whoever redeemed the code, it is verified the same way. Raises as above."""
    response = redeemed.response
    if response.id_token is None:
        if front is None or not redeemed.by_application:
            raise ResponseRejected("id_token_missing")
        return msgspec.structs.replace(
            front, user=redeemed.user or front.user, properties=redeemed.properties, response=response
        )

    token = decrypted(party.client, response.id_token)
    expected = _expected(party, answer.flow, front.nonce if front else answer.flow.nonce)
    claims = await verify_id_token(
        token,
        keys=party.keys,
        metadata=answer.metadata,
        client=party.client,
        expected=expected,
        access_token=response.access_token,
        # Core §3.3.3.7: beside a signed one an unsigned ID token has no place.
        unsigned=front is None,
        issuers=party.issuers,
    )
    if front is None:
        return await _ask_validated(party, answer, claims, token, redeemed.properties, response)
    # Core §3.3.3.6: both ID tokens are from the same issuer, about the same user.
    for name, reason in (("iss", "iss_changed"), ("sub", "sub_changed")):
        if claims.get(name) != front.claims.get(name):
            raise ResponseRejected(f"id_token_{reason}")
    return Verified(
        # The application may have put another user in place of the front channel's.
        user=redeemed.user or front.user,
        token=token,
        claims=claims,
        nonce=front.nonce,
        properties=redeemed.properties,
        response=response,
    )


async def _ask_validated(
    party: "RelyingParty",
    answer: Answer,
    claims: Mapping[str, Json],
    token: str,
    properties: Properties,
    response: TokenResponse | None,
) -> Verified:
    validated = await party.line.ask(
        TokenValidated(
            request=answer.request,
            user=User(claims["iss"], claims["sub"], claims),
            id_token=claims,
            nonce=answer.flow.nonce,
            token_response=response,
            properties=properties,
        )
    )
    return Verified(
        user=validated.user,
        token=token,
        claims=validated.id_token,
        nonce=validated.nonce,
        properties=validated.properties,
        response=validated.token_response or response,
    )


def _expected(party: "RelyingParty", flow: Flow, nonce: str | None) -> ExpectedIdToken:
    return expected_id_token(
        issuer=party.issuer, client=party.client, now=party.clock(), nonce=nonce, max_age=flow.max_age
    )


def _front_channel_tokens(message: AuthorizationResponse) -> TokenResponse:
    """What the browser brought, in the form of a token response (Core §3.2.2.5)."""
    if message.access_token is None:
        return TokenResponse(id_token=message.id_token)
    # RFC 6749 §7.1: a token type that is not understood must not be used.
    if (message.token_type or "").lower() != "bearer":
        raise ResponseRejected("token_type")
    # RFC 6749 Appendix A.12: visible ASCII; anything else could not be sent on in a header.
    if not (message.access_token.isascii() and message.access_token.isprintable()):
        raise ResponseRejected("token_response_malformed")
    lifetime = message.expires_in or ""
    return TokenResponse(
        access_token=message.access_token,
        token_type=message.token_type,
        expires_in=int(lifetime)
        if lifetime.isascii() and lifetime.isdigit() and len(lifetime) < 10
        else None,
        id_token=message.id_token,
        scope=tuple(message.scope.split(" ")) if message.scope else None,
    )


def _session_data(
    party: "RelyingParty", flow: Flow, verified: Verified, response: TokenResponse
) -> SessionData:
    refresh_at, expires_at = access_times(party.clock(), response)
    auth_time = verified.claims.get("auth_time")
    return SessionData(
        id_token=verified.token,
        nonce=verified.nonce,
        acr=_text(verified.claims.get("acr")),
        # bool is an int in Python, and no time.
        auth_time=auth_time if type(auth_time) is int else None,
        access_token=response.access_token,
        token_type=response.token_type,
        refresh_token=response.refresh_token,
        # RFC 6749 §5.1: no scope in the answer means the one that was asked for.
        scope=response.scope if response.scope is not None else flow.scopes,
        access_expires_at=expires_at,
        refresh_at=refresh_at,
        dpop_key=_bound_to(flow, response),
    )


def _bound_to(flow: Flow, response: TokenResponse) -> str | None:
    # An application that redeems the code itself may have come by a token that is bound to nothing.
    return flow.dpop_key or None if (response.token_type or "").lower() == DPOP.lower() else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
