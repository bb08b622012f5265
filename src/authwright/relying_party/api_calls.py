"""Calls to an API with the user's access token: fresh, proven where it is bound, and stronger where the API asks for it.

RFC 6750 §2.1, RFC 9449 §7, RFC 9470 §4.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from authwright.protocol.challenge import parse_challenge
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json
from authwright.protocol.params import encode
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.relying_party.errors import Forbidden
from authwright.relying_party.requirement import SignInRequirement
from authwright.relying_party.sessions import dpop_key

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty
    from authwright.relying_party.sessions import SignedIn

MAX_ANSWER = 10 * 1024 * 1024
"""Bytes that an API may answer."""
MAX_ASKED = 400
"""Characters of scope and `acr_values` that an API may ask for: the login attempt has to fit a cookie."""


class UserApi:
    """One API, called for one user. Paths are below `base_url`; an answer is returned whatever its status."""

    __slots__ = ("_base_path", "_origin", "_send")

    def __init__(self, base_url: str, send: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        """Raises ValueError unless `base_url` is https, or http on loopback, without query or fragment."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("base_url must be an absolute https URL")
        # RFC 6750 §5.3: a bearer token in clear is anybody's.
        if parts.scheme == "http" and not is_loopback_host(parts.netloc):
            raise ValueError("base_url must use https, except on loopback")
        if "?" in base_url or "#" in base_url:
            raise ValueError("base_url must have no query and no fragment")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base_path = parts.path.rstrip("/")
        self._send = send

    async def __aenter__(self) -> "UserApi":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Connections are the relying party's, and stay open for the next call."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """One request, and its answer. `path` starts with "/"; `json` or `form` is the body.

        Raises LoginRequired when the API wants a stronger sign-in, SessionEnded or NoAccessToken when there is no token
        to be had, RemoteFault when the API or the provider gives no answer.
        """
        # A path that names another host would take the token there.
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("the path starts with one /")
        fields = {
            "accept": "application/json",
            **{name.lower(): text for name, text in (headers or {}).items()},
        }
        body = b""
        if json is not None:
            fields.setdefault("content-type", "application/json")
            body = msgspec.json.encode(json)
        elif form is not None:
            fields.setdefault("content-type", "application/x-www-form-urlencoded")
            body = encode(form.items()).encode("ascii")
        query = f"?{encode(params.items())}" if params else ""
        url = f"{self._origin}{self._base_path}{path}{query}"
        return await self._send(HttpRequest.to(method, url, headers=Headers.of(fields), body=body))

    async def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """As `request`, by GET."""
        return await self.request("GET", path, params=params, headers=headers)

    async def post(
        self,
        path: str,
        *,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """As `request`, by POST."""
        return await self.request("POST", path, json=json, form=form, headers=headers)

    async def put(
        self, path: str, *, json: Json = None, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """As `request`, by PUT."""
        return await self.request("PUT", path, json=json, headers=headers)

    async def patch(
        self, path: str, *, json: Json = None, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """As `request`, by PATCH."""
        return await self.request("PATCH", path, json=json, headers=headers)

    async def delete(self, path: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """As `request`, by DELETE."""
        return await self.request("DELETE", path, headers=headers)


async def call_api(party: "RelyingParty", signed_in: "SignedIn", request: HttpRequest) -> HttpResponse:
    """The answer to a request with the session's token. Raises as `UserApi.request` does."""
    response = await party.channel.send_with_token(
        request,
        await party.access_token(signed_in),
        dpop_key=dpop_key(signed_in.data.dpop_key),
        fetch=party.api_fetch,
        max_size=MAX_ANSWER,
    )
    wanted = _step_up(response)
    if wanted is not None:
        # RFC 9470 §4: a new sign-in, as the API wants it. Raises unless the user has just come from one.
        try:
            wanted.check(party, signed_in, strict=True)
        except Forbidden:
            return response
    return response


def _step_up(response: HttpResponse) -> SignInRequirement | None:
    if response.status != 401:
        return None
    for field in response.headers.many("www-authenticate"):
        parameters = parse_challenge(field)[1]
        scope, acr_values = parameters.get("scope", ""), parameters.get("acr_values", "")
        if len(scope) + len(acr_values) > MAX_ASKED:
            continue
        if parameters.get("error") == "insufficient_user_authentication":
            age = parameters.get("max_age", "")
            return SignInRequirement(
                scopes=tuple(scope.split()),
                acr_values=tuple(acr_values.split()),
                max_age=int(age) if age.isdecimal() and age.isascii() and len(age) < 10 else None,
            )
    return None
