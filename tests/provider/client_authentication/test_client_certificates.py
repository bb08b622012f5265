"""tls_client_auth and self_signed_tls_client_auth (RFC 8705 §2), and row D7 as far as clients go."""

import base64
import logging
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authwright.asgi.types import Message, Scope
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.provider.audit import TokenRefused
from authwright.provider.client_certificates import warn_of_mixed_methods
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.client_authentication.assertions import (
    FORM,
    JWKS,
    JWKS_URI,
    MACHINE,
    REFUSED,
    Remote,
    outcome,
)
from tests.provider.client_authentication.certificates import (
    NAMES,
    REGISTERED,
    SUBJECT,
    certificate,
    jwks_with,
)
from tests.provider.installation import ISSUER, Installation, install

TLS: dict[str, Any] = {"token_endpoint_auth_method": "tls_client_auth", **MACHINE}
SELF_SIGNED: dict[str, Any] = {"token_endpoint_auth_method": "self_signed_tls_client_auth", **MACHINE}
PROXY = "10.0.0.1"


async def provider(clock: FrozenClock, *clients: Any, remote: Remote | None = None) -> Installation:
    return await install(
        memory_stores(clock),
        clock,
        clients=clients,
        fetch=(remote or Remote()).fetch,
        trusted_proxies=[PROXY],
    )


async def ask(op: Installation, shown: bytes | None, client_id: str = "tls", **params: str) -> HttpResponse:
    """A client_credentials request over a connection with that certificate."""
    members = {"grant_type": "client_credentials", "client_id": client_id, **params}
    body = encode(members.items()).encode()
    request = HttpRequest.to("POST", ISSUER + "/token", headers=FORM, body=body)
    return await op.provider.handle(msgspec.structs.replace(request, client_certificate=shown))


def reason(op: Installation) -> str:
    return [event for event in op.audit if isinstance(event, TokenRefused)][-1].reason


@pytest.mark.parametrize("kind", REGISTERED)
async def test_the_certificate_with_the_registered_name_authenticates(clock: FrozenClock, kind: str) -> None:
    """RFC 8705 §2.1.2: subject or one alternative name, and no other part of the certificate will do instead."""
    op = await provider(clock, client("tls", **TLS, **{kind: REGISTERED[kind]}))
    good = certificate(clock, names=list(NAMES.values()))
    assert (await ask(op, good)).status == 200
    without = [name for each, name in NAMES.items() if each != kind]
    stranger = [(NameOID.COMMON_NAME, "other")]
    other = certificate(clock, subject=stranger, names=without)
    assert outcome(await ask(op, other)) == REFUSED
    assert reason(op) == "client.certificate_subject"


@pytest.mark.parametrize(
    "subject",
    [
        [*SUBJECT, (NameOID.COMMON_NAME, "client")],
        SUBJECT[:-1],
        list(reversed(SUBJECT)),
        [*SUBJECT[:-1], (NameOID.COMMON_NAME, "client2")],
        [*SUBJECT[:-1], (NameOID.COMMON_NAME, "Client")],
        [(NameOID.COMMON_NAME, "CN=client,O=Example\\, Inc.,C=GB")],
        [],
    ],
)
async def test_a_subject_is_compared_whole_and_part_by_part(clock: FrozenClock, subject: Any) -> None:
    """RFC 4514: no part more, none less, none in another place, and no text that looks the same."""
    kind = "tls_client_auth_subject_dn"
    op = await provider(clock, client("tls", **TLS, **{kind: REGISTERED[kind]}))
    assert outcome(await ask(op, certificate(clock, subject=subject))) == REFUSED


async def test_names_of_one_kind_do_not_pass_for_another(clock: FrozenClock) -> None:
    """A DNS name that reads like a URI or an address, and the other way round."""
    op = await provider(
        clock,
        client("uri", **TLS, tls_client_auth_san_uri="client.example"),
        client("ip", **TLS, tls_client_auth_san_ip="192.0.2.1"),
        client("none-named", **TLS),
        client("two-named", **TLS, tls_client_auth_san_dns="a.example", tls_client_auth_san_email="a@b.c"),
    )
    names: list[x509.GeneralName] = [
        x509.DNSName("client.example"),
        x509.DNSName("192.0.2.1"),
        x509.DNSName("a.example"),
        x509.RFC822Name("a@b.c"),
    ]
    shown = certificate(clock, names=names)
    for client_id in ("uri", "ip", "none-named", "two-named"):
        assert outcome(await ask(op, shown, client_id)) == REFUSED


async def test_a_self_signed_certificate_that_is_registered_authenticates(clock: FrozenClock) -> None:
    """RFC 8705 §2.2: exactly the certificate in x5c; another one of the same key and name is another one."""
    mine, renewed = certificate(clock), certificate(clock)
    op = await provider(
        clock,
        client("tls", jwks=jwks_with(mine), **SELF_SIGNED),
        client("two", jwks=jwks_with(mine, renewed), **SELF_SIGNED),
        client("keys-only", jwks=JWKS, **SELF_SIGNED),
    )
    assert (await ask(op, mine)).status == 200
    assert outcome(await ask(op, renewed)) == REFUSED
    assert reason(op) == "client.certificate_unknown"
    assert [(await ask(op, shown, "two")).status for shown in (mine, renewed)] == [200, 200]
    assert outcome(await ask(op, mine, "keys-only")) == REFUSED


async def test_a_certificate_at_a_jwks_uri_is_found_and_its_successor_too(clock: FrozenClock) -> None:
    """RFC 8705 §2.2.2, G5: fetched once, refetched at most once a minute for one that is not known."""
    remote, first, second = Remote(), certificate(clock), certificate(clock)
    remote.publish(jwks_with(first))
    op = await provider(clock, client("tls", jwks_uri=JWKS_URI, **SELF_SIGNED), remote=remote)
    assert (await ask(op, first)).status == 200
    for _ in range(4):
        assert outcome(await ask(op, second)) == REFUSED
    assert len(remote.asked) == 2
    op.clock.advance(61)
    remote.publish(jwks_with(first, second))
    assert (await ask(op, second)).status == 200
    remote.answers[JWKS_URI] = OSError("gone")
    fresh = await provider(clock, client("tls", jwks_uri=JWKS_URI, **SELF_SIGNED), remote=remote)
    assert outcome(await ask(fresh, first)) == (503, "temporarily_unavailable")


@pytest.mark.parametrize(
    "fault", ["missing", "expired", "not valid yet", "not a certificate", "with junk", "empty"]
)
async def test_sec_D7_without_a_certificate_that_is_good_now_there_is_no_token(
    clock: FrozenClock, fault: str
) -> None:
    """D7: missing, expired: 401 invalid_client."""
    mine = certificate(clock)
    expired = certificate(clock, starts=timedelta(days=-9), ends=timedelta(seconds=-1))
    early = certificate(clock, starts=timedelta(seconds=1))
    shown = {
        "missing": None,
        "expired": expired,
        "not valid yet": early,
        "not a certificate": b"\x30\x82\x00\x01x",
        "with junk": mine + b"\x00",
        "empty": b"",
    }[fault]
    name = {"tls_client_auth_subject_dn": REGISTERED["tls_client_auth_subject_dn"]}
    op = await provider(
        clock,
        client("tls", **TLS, **name),
        client("own", jwks=jwks_with(mine, expired, early), **SELF_SIGNED),
    )
    for client_id in ("tls", "own"):
        answer = await ask(op, shown, client_id)
        assert outcome(answer) == REFUSED
        assert answer.headers.get("www-authenticate")


async def test_a_certificate_proves_nobody_who_is_registered_for_another_method(clock: FrozenClock) -> None:
    """Exactly the registered method; a public client may show one and stays public."""
    op = await provider(
        clock,
        client("secret", "a-secret-of-this-client", **MACHINE),
        client("spa", grant_types=["authorization_code"], redirect_uris=["https://spa.example/cb"]),
    )
    shown = certificate(clock)
    assert outcome(await ask(op, shown, "secret")) == REFUSED
    assert (await ask(op, shown, "secret", client_secret="a-secret-of-this-client")).status == 401
    answer = await ask(op, shown, "spa", grant_type="authorization_code", code="x", redirect_uri="y")
    assert outcome(answer) == (400, "invalid_grant")


async def through_asgi(op: Installation, peer: str, header: bytes | None) -> int:
    """The status of a client_credentials request, as a server with that direct peer hands it on."""
    body = b"grant_type=client_credentials&client_id=tls"
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"host", b"op.example")]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/token",
        "raw_path": b"/token",
        "root_path": "",
        "query_string": b"",
        "headers": headers if header is None else [*headers, (b"client-cert", header)],
        "client": (peer, 1234),
        "server": ("op.example", 443),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await op.provider(scope, receive, send)
    status: int = sent[0]["status"]
    return status


async def test_sec_D7_a_certificate_header_counts_from_a_trusted_proxy_only(clock: FrozenClock) -> None:
    """D7: cert header spoofed by client: stripped unless the peer is trusted, and 401 invalid_client then."""
    mine = certificate(clock)
    op = await provider(clock, client("tls", jwks=jwks_with(mine), **SELF_SIGNED))
    header = b":" + base64.b64encode(mine) + b":"
    assert await through_asgi(op, PROXY, header) == 200
    assert await through_asgi(op, "192.0.2.7", header) == 401
    assert await through_asgi(op, PROXY, None) == 401
    assert await through_asgi(op, PROXY, b":AAAA:") == 401


async def test_discovery_lists_the_methods_only_with_a_trusted_proxy(clock: FrozenClock) -> None:
    """Listed only when configured: tls_client_auth and self_signed_tls_client_auth (http.trusted_proxies)."""
    behind = await provider(clock, client("spa", redirect_uris=["https://spa.example/cb"]))
    direct = await install(memory_stores(clock), clock)
    methods = {"tls_client_auth", "self_signed_tls_client_auth"}
    for op, listed in ((behind, methods), (direct, set[str]())):
        document = (await op.get("/.well-known/openid-configuration")).json()
        for endpoint in ("token", "introspection", "revocation"):
            named = document[f"{endpoint}_endpoint_auth_methods_supported"]
            assert methods & set(named) == listed


async def test_the_operator_is_warned_when_both_methods_are_in_use(
    clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One proxy cannot both check who issued a certificate and let everybody's through."""
    warn_of_mixed_methods.cache_clear()
    own = client("own", jwks=jwks_with(certificate(clock)), **SELF_SIGNED)
    tls = client("tls", **TLS, tls_client_auth_san_dns="a.example")
    with caplog.at_level(logging.WARNING, logger="authwright"):
        await provider(clock, own)
        await provider(clock, tls)
        assert caplog.records == []
        await provider(clock, own, tls)
    assert "do not use both" in caplog.text
