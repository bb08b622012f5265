"""What a token exchange must pass, one function for each question (RFC 8693 §2.1, §2.2.2). They read nothing from a store.

Every refusal has one fixed text for the client and its reason for the log: no token is ever part of either.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from authwright.crypto.certificates import certificate_thumbprint
from authwright.protocol.errors import (
    InvalidDpopProof,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
)
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, REFRESH_TOKEN, ExchangeParameters, faults_of
from authwright.protocol.http import HttpRequest
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.protocol.token import REFRESH_TOKEN as REFRESH_GRANT
from authwright.provider.act import Actor, ActRejected, extend_chain, may_act, read_chain, write_chain
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.service_scopes import SplitScopes, check_services, split_scopes
from authwright.provider.settings import Settings
from authwright.provider.subject_tokens import ValidatedToken
from authwright.ticket import Confirmation, TokenKind

Request = AuthenticatedTokenRequest[Any]

KINDS: Mapping[str, TokenKind] = {
    ACCESS_TOKEN: TokenKind.ACCESS_TOKEN,
    REFRESH_TOKEN: TokenKind.REFRESH_TOKEN,
    ID_TOKEN: TokenKind.ID_TOKEN,
}
TYPES: Mapping[TokenKind, str] = {kind: name for name, kind in KINDS.items()}
MAX_DIGITS = 9


def check_client(request: Request, policy: ExchangePolicy) -> None:
    """Raise UnauthorizedClient for a public client, unless those may exchange too (RFC 8693 §5)."""
    if not request.authentication.confidential and not policy.allow_public_exchange:
        raise UnauthorizedClient("A public client may not exchange tokens.", detail="exchange.public_client")


def check_parameters(
    exchange: ExchangeParameters, longest: timedelta, further: Sequence[str] = ()
) -> timedelta | None:
    """The lifetime that was asked for. Raises InvalidRequest that names every fault there is, `further` ones too."""
    faults = [*faults_of(exchange), *further]
    lifetime = exchange.access_token_lifetime
    seconds = 0
    if lifetime is not None:
        if lifetime.isascii() and lifetime.isdigit() and len(lifetime) <= MAX_DIGITS:
            seconds = int(lifetime)
        if not 1 <= seconds <= longest.total_seconds():
            faults.append("access_token_lifetime is out of range")
    if faults:
        raise InvalidRequest(" | ".join(faults), detail="exchange.parameters")
    return timedelta(seconds=seconds) if lifetime is not None else None


def requested_kind(request: Request) -> TokenKind:
    """What is to be issued. Raises InvalidRequest for a type we do not issue."""
    kind = KINDS.get(request.request.grant.requested_token_type or ACCESS_TOKEN)
    if kind is None:
        raise InvalidRequest("unsupported requested_token_type", detail="exchange.requested_type_unknown")
    return kind


def check_kind(request: Request, policy: ExchangePolicy, kind: TokenKind, *, delegated: bool) -> None:
    """Raise InvalidRequest for what is not issued to this client, or not where somebody acts for the subject."""
    client, allowed = request.client, True
    if kind is TokenKind.REFRESH_TOKEN:
        allowed = OFFLINE_ACCESS in client.scopes and can_refresh(request, policy, delegated=delegated)
    elif kind is TokenKind.ID_TOKEN:
        # An ID token cannot say who acts: it would be impersonation where delegation was asked for.
        allowed = OPENID in client.scopes and not delegated
    if not allowed:
        raise InvalidRequest(
            "The requested_token_type is not allowed here.", detail="exchange.requested_type_not_allowed"
        )


def can_refresh(request: Request, policy: ExchangePolicy, *, delegated: bool) -> bool:
    """Whether a refresh token may come of it; never where somebody acts for the subject."""
    return policy.exchange_refresh and not delegated and REFRESH_GRANT in request.client.grant_types


def check_has_user(subject: ValidatedToken, kind: TokenKind) -> None:
    """Raise InvalidRequest for what only a user has, of a client's own token."""
    # RFC 6749 §4.4.3: a client that acts for itself has no refresh token, and no ID token speaks of one.
    if subject.of_client and kind is not TokenKind.ACCESS_TOKEN:
        raise InvalidRequest(
            "The requested_token_type is not allowed here.", detail="exchange.requested_type_of_client"
        )


def check_holder(http: HttpRequest, bound: ValidatedToken, given: Confirmation | None, now: datetime) -> None:
    """Raise unless the request proves the key that a token is bound to (RFC 9449 §7, RFC 8705 §3).

    `given` is the DPoP key that was proven, if any.
    """
    if bound.confirmation is None:
        return
    if bound.confirmation.jkt is not None:
        if given is None or given.jkt is None:
            raise InvalidDpopProof("A DPoP proof is required.", detail="exchange.proof_missing")
        if not hmac.compare_digest(given.jkt.encode(), bound.confirmation.jkt.encode()):
            raise InvalidRequest("The token is bound to another key.", detail="exchange.other_key")
    if bound.confirmation.x5t_s256 is not None:
        shown = _thumbprint(http, now)
        if shown is None or not hmac.compare_digest(shown.encode(), bound.confirmation.x5t_s256.encode()):
            raise InvalidRequest(
                "The token is bound to another certificate.", detail="exchange.other_certificate"
            )


def is_addressed_to(
    client_id: str, token: ValidatedToken, introspected_by: Mapping[str, frozenset[str]]
) -> bool:
    """Whether the client is whom the token is for: by name, or as one named for a resource of it."""
    return any(
        client_id == audience or client_id in introspected_by.get(audience, ())
        for audience in token.audiences
    )


def check_origin(
    request: Request, subject: ValidatedToken, introspected_by: Mapping[str, frozenset[str]]
) -> None:
    """Raise InvalidRequest for a token that this client has no business with.

    Its own, those that are addressed to it, and those of clients it is registered to exchange from will do.
    """
    client = request.client
    local = subject.issuer == request.issuer
    own = local and subject.issued_to == client.client_id
    if subject.of_client and not own:
        # RFC 9068 §5, RFC 9700 §4.15: in another client's token its `sub` would read as a user's.
        raise invalid_subject("client_subject")
    if own or not local:
        # Of another issuer's token, who may bring it was for the validator to say.
        return
    if not is_addressed_to(client.client_id, subject, introspected_by) and (
        subject.issued_to is None or subject.issued_to not in client.exchange_from
    ):
        raise invalid_subject("other_clients_token")


async def decide_actors(
    request: Request,
    policy: ExchangePolicy,
    subject: ValidatedToken,
    account: str,
    actor: ValidatedToken | None,
) -> Mapping[str, Any] | None:
    """The `act` of the new token (RFC 8693 §4.1). Raises InvalidRequest.

    Without an actor it is impersonation, and a chain that is there stays; with one, delegation. `account` is the
    subject by the name it has here.
    """
    ours, client_id = request.issuer, request.client.client_id
    itself = Actor(sub=account)
    client = Actor(sub=client_id, client_id=client_id)
    try:
        chain = read_chain(subject.act, issuer=subject.issuer, ours=ours)
        if actor is None:
            # RFC 8693 §4.4: may_act speaks of impersonation too; then the client is who would act.
            if subject.may_act is not None and not may_act(
                subject.may_act, client, issuer=subject.issuer, ours=ours
            ):
                raise ActRejected("not_allowed")
            if _is_recorded(policy, subject, client_id, chain, client):
                chain = extend_chain(chain, client, itself)
            return write_chain(chain)
        acting = Actor(
            sub=actor.subject,
            iss="" if actor.issuer == ours else actor.issuer,
            client_id=actor.issued_to or "",
        )
        if actor.issuer == ours and actor.issued_to != client_id:
            raise ActRejected("other_clients_token")
        if subject.may_act is not None:
            allowed = may_act(subject.may_act, acting, issuer=subject.issuer, ours=ours)
        else:
            rule = policy.actor_without_may_act
            allowed = rule is not None and await rule(request, subject, actor)
        if not allowed:
            raise ActRejected("not_allowed")
        if actor.act is not None:
            # Who acts for the actor would be lost.
            raise ActRejected("itself_acted_for")
        return write_chain(extend_chain(chain, acting, itself))
    except ActRejected as rejected:
        raise InvalidRequest(
            "The actor may not act for the subject.", detail=f"exchange.actor_{rejected.reason}"
        ) from None


def _is_recorded(
    policy: ExchangePolicy, subject: ValidatedToken, client_id: str, chain: tuple[Actor, ...], client: Actor
) -> bool:
    if policy.record_client_as_actor == "never" or (chain and chain[0].same_as(client)) or subject.of_client:
        return False
    return policy.record_client_as_actor == "always" or subject.issued_to != client_id


def decide_targets(
    request: Request, subject: ValidatedToken, targets: tuple[str, ...], kind: TokenKind
) -> tuple[str, ...]:
    """The resources of the new token. Raises InvalidTarget for one beyond what subject token and client allow."""
    if kind is TokenKind.ID_TOKEN:
        # An ID token is for the client that gets it.
        if any(target != request.client.client_id for target in targets):
            raise InvalidTarget("An ID token is for its client.", detail="exchange.id_token_target")
        return ()
    if not targets:
        return subject.resources
    if subject.scopes is None:
        return targets
    allowed = frozenset((*subject.audiences, *subject.resources, *request.client.exchange_to))
    if any(target not in allowed for target in targets):
        raise InvalidTarget(
            "The subject token is not for the requested target.", detail="exchange.target_beyond_subject"
        )
    return targets


def decide_scopes(
    request: Request,
    settings: Settings,
    subject: ValidatedToken,
    targets: tuple[str, ...],
    kind: TokenKind,
    *,
    refreshable: bool,
) -> SplitScopes:
    """Who is asked for what. Raises InvalidScope for a scope beyond what subject token and client allow."""
    client, base_scope = request.client, settings.base_scope
    if kind is TokenKind.ID_TOKEN and subject.scopes is not None and OPENID not in subject.scopes:
        # OpenID Connect Core §3.1.2.1: without it nobody was signed in to a client.
        raise InvalidScope("The subject token is not for signing in.", detail="exchange.scope_beyond")
    requested = request.request.scope
    if requested is None and kind is TokenKind.REFRESH_TOKEN:
        requested = subject.scopes
    if requested is None:
        return _scopes_taken_over(request, base_scope, subject, kind)
    if kind is TokenKind.REFRESH_TOKEN:
        requested = (*requested, OFFLINE_ACCESS)
    split = split_scopes(requested, base_scope)
    check_services(split.services, client.allowed_consent_services)
    allowed = frozenset(client.scopes)
    if subject.scopes is not None:
        # Narrowing only, but for resources that the client is registered to exchange tokens for.
        further = {
            scope
            for resource in settings.resources
            if resource.uri in targets and resource.uri in client.exchange_to
            for scope in resource.scopes
        }
        allowed &= further.union(subject.scopes)
    # OpenID Connect Core §11: a request for offline access that cannot be met is ignored.
    others = tuple(scope for scope in split.others if scope != OFFLINE_ACCESS or refreshable)
    if any(scope not in allowed for scope in others):
        raise InvalidScope("The specified 'scope' parameter is invalid.", detail="exchange.scope_beyond")
    return SplitScopes(others, {} if kind is TokenKind.ID_TOKEN else split.services)


def _scopes_taken_over(
    request: Request, base_scope: str, subject: ValidatedToken, kind: TokenKind
) -> SplitScopes:
    """Without `scope`: those of the subject token that the client may have, but for offline_access."""
    client = request.client
    if subject.scopes is None:
        if kind is TokenKind.ID_TOKEN:
            return SplitScopes((), {})
        raise InvalidScope(
            "The 'scope' parameter is required with a subject token that has no scope.",
            detail="exchange.scope_missing",
        )
    split = split_scopes(subject.scopes, base_scope)
    others = (scope for scope in split.others if scope in client.scopes and scope != OFFLINE_ACCESS)
    services = {
        name: asked for name, asked in split.services.items() if name in client.allowed_consent_services
    }
    return SplitScopes(tuple(others), {} if kind is TokenKind.ID_TOKEN else services)


def invalid_subject(reason: str, *, role: str = "subject") -> InvalidRequest:
    """RFC 8693 §2.2.2: whatever is wrong with a subject or actor token is an invalid_request, in one text."""
    return InvalidRequest(f"The specified {role}_token is invalid.", detail=f"exchange.{role}_{reason}")


def kept_confirmation(
    request: Request, subject: ValidatedToken, actor: ValidatedToken | None
) -> Confirmation | None:
    """The key of the new token: the one that is proven now; a bound token never becomes an unbound one."""
    return request.confirmation or subject.confirmation or (actor.confirmation if actor is not None else None)


def _thumbprint(http: HttpRequest, now: datetime) -> str | None:
    if http.client_certificate is None:
        return None
    try:
        return certificate_thumbprint(http.client_certificate, now)
    except ValueError:
        return None
