"""The token exchange grant (RFC 8693): a token for another, narrower one, whose scopes services may decide now."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from authwright.crypto.handles import ordered_id
from authwright.protocol.errors import InvalidRequest, InvalidTarget, OAuthError
from authwright.protocol.exchange import TOKEN_EXCHANGE, ExchangeParameters, parse_exchange
from authwright.protocol.params import Params
from authwright.protocol.scopes import OFFLINE_ACCESS
from authwright.provider.accounts import Accounts
from authwright.provider.clients import Clients
from authwright.provider.exchange_checks import (
    can_refresh,
    check_client,
    check_has_user,
    check_holder,
    check_kind,
    check_origin,
    check_parameters,
    decide_actors,
    decide_scopes,
    decide_targets,
    invalid_subject,
    kept_confirmation,
    requested_kind,
)
from authwright.provider.exchanged import EXCHANGED, Exchanged, ExchangePolicy
from authwright.provider.grants.base import Grant
from authwright.provider.minting import Minting
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import ScopeAuthority
from authwright.provider.service_scopes import (
    ask_services,
    check_something_granted,
    decided,
    with_decisions,
)
from authwright.provider.settings import Settings
from authwright.provider.subject_tokens import SubjectTokenRejected, SubjectTokenValidator, ValidatedToken
from authwright.records import Client
from authwright.stores.protocols import TicketStore
from authwright.ticket import (
    SingleUse,
    StoredTicket,
    Ticket,
    TokenKind,
    ancestors,
    derived_grant_id,
)

Request = AuthenticatedTokenRequest[ExchangeParameters]

MAX_GENERATIONS = 16
"""How often a token may be exchanged, and what came of it exchanged again."""


class TokenExchangeGrant(Grant[ExchangeParameters]):
    grant_type: ClassVar[str] = TOKEN_EXCHANGE
    # RFC 8693 §2.2.2: a token that went bad meanwhile is as invalid as one that was before.
    refusal: ClassVar[type[OAuthError]] = InvalidRequest

    def __init__(
        self,
        *,
        settings: Settings,
        policy: ExchangePolicy,
        validators: Sequence[SubjectTokenValidator],
        tickets: TicketStore,
        minting: Minting,
        clients: Clients,
        accounts: Accounts,
        authority: ScopeAuthority | None = None,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._validators: Mapping[str, SubjectTokenValidator] = {
            validator.token_type: validator for validator in (*validators, *policy.validators)
        }
        self._tickets = tickets
        self._minting = minting
        self._clients = clients
        self._accounts = accounts
        self._authority = authority
        self._resources = frozenset(resource.uri for resource in settings.resources)
        self._introspected_by = {resource.uri: resource.introspected_by for resource in settings.resources}

    def parse(self, params: Params) -> ExchangeParameters:
        # What is missing is named all at once, once it is known who asks.
        return parse_exchange(params)

    async def authorize(self, request: Request, found: StoredTicket | None) -> Ticket:
        exchange, policy = request.request.grant, self._policy
        # 1. May this client exchange at all, and what does it ask for?
        check_client(request, policy)
        lifetime = check_parameters(exchange, self._longest(request))
        kind = requested_kind(request)
        check_kind(request, policy, kind, delegated=exchange.actor_token is not None)
        targets = await self._targets(request)
        # 2. The subject: a token we believe, of somebody we know, in the hands of who may exchange it.
        subject = await self._validated(
            request, exchange.subject_token_type, exchange.subject_token, role="subject"
        )
        account = await self._account(request, subject, role="subject")
        check_origin(request, subject, self._introspected_by)
        check_holder(request.request.http, subject, request.confirmation, request.now)
        grant_id = _grant_id(request, subject)
        # 3. The actor, if there is one: may it act for the subject?
        actor = await self._actor(request)
        single_use = _single_use(subject, actor)
        act = await decide_actors(request, policy, subject, account, actor)
        check_kind(request, policy, kind, delegated=act is not None)
        check_has_user(subject, kind)
        # 4. What is granted: never more than the subject token has, but for what services decide.
        resources = decide_targets(request, subject, targets, kind)
        refreshable = not subject.of_client and can_refresh(request, policy, delegated=act is not None)
        asked = decide_scopes(request, self._settings, subject, targets, kind, refreshable=refreshable)
        answers = decided(
            await ask_services(self._authority, request, account, asked.services), self._settings.base_scope
        )
        if kind is not TokenKind.ID_TOKEN and (request.request.scope or subject.scopes):
            check_something_granted((*asked.others, *answers.scopes), answers)
        # 5. The ticket. It is a grant of its own, which ends with the one it was made from.
        issues = _issues(kind, asked.others)
        refreshed = TokenKind.REFRESH_TOKEN in issues
        refresh_until = await self._refresh_until(subject, request.now) if refreshed else None
        amr = subject.amr
        if answers.services and policy.emit_grant_amr and TOKEN_EXCHANGE not in amr:
            amr = (*amr, TOKEN_EXCHANGE)
        ticket = Ticket(
            grant_id=grant_id,
            client_id=request.client.client_id,
            subject=None if subject.of_client else account,
            session_id=subject.session_id,
            scopes=asked.others,
            resources=resources,
            presenters=frozenset((request.client.client_id,)),
            auth_time=subject.auth_time,
            acr=subject.acr,
            amr=amr,
            confidential=request.authentication.confidential,
            not_after=None if policy.outlive_subject else subject.expires_at,
            issues=issues,
            act=act,
            confirmation=kept_confirmation(request, subject, actor),
            carry={EXCHANGED: Exchanged(kind=kind, refresh_until=refresh_until)},
            single_use=single_use,
        )
        ticket = with_decisions(ticket, answers)
        return ticket if lifetime is None else self._shortened(ticket, lifetime, request.client)

    def _longest(self, request: Request) -> timedelta:
        """The most a client may ask for: what its access tokens live anyway."""
        kind = TokenKind.ACCESS_TOKEN
        return request.client.lifetimes.get(kind) or self._settings.lifetime(kind)

    def _shortened(self, ticket: Ticket, lifetime: timedelta, client: Client) -> Ticket:
        """The ticket with the lifetime that was asked for, where that is shorter than what its resources say."""
        kind = TokenKind.ACCESS_TOKEN
        usual = self._minting.lifetime(kind, ticket, client)
        if usual is not None and usual <= lifetime:
            return ticket
        return msgspec.structs.replace(ticket, lifetimes={kind: lifetime})

    async def _targets(self, request: Request) -> tuple[str, ...]:
        """The resources and audiences that are asked for. Raises InvalidTarget for one we do not know."""
        named, audiences = request.request.resource, request.request.grant.audience
        if any(resource not in self._resources for resource in named):
            raise InvalidTarget(
                "The specified 'resource' parameter is invalid.", detail="exchange.resource_unknown"
            )
        for audience in audiences:
            # RFC 8693 §2.1: a logical name; ours are those of resources and of clients.
            if audience not in self._resources and await self._clients.get(audience) is None:
                raise InvalidTarget(
                    "The specified 'audience' parameter is invalid.", detail="exchange.audience_unknown"
                )
        return tuple(dict.fromkeys((*named, *audiences)))

    async def _validated(
        self, request: Request, token_type: str | None, token: str | None, *, role: str
    ) -> ValidatedToken:
        """The token, believed. Raises InvalidRequest."""
        validator = self._validators.get(token_type or "")
        if validator is None or token is None:
            raise InvalidRequest(f"unsupported {role}_token_type", detail=f"exchange.{role}_type_unknown")
        if token_type not in request.client.allowed_subject_token_types:
            raise InvalidRequest(
                f"The {role}_token_type is not allowed for this client.",
                detail=f"exchange.{role}_type_not_allowed",
            )
        try:
            validated = await validator.validate(request, token)
        except SubjectTokenRejected as rejected:
            raise invalid_subject(rejected.reason, role=role) from None
        if validated.expires_at is not None and validated.expires_at < request.now:
            raise invalid_subject("expired", role=role)
        return validated

    async def _account(self, request: Request, token: ValidatedToken, *, role: str) -> str:
        """The subject by the name it has here. Raises InvalidRequest unless it, and who holds the token, are active."""
        local = token.issuer == request.issuer
        if local and token.issued_to is not None and await self._clients.get(token.issued_to) is None:
            raise invalid_subject("client_gone", role=role)
        if token.of_client:
            return token.subject
        mapper = self._policy.subject_mapper
        subject = token.subject if local or mapper is None else await mapper(token)
        account = await self._accounts.get(subject) if subject is not None else None
        if account is None:
            raise invalid_subject("user_gone" if local else "user_unknown", role=role)
        return account.subject

    async def _actor(self, request: Request) -> ValidatedToken | None:
        exchange = request.request.grant
        if exchange.actor_token is None:
            return None
        actor = await self._validated(request, exchange.actor_token_type, exchange.actor_token, role="actor")
        if actor.issuer == request.issuer:
            await self._account(request, actor, role="actor")
        check_holder(request.request.http, actor, request.confirmation, request.now)
        return actor

    async def _refresh_until(self, subject: ValidatedToken, now: datetime) -> datetime | None:
        """How long a refresh token may live: as long as the one of the grant the subject token is of."""
        if self._policy.outlive_subject:
            return None
        record = subject.record
        if record is None:
            return subject.expires_at
        offline = await self._tickets.current(record.grant_id, TokenKind.REFRESH_TOKEN)
        return subject.expires_at if offline is None or offline.expired(now) else offline.expires_at


def _grant_id(request: Request, subject: ValidatedToken) -> str:
    """A grant of its own, made from the subject token's where we have that. Raises InvalidRequest for one too many."""
    own, record = ordered_id(request.now), subject.record
    if record is None:
        return own
    if len(ancestors(record.grant_id)) >= MAX_GENERATIONS:
        raise invalid_subject("generations")
    return derived_grant_id(record.grant_id, own)


def _issues(kind: TokenKind, scopes: tuple[str, ...]) -> frozenset[TokenKind]:
    """Which tokens go out, and later come of a refresh."""
    if kind is TokenKind.ACCESS_TOKEN and OFFLINE_ACCESS in scopes:
        return frozenset((kind, TokenKind.REFRESH_TOKEN))
    return frozenset((kind,))


def _single_use(subject: ValidatedToken, actor: ValidatedToken | None) -> SingleUse | None:
    """What the request uses up. Raises InvalidRequest when that would be two things, which no one write can do."""
    if actor is None or actor.single_use is None:
        return subject.single_use
    if subject.single_use is not None:
        raise invalid_subject("single_use_twice", role="actor")
    return actor.single_use
