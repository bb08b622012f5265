"""Exchanging a token at another server, as a client of it (RFC 8693 §2): for relying parties and for services alike."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.keys import SigningKey
from authwright.protocol.exchange import (
    ACCESS_TOKEN,
    NOT_APPLICABLE,
    ExchangeParameters,
    build_exchange,
    issued_token_type,
)
from authwright.protocol.http import Fetch, HttpResponse
from authwright.protocol.token import parse_token_response
from authwright.remote.client_authentication import ClientAuth, authenticated_form
from authwright.remote.documents import RemoteFault, read_json, send
from authwright.remote.issuer_metadata import IssuerMetadata


class ExchangeRefused(Exception):
    """The server answered with an OAuth error; `error_description` is its own words."""

    def __init__(self, error: str, error_description: str | None = None, *, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.error_description = error_description
        self.status = status


class ExchangeRejected(Exception):
    """We refuse what the server answered. `reason` is a short code for the log, never a value of the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExchangedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an exchange."""

    token: str
    issued_token_type: str
    """The URI of what `token` is."""
    token_type: str
    """How it is used: "Bearer" or "DPoP"; "N_A" for what is not an access token."""
    expires_in: int | None = None
    """Seconds; None when the server does not say."""
    scope: tuple[str, ...] | None = None
    """What was granted. Where the server does not say, what was asked for; None when nothing was."""
    refresh_token: str | None = None

    @property
    def access_token(self) -> str:
        """The token, to be sent to an API. Raises ValueError for one that is not for that (RFC 8693 §2.2.1)."""
        if self.token_type == NOT_APPLICABLE:
            raise ValueError(f"a token of type {self.issued_token_type} is not an access token")
        return self.token

    def __repr__(self) -> str:
        return f"ExchangedToken(issued_token_type={self.issued_token_type!r}, token_type={self.token_type!r})"


class Post(Protocol):
    """Sends a form to an endpoint as the client that it knows."""

    async def __call__(
        self, url: str, pairs: Iterable[tuple[str, str]], *, dpop_key: SigningKey | None = None
    ) -> HttpResponse: ...


class TokenExchanger:
    """A client of one issuer that exchanges tokens there: `await exchanger.exchange_token(token, scope=["read"])`.

    An object of this class can be called in place of its one method.
    """

    def __init__(self, *, metadata: IssuerMetadata, post: Post) -> None:
        self._metadata = metadata
        self._post = post

    @classmethod
    def of(
        cls, *, issuer: str, client_id: str, auth: ClientAuth, fetch: Fetch, clock: Clock = utcnow
    ) -> "TokenExchanger":
        """For a service that is no relying party: a client by its id and how it authenticates. Tokens are not bound."""

        async def post(
            url: str, pairs: Iterable[tuple[str, str]], *, dpop_key: SigningKey | None = None
        ) -> HttpResponse:
            if dpop_key is not None:
                raise ValueError("dpop_key: this exchanger makes no proofs")
            return await send(
                fetch, authenticated_form(url, client_id, auth, pairs, issuer=issuer, now=clock())
            )

        return cls(metadata=IssuerMetadata(issuer, fetch, clock=clock), post=post)

    async def exchange_token(
        self,
        subject_token: str,
        subject_token_type: str = ACCESS_TOKEN,
        *,
        actor_token: str | None = None,
        actor_token_type: str | None = None,
        requested_token_type: str | None = None,
        audience: Sequence[str] = (),
        resource: Sequence[str] = (),
        scope: Sequence[str] | None = None,
        dpop_key: SigningKey | None = None,
    ) -> ExchangedToken:
        """Exchange a token for another.

        `dpop_key`: the key that the tokens are, or shall be, bound to. Raises ExchangeRefused, ExchangeRejected,
        RemoteFault when there was no usable answer, and ValueError for a request that cannot be right.
        """
        exchange = ExchangeParameters(
            subject_token=subject_token,
            subject_token_type=subject_token_type,
            actor_token=actor_token,
            actor_token_type=actor_token_type,
            requested_token_type=requested_token_type,
            audience=tuple(audience),
        )
        pairs = build_exchange(exchange, scope=scope, resource=resource)
        endpoint = (await self._metadata.get()).token_endpoint
        if endpoint is None:
            raise RemoteFault("no_token_endpoint")
        response = await self._post(endpoint, pairs, dpop_key=dpop_key)
        return read_exchange_response(
            response,
            requested=requested_token_type,
            scope=scope,
            token_type="Bearer" if dpop_key is None else "DPoP",
        )

    __call__ = exchange_token


def read_exchange_response(
    response: HttpResponse,
    *,
    requested: str | None = None,
    scope: Sequence[str] | None = None,
    token_type: str = "Bearer",
) -> ExchangedToken:
    """The answer to a token exchange (RFC 8693 §2.2). Raises ExchangeRefused, ExchangeRejected or RemoteFault.

    `requested` and `scope` are what was asked for, `token_type` how an access token is to be used.
    """
    # A busy or broken server has decided nothing, whatever error it names.
    if response.status >= 500 or response.status == 429:
        raise RemoteFault("token_endpoint_unavailable")
    try:
        content = read_json(response)
    except RemoteFault:
        raise ExchangeRejected("not_json") from None
    if response.status != 200:
        error = content.get("error") if isinstance(content, Mapping) else None
        if not isinstance(error, str) or not error:
            raise ExchangeRejected("status")
        said = content.get("error_description")
        raise ExchangeRefused(
            error[:64], said[:1024] if isinstance(said, str) else None, status=response.status
        )
    try:
        parsed = parse_token_response(content)
        # RFC 8693 §2.2.1: both are REQUIRED, since `access_token` may be anything.
        issued = issued_token_type(parsed)
    except ValueError:
        raise ExchangeRejected("malformed") from None
    token = parsed.access_token
    if token is None or not (token.isascii() and token.isprintable()):
        raise ExchangeRejected("malformed")
    if requested is not None and issued != requested:
        raise ExchangeRejected("issued_token_type")
    used = (parsed.token_type or "").lower()
    if used not in (token_type.lower(), NOT_APPLICABLE.lower()):
        # RFC 6749 §7.1: a token type that is not understood must not be used.
        raise ExchangeRejected("token_type")
    if used == NOT_APPLICABLE.lower() and issued == ACCESS_TOKEN:
        raise ExchangeRejected("token_type")
    asked = None if scope is None else tuple(scope)
    return ExchangedToken(
        token=token,
        issued_token_type=issued,
        token_type=token_type if used == token_type.lower() else NOT_APPLICABLE,
        expires_in=parsed.expires_in,
        # RFC 8693 §2.2.1: left out only where it is what was asked for.
        scope=parsed.scope if parsed.scope is not None else asked,
        refresh_token=parsed.refresh_token,
    )
