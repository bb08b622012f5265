"""What a callback brings: the authorization response, and the login attempt of this browser it answers (RFC 9700 §4.7)."""

from typing import TYPE_CHECKING

import msgspec

from authwright.protocol.authorization import AuthorizationResponse, parse_authorization_response
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import Params, parse_form, parse_params
from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.events import Properties
from authwright.relying_party.flow import Flow, FlowLost
from authwright.relying_party.jarm import open_response

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

FORM = "application/x-www-form-urlencoded"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, and the attempt it belongs to, if it does."""

    request: HttpRequest
    message: AuthorizationResponse
    flow: Flow | None
    lost: ResponseRejected | None
    state: str | None = None
    """As it came, before any event."""
    stale: Flow | None = None
    """The attempt it belonged to, when it came too late."""

    @property
    def properties(self) -> Properties | None:
        return None if self.flow is None else self.flow.properties

    def __repr__(self) -> str:
        return f"Arrival(message={self.message!r}, flow={self.flow!r})"


async def arrive(party: "RelyingParty", request: HttpRequest) -> Arrival:
    """The message and its attempt. Raises ResponseRejected for a message that is none, RemoteFault without keys."""
    message = read_message(request, signed=party.client.signed_response)
    if party.client.signed_response:
        message = await open_response(party, message)
    if message.state is None:
        return Arrival(request=request, message=message, flow=None, lost=ResponseRejected("state_missing"))
    arrival = Arrival(request=request, message=message, flow=None, lost=None, state=message.state)
    return with_flow(party, arrival, message.state)


def read_message(request: HttpRequest, *, signed: bool = False) -> AuthorizationResponse:
    """The authorization response of a request; `signed`: as a JWT, still closed. Raises ResponseRejected."""
    try:
        params = _params(request)
        params.refuse_repeated(frozenset())
        message = parse_authorization_response(params)
    except InvalidRequest:
        raise ResponseRejected("message_malformed") from None
    # Multiple Response Types §3: tokens never come in a query, so somebody else put them there. A refresh token never
    # comes through the browser at all.
    in_query = request.method == "GET" and (message.id_token or message.access_token)
    if in_query or (message.response and not signed) or "refresh_token" in params:
        raise ResponseRejected("front_channel_tokens")
    return message


def _params(request: HttpRequest) -> Params:
    if request.method == "GET":
        return parse_params(request.query.encode("latin-1", "replace"))
    content_type = request.headers.get("content-type") or ""
    # Form Post Response Mode §2: a form; nothing else that is posted here is an answer.
    if request.method != "POST" or content_type.partition(";")[0].strip().lower() != FORM:
        raise ResponseRejected("no_message")
    return parse_form(content_type, request.body)


def with_flow(party: "RelyingParty", arrival: Arrival, state: str) -> Arrival:
    if not party.flows.is_state(state):
        return msgspec.structs.replace(arrival, flow=None, lost=ResponseRejected("state_unknown"))
    now = party.clock()
    try:
        flow = party.flows.find(arrival.request, state, now)
    except FlowLost as lost:
        return msgspec.structs.replace(
            arrival, flow=None, lost=ResponseRejected(lost.reason), stale=lost.flow
        )
    # No await lies between finding and this, so of two callbacks at once one finds it used.
    party.flows.use(state, now)
    # RFC 9700 §4.4.2: an attempt belongs to the issuer and the client it was begun for.
    begun_for = (flow.issuer, flow.client_id, flow.party)
    if begun_for != (party.issuer, party.client.client_id, party.name):
        return msgspec.structs.replace(arrival, flow=None, lost=ResponseRejected("flow_of_another_issuer"))
    return msgspec.structs.replace(arrival, flow=flow, lost=None)
