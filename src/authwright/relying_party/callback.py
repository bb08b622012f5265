"""The callback: from what the browser brings back to a session (RFC 6749 §4.1.2, RFC 9207, OpenID Connect Core §3.1)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

import msgspec

from authwright.protocol.http import HttpRequest, HttpResponse, Json, Pass, see_other
from authwright.protocol.params import encode
from authwright.protocol.token import TokenResponse
from authwright.relying_party.arrival import Arrival, arrive, with_flow
from authwright.relying_party.errors import (
    FAILURES,
    Failure,
    ProviderRefused,
    ResponseRejected,
)
from authwright.relying_party.events import (
    Accept,
    Accepted,
    AccessDenied,
    Answered,
    AuthenticationFailed,
    AuthorizationCodeReceived,
    CodeRedemption,
    MessageReceived,
    Properties,
    TicketReceived,
    TokenResponseReceived,
    TokenValidated,
    UserInformationReceived,
)
from authwright.relying_party.flow import Flow
from authwright.relying_party.id_tokens import expected_id_token, verify_id_token
from authwright.relying_party.refusal import refuse
from authwright.relying_party.sessions import SessionData, SignedIn, access_times
from authwright.relying_party.user import User
from authwright.relying_party.userinfo import wants_userinfo
from authwright.remote.documents import RemoteFault

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code that answers an attempt of this browser, from the issuer it was sent to."""

    request: HttpRequest
    code: str = field(repr=False)
    flow: Flow
    properties: Properties = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Who signed in, with what."""

    user: User
    properties: Properties = field(repr=False)
    session_id: str | None = None
    data: SessionData = field(default_factory=SessionData, repr=False)


async def receive_callback(party: "RelyingParty", request: HttpRequest) -> SignedIn | HttpResponse | Pass:
    """Sign in, or the page that says why not."""
    # 1. Read what came back, and find the attempt it answers. From here on the attempt is spent.
    try:
        arrival = arrive(party, request)
    except ResponseRejected as rejected:
        return await refuse(party, request, rejected, None)
    flow = arrival.flow

    # 2. Check the answer, then the user. What goes wrong with the user an event may still rescue.
    try:
        code = await check_answer(party, arrival)
        try:
            authenticated = await authenticate(party, code)
        except FAILURES as failure:
            await ask_for_rescue(party, code, failure)
    except Accepted as accepted:
        authenticated = _accepted(accepted.accept, arrival)
    except Answered as answered:
        return _without_flow(party, answered.answer, flow)
    except FAILURES as failure:
        return _without_flow(party, await refuse(party, request, failure, flow), flow)

    # 3. Begin the session.
    try:
        return await begin(party, request, authenticated, flow)
    except Answered as answered:
        return _without_flow(party, answered.answer, flow)


async def check_answer(party: "RelyingParty", arrival: Arrival) -> Code:
    """The code. Raises ResponseRejected, ProviderRefused or RemoteFault, and what events raise."""
    # 1. The application's first look. It sees its own state, and may point to another attempt.
    shown = replace(arrival.message, state=arrival.flow.user_state if arrival.flow else arrival.message.state)
    context = await party.line.ask(
        MessageReceived(request=arrival.request, message=shown, properties=arrival.properties)
    )
    if arrival.flow is None and context.message.state not in (None, arrival.message.state):
        arrival = with_flow(party, arrival, context.message.state)
    message, flow = context.message, arrival.flow

    # 2. The attempt. Only after it may an error act: anybody can send a browser here with one.
    if flow is None:
        raise arrival.lost or ResponseRejected("state_missing")
    properties = flow.properties if context.properties is None else context.properties

    # 3. The issuer. RFC 9207 §2.4: compared exactly, and required when the provider says it sends it.
    metadata = await party.metadata.get()
    if message.iss is not None and message.iss != party.issuer:
        raise ResponseRejected("iss_mismatch")
    if message.iss is None and metadata.authorization_response_iss_parameter_supported:
        raise ResponseRejected("iss_missing")

    # 4. Either an error or a code.
    if message.error is not None and message.code is not None:
        raise ResponseRejected("error_and_code")
    if message.error is not None:
        if message.error == "access_denied":
            await _ask_access_denied(party, arrival.request, flow, properties)
        raise ProviderRefused(message.error[:64], message.error_description, message.error_uri)
    if message.code is None:
        raise ResponseRejected("code_missing")
    return Code(request=arrival.request, code=message.code, flow=flow, properties=properties)


async def authenticate(party: "RelyingParty", code: Code) -> Authenticated:
    """The user. Raises ResponseRejected, ProviderRefused, RemoteFault or Denied, and what events raise."""
    request, flow, line = code.request, code.flow, party.line
    metadata = await party.metadata.get()
    if metadata.token_endpoint is None:
        raise RemoteFault("no_token_endpoint")

    # 1. Redeem the code, or let the application do it.
    outcome = await line.ask_code(
        AuthorizationCodeReceived(
            request=request,
            redemption=CodeRedemption(
                token_endpoint=metadata.token_endpoint,
                code=code.code,
                redirect_uri=flow.redirect_uri,
                code_verifier=flow.code_verifier,
                resource=flow.resource,
            ),
            properties=code.properties,
            fetch=party.fetch,
        )
    )
    if isinstance(outcome, TokenResponse):
        response, properties = outcome, code.properties
    else:
        response, properties = await party.redeem_code(outcome.redemption), outcome.properties
    answered = await line.ask(
        TokenResponseReceived(request=request, token_response=response, properties=properties)
    )
    response = answered.token_response

    # 2. The ID token. Whoever redeemed the code, it is verified the same way.
    if response.id_token is None:
        raise ResponseRejected("id_token_missing")
    claims = await verify_id_token(
        response.id_token,
        keys=party.keys,
        metadata=metadata,
        client=party.client,
        expected=expected_id_token(
            issuer=party.issuer,
            client=party.client,
            now=party.clock(),
            nonce=flow.nonce,
            max_age=flow.max_age,
        ),
        access_token=response.access_token,
    )
    validated = await line.ask(
        TokenValidated(
            request=request,
            user=User(party.issuer, claims["sub"], claims),
            id_token=claims,
            nonce=flow.nonce,
            token_response=response,
            properties=answered.properties,
        )
    )
    response = validated.token_response or response

    # 3. UserInfo. Core §5.3.2: its sub must be the ID token's, or it speaks of somebody else.
    user, properties, information = validated.user, validated.properties, {}
    if wants_userinfo(party.client, metadata, response.access_token, validated.id_token):
        assert response.access_token is not None  # noqa: S101 - wants_userinfo looked
        raw = await party.fetch_userinfo(response.access_token)
        informed = await line.ask(
            UserInformationReceived(request=request, user=user, user_information=raw, properties=properties)
        )
        if raw.get("sub") != validated.id_token.get("sub"):
            raise ResponseRejected("userinfo_sub")
        user, properties, information = informed.user, informed.properties, dict(informed.user_information)

    # 4. The claims the application sees, and what the session keeps.
    user = replace(user, claims=party.claims.run(user.claims, information))
    return Authenticated(
        user=user,
        properties=properties,
        session_id=_text(validated.id_token.get("sid")),
        data=_session_data(party, flow, validated.id_token, response),
    )


async def begin(
    party: "RelyingParty", request: HttpRequest, authenticated: Authenticated, flow: Flow | None
) -> SignedIn:
    """The session and the redirect that hands it out. Raises Answered and StoreUnavailable."""
    # 1. The application's last look.
    ticket = await party.line.ask(
        TicketReceived(
            request=request,
            user=authenticated.user,
            properties=authenticated.properties,
            return_to=flow.return_to if flow else party.site.home,
        )
    )

    # 2. A new id, always: one that was planted in this browser before must not become a session.
    earlier = await party.sessions.find(request)
    data = _replace_data(authenticated.data, ticket.user.claims, ticket.properties)
    signed_in, cookie = await party.sessions.begin(
        subject=ticket.user.sub, session_id=authenticated.session_id, data=data
    )
    if earlier is not None:
        await party.sessions.end(earlier)
    _LOG.info("signed in", extra={"event": "rp.signed_in", "client_id": party.client.client_id})

    # 3. Where the user wanted to go. The origin is ours, whatever the path says.
    return_to = party.site.return_to(ticket.return_to)
    response = see_other(
        party.site.origin + return_to, cookie, *((party.flows.end(flow.state),) if flow else ())
    )
    return replace(signed_in, return_to=return_to, response=response)


async def ask_for_rescue(party: "RelyingParty", code: Code, failure: Failure) -> NoReturn:
    """Let the application see a failure of the authentication. Raises it, or what the application makes of it."""
    context = await party.line.ask(
        AuthenticationFailed(request=code.request, failure=failure, properties=code.properties)
    )
    raise context.failure


async def _ask_access_denied(
    party: "RelyingParty", request: HttpRequest, flow: Flow, properties: Properties
) -> None:
    context = await party.line.ask(
        AccessDenied(
            request=request,
            properties=properties,
            return_to=flow.return_to,
            access_denied_path=party.access_denied_path,
            return_url_parameter="return_to",
        )
    )
    if context.access_denied_path is None:
        return
    target = context.access_denied_path
    if context.return_url_parameter:
        query = encode(((context.return_url_parameter, context.return_to),))
        target += ("&" if "?" in target else "?") + query
    raise Answered(see_other(target if "://" in target else party.site.origin + target))


def _accepted(accept: Accept, arrival: Arrival) -> Authenticated:
    properties = arrival.properties or {} if accept.properties is None else accept.properties
    return Authenticated(user=accept.user, properties=properties)


def _without_flow(
    party: "RelyingParty", answer: HttpResponse | Pass, flow: Flow | None
) -> HttpResponse | Pass:
    if flow is None or isinstance(answer, Pass):
        return answer
    return answer.with_headers(party.flows.end(flow.state))


def _session_data(
    party: "RelyingParty", flow: Flow, claims: Mapping[str, Json], response: TokenResponse
) -> SessionData:
    refresh_at, expires_at = access_times(party.clock(), response)
    return SessionData(
        id_token=response.id_token,
        nonce=flow.nonce,
        acr=_text(claims.get("acr")),
        auth_time=claims["auth_time"] if isinstance(claims.get("auth_time"), int) else None,
        access_token=response.access_token,
        token_type=response.token_type,
        refresh_token=response.refresh_token,
        # RFC 6749 §5.1: no scope in the answer means the one that was asked for.
        scope=response.scope if response.scope is not None else flow.scopes,
        access_expires_at=expires_at,
        refresh_at=refresh_at,
    )


def _replace_data(data: SessionData, claims: Mapping[str, Json], properties: Properties) -> SessionData:
    return msgspec.structs.replace(data, claims=dict(claims), properties=dict(properties))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
