"""The mutate grant: what services decided about an exchanged token is decided again, behind the value its holder has.

It is outside RFC 8693, which issues tokens and changes none, so its name is not one of IANA's. The token and the
refresh token of its grant change in one step, or not at all.
"""

from datetime import timedelta
from typing import ClassVar

import msgspec

from authwright.protocol.errors import InvalidRequest, OAuthError
from authwright.protocol.exchange import (
    ACCESS_TOKEN,
    MODES,
    TOKEN_EXCHANGE,
    MutateParameters,
    parse_mutate,
)
from authwright.protocol.params import Params
from authwright.provider.accounts import Accounts
from authwright.provider.clients import Clients
from authwright.provider.exchange_checks import check_client, check_holder, check_parameters, invalid_subject
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.grants.base import Grant
from authwright.provider.local_tokens import LocalTokens
from authwright.provider.minting import Minting
from authwright.provider.mutated import Asked, asked_of, mutated, was_decided
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import ScopeAuthority
from authwright.provider.serialization import UnrecordedTicket
from authwright.provider.service_scopes import (
    Decided,
    ask_services,
    check_services,
    check_something_granted,
    decided,
)
from authwright.provider.settings import Settings
from authwright.provider.subject_tokens import SubjectTokenRejected, ValidatedToken
from authwright.records import Client
from authwright.stores.protocols import TicketStore
from authwright.ticket import Rewrite, StoredTicket, Ticket, TokenKind

Request = AuthenticatedTokenRequest[MutateParameters]


class TokenExchangeMutateGrant(Grant[MutateParameters]):
    """Its subclasses have the names it is configured with: `mutate_grants`."""

    # RFC 8693 §2.2.2: as for an exchange, whatever is wrong with the token, and whenever it went wrong.
    refusal: ClassVar[type[OAuthError]] = InvalidRequest
    # Whoever limits what an exchange grants limits this too.
    event: ClassVar[str] = "grant_token_exchange"

    def __init__(
        self,
        *,
        settings: Settings,
        policy: ExchangePolicy,
        tokens: LocalTokens,
        tickets: TicketStore,
        minting: Minting,
        clients: Clients,
        accounts: Accounts,
        authority: ScopeAuthority | None = None,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._tokens = tokens
        self._tickets = tickets
        self._minting = minting
        self._clients = clients
        self._accounts = accounts
        self._authority = authority

    def parse(self, params: Params) -> MutateParameters:
        # What is missing is named all at once, once it is known who asks.
        return parse_mutate(params)

    async def authorize(self, request: Request, found: StoredTicket | None) -> Ticket:
        exchange, base_scope = request.request.grant, self._settings.base_scope
        # 1. May this client do that at all, and what does it ask for?
        check_client(request, self._policy)
        lifetime = check_parameters(exchange, self._longest(request), further_faults(request))
        check_type(request)
        # 2. The token: opaque, ours, alive, made by an exchange, and this client's to change.
        token = await self._validated(request)
        stored = exchanged_record(token)
        owner = await self._owner(request, stored)
        subject = await self._account(token)
        check_holder(request.request.http, token, request.confirmation, request.now)
        # 3. What services say now. They are asked in the name of who asks, about what its owner may have too.
        allowed = frozenset(request.client.allowed_consent_services) & frozenset(
            owner.allowed_consent_services
        )
        asked = asked_of(request.request.scope, exchange.mode, stored.ticket, base_scope, allowed)
        check_services(asked.split.services, allowed)
        answers = decided(
            await ask_services(self._authority, request, subject, asked.split.services), base_scope
        )
        # 4. What becomes of it, and of the refresh token of its grant while that lives.
        offline = await self._offline(stored, request)
        ticket = self._mutated(stored.ticket, asked, answers, offline=offline is not None)
        if not was_decided(stored.ticket, asked, answers):
            # Nobody took anything away, so what is left without anything is a mistake, or an outage.
            check_something_granted(ticket.scopes, answers)
        beside: tuple[Rewrite, ...] = ()
        if offline is not None:
            after = self._mutated(offline.ticket, asked, answers, offline=True)
            beside = (Rewrite(offline, msgspec.structs.replace(offline, ticket=after)),)
        return msgspec.structs.replace(
            ticket,
            # It ends when it did, or earlier.
            not_after=stored.expires_at if lifetime is None else request.now + lifetime,
            rewrites=stored,
            rewrites_beside=beside,
        )

    def _longest(self, request: Request) -> timedelta:
        kind = TokenKind.ACCESS_TOKEN
        return request.client.lifetimes.get(kind) or self._settings.lifetime(kind)

    async def _validated(self, request: Request) -> ValidatedToken:
        """The token, believed. Raises InvalidRequest."""
        value = request.request.grant.subject_token or ""
        if "." in value:
            # What a JWT says is said: there is nothing behind it to change.
            raise InvalidRequest(
                "The subject_token is not an opaque token.", detail="exchange.subject_not_opaque"
            )
        try:
            return await self._tokens.access_token(request, value)
        except SubjectTokenRejected as rejected:
            raise invalid_subject(rejected.reason) from None

    async def _owner(self, request: Request, stored: StoredTicket) -> Client:
        """The client that the token was issued to. Raises InvalidRequest when it is not this client's to change."""
        client_id = stored.ticket.client_id
        if client_id == request.client.client_id:
            return request.client
        if client_id not in request.client.mutate_for:
            raise invalid_subject("other_clients_token")
        owner = await self._clients.get(client_id)
        if owner is None:
            raise invalid_subject("client_gone")
        return owner

    async def _account(self, token: ValidatedToken) -> str:
        """Whom services are asked about. Raises InvalidRequest for a user who is gone."""
        if token.of_client:
            return token.subject
        account = await self._accounts.get(token.subject)
        if account is None:
            raise invalid_subject("user_gone")
        return account.subject

    async def _offline(self, stored: StoredTicket, request: Request) -> StoredTicket | None:
        """The live refresh token of the token's grant."""
        found = await self._tickets.current(stored.grant_id, TokenKind.REFRESH_TOKEN)
        return None if found is None or found.expired(request.now) else found

    def _mutated(self, before: Ticket, asked: Asked, answers: Decided, *, offline: bool) -> Ticket:
        after = mutated(
            before,
            asked,
            answers,
            offline=offline,
            base_scope=self._settings.base_scope,
            emit_amr=self._policy.emit_grant_amr,
        )
        audience = self._minting.audience(before)
        if self._minting.audience(after) == audience:
            return after
        # The audience may have followed from scopes that are gone: it stays what it was.
        return msgspec.structs.replace(after, resources=audience)


def mutate_grants(
    *,
    settings: Settings,
    policy: ExchangePolicy,
    tokens: LocalTokens,
    tickets: TicketStore,
    minting: Minting,
    clients: Clients,
    accounts: Accounts,
    authority: ScopeAuthority | None,
) -> tuple[TokenExchangeMutateGrant, ...]:
    """One for each name it is configured with."""

    def named(name: str) -> TokenExchangeMutateGrant:
        class Named(TokenExchangeMutateGrant):
            grant_type: ClassVar[str] = name

        return Named(
            settings=settings,
            policy=policy,
            tokens=tokens,
            tickets=tickets,
            minting=minting,
            clients=clients,
            accounts=accounts,
            authority=authority,
        )

    return tuple(named(name) for name in dict.fromkeys(policy.mutate_grant_types))


def further_faults(request: Request) -> tuple[str, ...]:
    """What has no place in a request that changes a token: what it is, whose and for whom it is stays."""
    exchange = request.request.grant
    faults = []
    if exchange.mode is not None and exchange.mode not in MODES:
        faults.append(f"mode is {' or '.join(MODES)}")
    if exchange.actor_token:
        faults.append("actor_token has no place here")
    if exchange.requested_token_type not in (None, ACCESS_TOKEN):
        faults.append("requested_token_type has no place here")
    if request.request.resource or exchange.audience:
        faults.append("resource and audience have no place here")
    return tuple(faults)


def check_type(request: Request) -> None:
    """Raise InvalidRequest unless it is an access token, and this client may bring those."""
    if request.request.grant.subject_token_type != ACCESS_TOKEN:
        raise InvalidRequest("unsupported subject_token_type", detail="exchange.subject_type_unknown")
    if ACCESS_TOKEN not in request.client.allowed_subject_token_types:
        raise InvalidRequest(
            "The subject_token_type is not allowed for this client.",
            detail="exchange.subject_type_not_allowed",
        )


def exchanged_record(token: ValidatedToken) -> StoredTicket:
    """What the store has of the token. Raises InvalidRequest unless an exchange made it, or what a refresh made it from."""
    record = token.record
    if record is None or isinstance(record, UnrecordedTicket):
        raise invalid_subject("not_recorded")
    # By the record, and not by a claim: `amr` says how a user signed in (RFC 8176).
    if record.origin_grant != TOKEN_EXCHANGE:
        raise invalid_subject("not_exchanged")
    return record
