"""An OpenID provider that does everything right until a test tells it otherwise, and a browser that keeps cookies.

The provider is a `Fetch`. It signs real tokens with the crypto room; a test edits its public attributes.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from authwright.crypto.handles import Handles, random_id
from authwright.crypto.jwt import half_hash, sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, json_response
from authwright.protocol.params import encode
from authwright.protocol.pkce import challenge_of
from authwright.relying_party.client import RelyingPartyClient, SecretBasic
from authwright.relying_party.party import RelyingParty
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import RelyingPartySessionStore

ISSUER = "https://op.example"
BASE = "https://app.example"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECRET = "a client's secret"
ROOTS = RootKeys([b"k" * 32])


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


class HostileProvider:
    """See the module."""

    def __init__(self, clock: Clock, issuer: str = ISSUER, algorithm: str = "ES256") -> None:
        self.clock = clock
        self.issuer = issuer
        self.key = SigningKey.generate(algorithm)
        self.published: list[dict[str, Json]] = [dict(self.key.public_jwk)]
        self.metadata: dict[str, Json] = {
            "issuer": issuer,
            "authorization_endpoint": issuer + "/authorize",
            "token_endpoint": issuer + "/token",
            "jwks_uri": issuer + "/jwks",
            "userinfo_endpoint": issuer + "/userinfo",
            "revocation_endpoint": issuer + "/revoke",
            "introspection_endpoint": issuer + "/introspect",
            "end_session_endpoint": issuer + "/end_session",
            "id_token_signing_alg_values_supported": [algorithm],
            "authorization_response_iss_parameter_supported": True,
            "response_types_supported": ["code"],
        }
        self.subject = "u-alice"
        self.id_token: dict[str, Json] = {}
        """Claims to add, replace or (None) leave out."""
        self.front_id_token: dict[str, Json] = {}
        """As `id_token`, for the one that comes through the browser."""
        self.refreshed_id_token: dict[str, Json] | None = None
        """As `id_token`, for refresh answers; None = no ID token there."""
        self.token_answer: dict[str, Json] = {}
        """Members of the token response to add, replace or (None) leave out."""
        self.userinfo: dict[str, Json] = {"sub": "u-alice", "email": "alice@example.com"}
        self.answers: dict[str, Callable[[HttpRequest], HttpResponse]] = {}
        """Path to a function that answers in place of the endpoint."""
        self.down: set[str] = set()
        """Paths that do not answer."""
        self.requests: list[HttpRequest] = []
        self.delay = 0.0
        """Seconds each answer takes."""
        self.expires_in = 600
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh_tokens: set[str] = set()
        self.spent_refresh_tokens: set[str] = set()

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def last(self, path: str) -> dict[str, str]:
        """The form of the latest request to a path."""
        found = [request for request in self.requests if request.path == path]
        return dict(parse_qsl(found[-1].body.decode()))

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        if request.path in self.down:
            raise OSError("down")
        if request.path in self.answers:
            return self.answers[request.path](request)
        match request.path:
            case "/.well-known/openid-configuration":
                return json_response(200, self.metadata)
            case "/jwks":
                return json_response(200, {"keys": self.published})
            case "/token":
                return self._token(dict(parse_qsl(request.body.decode())))
            case "/userinfo":
                return json_response(200, self.userinfo)
            case "/revoke":
                return json_response(200, {})
        return json_response(404, {"error": "invalid_request"})

    def authorize(self, location: str, **changes: str | None) -> str:
        """What the browser is sent back with after the user signed in at `location`; `changes` edit its query."""
        asked = dict(parse_qsl(urlsplit(location).query))
        return f"{asked['redirect_uri']}?{encode(self.respond(asked, **changes).items())}"

    def authorize_form(self, location: str, **changes: str | None) -> tuple[str, bytes]:
        """As `authorize`, for form_post: where the browser posts, and what."""
        asked = dict(parse_qsl(urlsplit(location).query))
        return asked["redirect_uri"], encode(self.respond(asked, **changes).items()).encode()

    def respond(self, asked: dict[str, str], **changes: str | None) -> dict[str, str]:
        """The parameters of the authorization response to the request `asked`."""
        types = asked["response_type"].split()
        answer: dict[str, str | None] = {"state": asked["state"], "iss": self.issuer}
        if "code" in types:
            answer["code"] = code = random_id()
            self.codes[code] = asked
        if "token" in types:
            answer |= {"access_token": "fat_" + random_id(), "token_type": "Bearer", "expires_in": "300"}
        if "id_token" in types:
            answer["id_token"] = self.mint_id_token(
                self.front_id_token,
                nonce=asked.get("nonce"),
                access_token=answer.get("access_token"),
                code=answer.get("code"),
            )
        answer |= changes
        return {name: value for name, value in answer.items() if value is not None}

    def mint_id_token(
        self,
        changes: Mapping[str, Json],
        *,
        nonce: str | None,
        access_token: str | None,
        code: str | None = None,
    ) -> str:
        claims: dict[str, Json] = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": "web",
            "iat": int(self.clock().timestamp()),
            "exp": int(self.clock().timestamp()) + 300,
            "nonce": nonce,
            "sid": "op-session",
            "name": "Alice Example",
            "at_hash": half_hash(self.key.algorithm, access_token) if access_token else None,
            "c_hash": half_hash(self.key.algorithm, code) if code else None,
        }
        claims.update(changes)
        return sign_jwt(
            self.key, {name: value for name, value in claims.items() if value is not None}, typ="JWT"
        )

    def _token(self, form: dict[str, str]) -> HttpResponse:
        access_token = "at_" + random_id()
        answer: dict[str, Json] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": "rt_" + random_id(),
            "scope": "openid profile",
        }
        if form["grant_type"] == "authorization_code":
            asked = self.codes.pop(form["code"], None)
            if asked is None or challenge_of(form["code_verifier"]) != asked["code_challenge"]:
                return json_response(400, {"error": "invalid_grant"})
            nonce = asked.get("nonce")
            answer["id_token"] = self.mint_id_token(self.id_token, nonce=nonce, access_token=access_token)
        else:
            if form["refresh_token"] not in self.refresh_tokens:
                return json_response(400, {"error": "invalid_grant"})
            self.refresh_tokens.discard(form["refresh_token"])
            self.spent_refresh_tokens.add(form["refresh_token"])
            if self.refreshed_id_token is not None:
                answer["id_token"] = self.mint_id_token(
                    self.refreshed_id_token, nonce=None, access_token=access_token
                )
        answer.update(self.token_answer)
        if isinstance(answer["refresh_token"], str):
            self.refresh_tokens.add(answer["refresh_token"])
        return json_response(200, {name: value for name, value in answer.items() if value is not None})


def relying_party(
    fetch: HostileProvider,
    *,
    sessions: RelyingPartySessionStore | None = None,
    client: RelyingPartyClient | None = None,
    base_url: str = BASE,
    seal: Seal | None = None,
    **more: Any,
) -> RelyingParty:
    """A relying party of that provider."""
    return RelyingParty(
        issuer=ISSUER,
        client=client or RelyingPartyClient(client_id="web", auth=SecretBasic(SECRET)),
        fetch=fetch,
        seal=seal or Seal(ROOTS, "relying_party"),
        handles=Handles(ROOTS.derive("handles")),
        sessions=sessions or MemoryRelyingPartySessions(fetch.clock),
        base_url=base_url,
        clock=fetch.clock,
        **more,
    )


class Browser:
    """Keeps cookies and says what a browser says; it follows no redirect by itself."""

    def __init__(self, party: RelyingParty) -> None:
        self.party = party
        self.cookies: dict[str, str] = {}
        self.cross_site: set[str] = set()
        """The names of those that come along when another site posts to us."""

    def request(self, method: str, url: str, body: bytes = b"", /, **headers: str) -> HttpRequest:
        parts = urlsplit(url)
        fields = {
            "accept": "text/html,application/xhtml+xml",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if body:
            fields.setdefault("content-type", "application/x-www-form-urlencoded")
        if self.cookies:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return HttpRequest(method, parts.path, parts.query, Headers.of(fields), body)

    async def get(self, url: str, /, **headers: str) -> HttpResponse:
        return await self.send(self.request("GET", url, **headers))

    async def post(self, url: str, body: bytes = b"", /, **headers: str) -> HttpResponse:
        return await self.send(self.request("POST", url, body, **headers))

    async def post_back(self, url: str, body: bytes, /, **headers: str) -> HttpResponse:
        """A form that the provider's page sends: only cookies with SameSite=None come along."""
        kept = self.cookies
        self.cookies = {name: value for name, value in kept.items() if name in self.cross_site}
        request = self.request("POST", url, body, sec_fetch_site="cross-site", **headers)
        self.cookies = kept
        return await self.send(request)

    async def send(self, request: HttpRequest) -> HttpResponse:
        response = await self.party.handle(request)
        assert isinstance(response, HttpResponse)
        self.keep(response)
        return response

    def keep(self, response: HttpResponse) -> None:
        """Obey the Set-Cookie fields of a response."""
        for field in response.headers.many("set-cookie"):
            pair, *attributes = field.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
                if "SameSite=None" in attributes and "Secure" in attributes:
                    self.cross_site.add(name)

    def flow_cookies(self) -> list[str]:
        return [name for name in self.cookies if "authwright_rp_flow_" in name]

    @property
    def signed_in(self) -> bool:
        return any("authwright_rp_session" in name for name in self.cookies)


def location(response: HttpResponse) -> str:
    """Where a redirect goes."""
    assert response.status == 303, (response.status, response.body)
    found = response.headers.get("location")
    assert found is not None
    return found


async def sign_in(
    provider: HostileProvider, browser: Browser, path: str = "/auth/login", /, **changes: str | None
) -> HttpResponse:
    """One whole sign-in; the answer of the callback."""
    sent = location(await browser.get(path))
    return await browser.get(provider.authorize(sent, **changes))


async def sign_in_by_form(
    provider: HostileProvider, browser: Browser, path: str = "/auth/login", /, **changes: str | None
) -> HttpResponse:
    """As `sign_in`, with response_mode form_post."""
    sent = location(await browser.get(path))
    return await browser.post_back(*provider.authorize_form(sent, **changes))


def error_code(response: HttpResponse) -> str:
    """The code a page shows."""
    page = response.body.decode()
    return page.partition('id="error-code">')[2].partition("<")[0]


def json_body(content: Json) -> bytes:
    return msgspec.json.encode(content)
