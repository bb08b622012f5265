"""What a callback brings: the authorization response, and the login attempt of this browser it answers (RFC 9700 §4.7)."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authwright.protocol.authorization import AuthorizationResponse, parse_authorization_response
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import parse_form, parse_params
from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.events import Properties
from authwright.relying_party.flow import Flow, FlowLost

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What came back, and the attempt it belongs to, if it does."""

    request: HttpRequest
    message: AuthorizationResponse
    flow: Flow | None
    lost: ResponseRejected | None

    @property
    def properties(self) -> Properties | None:
        return None if self.flow is None else self.flow.properties


def arrive(party: "RelyingParty", request: HttpRequest) -> Arrival:
    """The message and its attempt. Raises ResponseRejected for a message that is none."""
    message = read_message(request)
    if message.state is None:
        return Arrival(request=request, message=message, flow=None, lost=ResponseRejected("state_missing"))
    return with_flow(party, Arrival(request=request, message=message, flow=None, lost=None), message.state)


def read_message(request: HttpRequest) -> AuthorizationResponse:
    """The authorization response of a request. Raises ResponseRejected."""
    try:
        if request.method == "GET":
            params = parse_params(request.query.encode("latin-1", "replace"))
        elif request.method == "POST":
            params = parse_form(request.headers.get("content-type"), request.body)
        else:
            raise ResponseRejected("no_message")
        params.refuse_repeated(frozenset())
        message = parse_authorization_response(params)
    except InvalidRequest:
        raise ResponseRejected("message_malformed") from None
    # Tokens are never asked for through the browser, so somebody else put them there.
    if message.id_token or message.access_token or message.response or "refresh_token" in params:
        raise ResponseRejected("front_channel_tokens")
    return message


def with_flow(party: "RelyingParty", arrival: Arrival, state: str) -> Arrival:
    if not party.flows.is_state(state):
        return replace(arrival, flow=None, lost=ResponseRejected("state_unknown"))
    now = party.clock()
    try:
        flow = party.flows.find(arrival.request, state, now)
    except FlowLost as lost:
        return replace(arrival, flow=None, lost=ResponseRejected(lost.reason))
    # No await lies between finding and this, so of two callbacks at once one finds it used.
    party.flows.use(state, now)
    # RFC 9700 §4.4.2: an attempt belongs to the issuer and the client it was begun for.
    if flow.issuer != party.issuer or flow.client_id != party.client.client_id:
        return replace(arrival, flow=None, lost=ResponseRejected("flow_of_another_issuer"))
    return replace(arrival, flow=flow, lost=None)
