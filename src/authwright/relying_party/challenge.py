"""The challenge: from "you have to sign in" to the redirect (RFC 6749 §4.1.1, RFC 7636, OpenID Connect Core §3.1.2.1)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from authwright.crypto.dpop import generate_proof_key, pack_proof_key
from authwright.crypto.handles import random_id
from authwright.protocol.authorization import (
    AuthorizationRequest,
    add_to_url,
    build_authorization_request,
)
from authwright.protocol.http import HttpRequest, HttpResponse, Json, see_other
from authwright.protocol.params import Params
from authwright.protocol.pkce import S256, challenge_of
from authwright.relying_party.audit import LoginStarted
from authwright.relying_party.client import RESPONSE_TYPES, RelyingPartyClient
from authwright.relying_party.events import RedirectToIdentityProvider
from authwright.relying_party.flow import Flow
from authwright.relying_party.pages import self_posting_page
from authwright.relying_party.protected_request import protect_request
from authwright.remote.documents import RemoteFault, request_to

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
    asks_for_code = "code" in client.response_type.split()
    hints = {**client.parameters, **(parameters or {})}
    message = AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=site.url(site.paths.callback),
        response_type=client.response_type,
        response_mode=response_mode_of(client),
        scope=client.scopes if scopes is None else _with_openid(scopes),
        nonce=nonce,
        prompt=client.prompt if prompt is None else _words(prompt),
        max_age=client.max_age if max_age is None else max_age,
        acr_values=client.acr_values if acr_values is None else tuple(acr_values),
        # RFC 9700 §2.1.1: PKCE wherever a code is asked for, and nowhere else.
        code_challenge=challenge_of(verifier) if asks_for_code else None,
        code_challenge_method=S256 if asks_for_code else None,
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
    endpoint = context.authorization_endpoint
    if endpoint is None:
        raise RemoteFault("no_authorization_endpoint")
    request_to("GET", endpoint)
    response_type = context.message.response_type or client.response_type
    check_response_type(client, response_type)
    asks_for_code = "code" in response_type.split()

    # 4. The attempt, remembered by the browser; its cookie is set only now that the browser really goes.
    state = party.flows.mint_state(again=again)
    message = replace(
        context.message,
        state=state,
        response_type=response_type,
        code_challenge=challenge_of(verifier) if asks_for_code else None,
        code_challenge_method=S256 if asks_for_code else None,
    )
    key = generate_proof_key() if client.dpop and asks_for_code else None
    # RFC 9449 §10: the code is bound to the key too, so that nobody else can redeem it with another.
    message = message if key is None else replace(message, dpop_jkt=key.kid)
    flow = Flow(
        state=state,
        issuer=party.issuer,
        client_id=client.client_id,
        code_verifier=verifier if asks_for_code else "",
        nonce=message.nonce or "",
        redirect_uri=message.redirect_uri or "",
        return_to=site.return_to(return_to),
        iat=party.clock(),
        max_age=message.max_age,
        scopes=message.scope,
        resource=message.resource,
        properties=context.properties,
        user_state=context.message.state,
        response_type=response_type,
        party=party.name,
        dpop_key="" if key is None else pack_proof_key(key),
    )
    cookies = party.flows.start(request, flow)
    carried = await protect_request(
        party, request, message, metadata=metadata, properties=context.properties, dpop_key=key
    )
    _LOG.info("challenge", extra={"event": "rp.challenge", "client_id": client.client_id})
    party.audit.record(LoginStarted(issuer=party.issuer, client_id=client.client_id))

    # 5. There, in a redirect or in a form (Core §3.1.2.1 has both).
    query = build_authorization_request(carried)
    if client.authentication_method == "form_post":
        return self_posting_page(endpoint, tuple(query.pairs())).with_headers(*cookies)
    return see_other(add_to_url(endpoint, query), *cookies)


def response_mode_of(client: RelyingPartyClient) -> str | None:
    """What the request says of the way back; None where the response type says it already."""
    if client.response_type == "code" and client.response_mode == "query":
        return None
    # Multiple Response Types §3: beside tokens the default is the fragment, which no server gets to see.
    return client.response_mode or ("form_post" if client.posts_back else None)


def check_response_type(client: RelyingPartyClient, response_type: str) -> None:
    """Raise ValueError when an event asks for what this client cannot receive."""
    if response_type not in RESPONSE_TYPES:
        raise ValueError("the response type an event set is none of ours")
    if response_type != client.response_type and not client.posts_back and response_type != "code":
        raise ValueError("the response type an event set needs response_mode form_post")
    if "token" in response_type.split() and not client.front_channel_access_tokens:
        raise ValueError("the response type an event set needs front_channel_access_tokens")
    # RFC 9449 §5: a token that comes through the browser is bound to nothing.
    if "token" in response_type.split() and client.dpop:
        raise ValueError("the response type an event set is not for dpop")


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
