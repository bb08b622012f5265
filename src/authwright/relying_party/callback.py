"""The callback: from what the browser brings back to a session (RFC 6749 §4.1.2, RFC 9207, OpenID Connect Core §3.1)."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import msgspec

from authwright.protocol.http import PASS, HttpRequest, HttpResponse, Json, Pass, see_other
from authwright.protocol.params import encode
from authwright.relying_party.arrival import Arrival, arrive, with_flow
from authwright.relying_party.audit import LoginCompleted
from authwright.relying_party.authentication import Answer, Authenticated, authenticate
from authwright.relying_party.errors import FAILURES, Failure, ProviderRefused, ResponseRejected
from authwright.relying_party.events import (
    Accept,
    Accepted,
    AccessDenied,
    Answered,
    AuthenticationFailed,
    MessageReceived,
    Properties,
    TicketReceived,
)
from authwright.relying_party.flow import Flow
from authwright.relying_party.refusal import refuse
from authwright.relying_party.sessions import SessionData, SignedIn
from authwright.remote.documents import RemoteFault
from authwright.stores.protocols import StoreUnavailable

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")


async def receive_callback(party: "RelyingParty", request: HttpRequest) -> SignedIn | HttpResponse | Pass:
    """Sign in, or the page that says why not; PASS for what is no answer, where the application wants it so."""
    # 1. Read what came back, and find the attempt it answers. From here on the attempt is spent.
    try:
        arrival = await arrive(party, request)
    except (ResponseRejected, RemoteFault) as failure:
        return await _refuse(party, request, failure, None)

    # 2. The application's first look, the answer, then the user. What goes wrong with the user an event may rescue.
    properties = arrival.properties
    try:
        arrival, properties = await look_first(party, arrival)
        answer = await check_answer(party, arrival, properties)
        try:
            authenticated = await authenticate(party, answer)
        except FAILURES as failure:
            await ask_for_rescue(party, answer, failure)
    except Accepted as accepted:
        authenticated = _accepted(accepted.accept, properties)
    except Answered as answered:
        return _without_flow(party, answered.answer, arrival.flow)
    except FAILURES as failure:
        return _without_flow(party, await _refuse(party, request, failure, arrival), arrival.flow)

    # 3. Begin the session.
    try:
        return await begin(party, request, authenticated, arrival.flow)
    except Answered as answered:
        return _without_flow(party, answered.answer, arrival.flow)
    except StoreUnavailable:
        # The code is spent: for whoever watches, this sign-in failed as much as one the provider did not answer.
        fault = RemoteFault("sessions_unavailable")
        return _without_flow(party, await _refuse(party, request, fault, arrival), arrival.flow)


async def look_first(party: "RelyingParty", arrival: Arrival) -> tuple[Arrival, Properties | None]:
    """The arrival and its properties after the application saw them. Raises what the event raises.

    It sees its own state, and may point to another attempt.
    """
    if not party.line.has_listener(MessageReceived):
        return arrival, arrival.properties
    flow, message = arrival.flow, arrival.message
    shown = replace(message, state=message.state if flow is None else flow.user_state)
    context = await party.line.ask(
        MessageReceived(request=arrival.request, message=shown, properties=arrival.properties)
    )
    if flow is None and context.message.state not in (None, message.state):
        arrival = with_flow(party, arrival, context.message.state)
    properties = arrival.properties if context.properties is None else context.properties
    return msgspec.structs.replace(arrival, message=context.message), properties


async def check_answer(party: "RelyingParty", arrival: Arrival, properties: Properties | None) -> Answer:
    """The answer of an attempt. Raises ResponseRejected, ProviderRefused or RemoteFault, and what events raise."""
    # 1. The attempt. Only after it may an error act: anybody can send a browser here with one.
    message, flow = arrival.message, arrival.flow
    if flow is None:
        raise arrival.lost or ResponseRejected("state_missing")
    known = flow.properties if properties is None else properties

    # 2. The issuer. RFC 9207 §2.4: compared exactly, and required when the provider says it sends it.
    metadata = await party.metadata.get()
    if message.iss is not None and not party.issuers.accepts(message.iss):
        raise ResponseRejected("iss_mismatch")
    # §4: an ID token beside the answer names the issuer as well, and is verified before anything else is used.
    named = message.iss is not None or message.id_token is not None
    if not named and metadata.authorization_response_iss_parameter_supported:
        raise ResponseRejected("iss_missing")

    # 3. Either an error or an answer.
    if message.error is None:
        return Answer(
            request=arrival.request, message=message, flow=flow, metadata=metadata, properties=known
        )
    if message.code is not None or message.id_token is not None or message.access_token is not None:
        raise ResponseRejected("error_and_code")
    if message.error == "access_denied":
        await _ask_access_denied(party, arrival.request, flow, known)
    raise ProviderRefused(message.error[:64], message.error_description, message.error_uri)


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
    data = _replace_data(authenticated.data, ticket.user.claims, ticket.properties)
    signed_in, cookie = await party.sessions.begin(
        subject=ticket.user.sub,
        session_id=authenticated.session_id,
        data=data,
        issuer=ticket.user.iss if party.issuers.accepts(ticket.user.iss) else party.issuer,
    )
    await party.sessions.end_held(request)
    _LOG.info("signed in", extra={"event": "rp.signed_in", "client_id": party.client.client_id})
    party.audit.record(
        LoginCompleted(
            issuer=signed_in.iss,
            client_id=party.client.client_id,
            subject=signed_in.sub,
            session_id=signed_in.sid,
        )
    )

    # 3. Where the user wanted to go. The origin is ours, whatever the path says.
    return_to = party.site.return_to(ticket.return_to)
    response = see_other(
        party.site.absolute(return_to), cookie, *((party.flows.end(flow.state),) if flow else ())
    )
    return SignedIn(record=signed_in.record, data=signed_in.data, return_to=return_to, response=response)


async def ask_for_rescue(party: "RelyingParty", answer: Answer, failure: Failure) -> NoReturn:
    """Let the application see a failure of the authentication. Raises it, or what the application makes of it."""
    context = await party.line.ask(
        AuthenticationFailed(request=answer.request, failure=failure, properties=answer.properties)
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
            return_url_parameter=party.flow_policy.return_url_parameter,
        )
    )
    if context.access_denied_path is None:
        return
    target = context.access_denied_path
    if context.return_url_parameter:
        query = encode(((context.return_url_parameter, context.return_to),))
        target += ("&" if "?" in target else "?") + query
    raise Answered(see_other(party.site.absolute(target)))


async def _refuse(
    party: "RelyingParty", request: HttpRequest, failure: Failure, arrival: Arrival | None
) -> HttpResponse | Pass:
    if party.flow_policy.skip_unrecognized and isinstance(failure, ResponseRejected) and failure.unrecognized:
        return PASS
    return await refuse(party, request, failure, arrival)


def _accepted(accept: Accept, properties: Properties | None) -> Authenticated:
    kept = properties or {} if accept.properties is None else accept.properties
    return Authenticated(user=accept.user, properties=kept)


def _without_flow(
    party: "RelyingParty", answer: HttpResponse | Pass, flow: Flow | None
) -> HttpResponse | Pass:
    if flow is None or isinstance(answer, Pass):
        return answer
    return answer.with_headers(party.flows.end(flow.state))


def _replace_data(data: SessionData, claims: Mapping[str, Json], properties: Properties) -> SessionData:
    return msgspec.structs.replace(data, claims=dict(claims), properties=dict(properties))
