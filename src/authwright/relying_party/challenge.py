"""The challenge: from "you have to sign in" to the redirect (RFC 6749 §4.1.1, RFC 7636, OpenID Connect Core §3.1.2.1)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from authwright.crypto.handles import random_id
from authwright.protocol.authorization import (
    AuthorizationRequest,
    add_to_url,
    build_authorization_request,
)
from authwright.protocol.http import HttpRequest, HttpResponse, Json, see_other
from authwright.protocol.params import Params
from authwright.protocol.pkce import S256, challenge_of
from authwright.relying_party.events import RedirectToIdentityProvider
from authwright.relying_party.flow import Flow
from authwright.remote.documents import RemoteFault

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")

# What the flow rests on is not for a parameter to change.
_OURS = frozenset(
    {
        "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "prompt", "max_age", "acr_values", "resource", "request", "request_uri", "dpop_jkt",
    }
)  # fmt: skip
_MEMBERS = ("login_hint", "id_token_hint", "display", "claims")


async def send_to_provider(
    party: "RelyingParty",
    request: HttpRequest,
    return_to: str | None,
    *,
    prompt: Sequence[str] | str | None,
    max_age: int | None,
    scopes: Sequence[str] | None,
    acr_values: Sequence[str] | None,
    items: Mapping[str, Json] | None,
    parameters: Mapping[str, str] | None,
    again: bool,
) -> HttpResponse:
    """The redirect to the authorization endpoint, with the cookie of the attempt. Raises RemoteFault."""
    client, site = party.client, party.site

    # 1. Where to?
    metadata = await party.metadata.get()

    # 2. The message. `state` is left to the event: what it sets there comes back with the callback.
    verifier, nonce = random_id(32), random_id(32)
    hints = {**client.parameters, **(parameters or {})}
    message = AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=site.url(site.paths.callback),
        response_type="code",
        scope=client.scopes if scopes is None else _with_openid(scopes),
        nonce=nonce,
        prompt=client.prompt if prompt is None else _words(prompt),
        max_age=client.max_age if max_age is None else max_age,
        acr_values=client.acr_values if acr_values is None else tuple(acr_values),
        code_challenge=challenge_of(verifier),
        code_challenge_method=S256,
        resource=client.resource,
        login_hint=hints.get("login_hint"),
        id_token_hint=hints.get("id_token_hint"),
        display=hints.get("display"),
        claims=hints.get("claims"),
        extra=_extra(hints),
    )

    # 3. The application's word on it.
    context = await party.line.ask_or_answer(
        RedirectToIdentityProvider(
            request=request,
            message=message,
            properties=items or {},
            authorization_endpoint=metadata.authorization_endpoint,
        )
    )
    if isinstance(context, HttpResponse):
        return context
    if context.authorization_endpoint is None:
        raise RemoteFault("no_authorization_endpoint")

    # 4. The attempt, remembered by the browser; its cookie is set only now that the browser really goes.
    state = party.flows.mint_state(again=again)
    message = replace(
        context.message, state=state, code_challenge=challenge_of(verifier), code_challenge_method=S256
    )
    flow = Flow(
        state=state,
        issuer=party.issuer,
        client_id=client.client_id,
        code_verifier=verifier,
        nonce=message.nonce or "",
        redirect_uri=message.redirect_uri or "",
        return_to=site.return_to(return_to),
        iat=party.clock(),
        max_age=message.max_age,
        scopes=message.scope,
        resource=message.resource,
        properties=context.properties,
        user_state=context.message.state,
    )
    cookies = party.flows.start(request, flow)
    _LOG.info("challenge", extra={"event": "rp.challenge", "client_id": client.client_id})
    return see_other(
        add_to_url(context.authorization_endpoint, build_authorization_request(message)), *cookies
    )


def _words(value: Sequence[str] | str) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def _with_openid(scopes: Sequence[str]) -> tuple[str, ...]:
    # OpenID Connect Core §3.1.2.1: without it there would be no ID token, and nobody signed in.
    return tuple(dict.fromkeys(("openid", *_words(scopes))))


def _extra(parameters: Mapping[str, str]) -> Params:
    for name in parameters:
        if name in _OURS:
            raise ValueError(f"the parameter {name} is set by an argument or an event, not by parameters")
    return Params.of({name: value for name, value in parameters.items() if name not in _MEMBERS})
