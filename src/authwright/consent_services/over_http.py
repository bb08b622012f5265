"""A service asked over HTTP: its configuration, then one POST, signed and within bounds (reference: `messages`)."""

from authwright.consent_services.authority import Answered
from authwright.consent_services.discovery import ConsentDiscovery
from authwright.consent_services.messages import (
    IMPLICIT,
    MAX_MESSAGE,
    ConsentAnswer,
    ConsentRequest,
    MessageRejected,
    build_request,
    parse_answer,
)
from authwright.consent_services.signed_calls import Authorization
from authwright.protocol.http import Fetch, Headers, HttpResponse
from authwright.records import ConsentService
from authwright.remote.documents import RemoteFault, request_to, send


async def _unsigned(_endpoint: str) -> str:
    return ""


class AskOverHttp:
    """An `Ask`. `authorization` makes the Authorization header of each call; without one none is sent."""

    def __init__(
        self, *, fetch: Fetch, discovery: ConsentDiscovery, authorization: Authorization = _unsigned
    ) -> None:
        self._fetch = fetch
        self._discovery = discovery
        self._authorization = authorization

    async def __call__(self, service: ConsentService, request: ConsentRequest, request_id: str) -> Answered:
        # 1. How is it asked?
        try:
            configuration = await self._discovery.get(service)
        except RemoteFault as fault:
            raise RemoteFault(f"discovery.{fault.reason}") from None
        supported, endpoint = configuration.scopes_supported, configuration.authorization_endpoint
        if configuration.authorization_type == IMPLICIT or endpoint is None:
            return Answered(request.allow(), supported)

        # 2. Ask. A redirect is an answer without a decision: it is not followed.
        headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("x-request-id", request_id),
        ]
        if authorization := await self._authorization(endpoint):
            headers.append(("authorization", authorization))
        posted = request_to("POST", endpoint, Headers.of(headers), build_request(request))
        response = await send(self._fetch, posted, max_size=MAX_MESSAGE)

        # 3. What does it say?
        return Answered(read_answer(response), supported)


def read_answer(response: HttpResponse) -> ConsentAnswer:
    """The decision in a response. Raises RemoteFault or MessageRejected.

    A refusal that carries no decision (a gateway's 403, a 401 for our signature) is a failure: nobody said no.
    """
    good = 200 <= response.status < 300
    if not good and not 400 <= response.status < 500:
        raise RemoteFault("status")
    if not _is_json(response):
        raise RemoteFault("content_type" if good else "status")
    if good:
        return parse_answer(response.body)
    try:
        answer = parse_answer(response.body)
    except MessageRejected:
        raise RemoteFault("status") from None
    if answer.authorized:
        raise RemoteFault("status")
    return answer


def _is_json(response: HttpResponse) -> bool:
    essence = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))
