"""Who is calling: proxy headers count only from a trusted proxy (RFC 7239, RFC 9440; row H1)."""

import base64
import time

import pytest

from authwright.asgi import ProviderApp
from authwright.protocol.http import HttpRequest, HttpResponse
from tests.asgi.asgi_peer import Exchange, http_scope

PROXIES = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"]


async def _seen(
    headers: list[tuple[bytes, bytes]], direct: str | None = "10.0.0.1", **options: str
) -> HttpRequest:
    seen: list[HttpRequest] = []

    async def keep(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(204)

    app = ProviderApp(keep, trusted_proxies=PROXIES, **options)  # type: ignore[arg-type]
    scope = http_scope(headers=headers, client=(direct, 1) if direct else None)
    assert (await Exchange().run(app, scope)).status == 204
    return seen[0]


@pytest.mark.parametrize(
    ("header", "value", "peer"),
    [
        ("x-forwarded-for", "198.51.100.1", "198.51.100.1"),
        ("x-forwarded-for", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("x-forwarded-for", "198.51.100.1, 10.9.9.9, 192.0.2.7", "198.51.100.1"),
        ("x-forwarded-for", "198.51.100.1:4711", "198.51.100.1"),
        ("x-forwarded-for", "6.6.6.6, garbage", "10.0.0.1"),
        ("x-forwarded-for", "6.6.6.6, garbage, 10.9.9.9", "10.9.9.9"),
        ("x-forwarded-for", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("x-forwarded-for", "", "10.0.0.1"),
        ("x-forwarded-for", "::ffff:198.51.100.1", "198.51.100.1"),
        ("forwarded", "for=198.51.100.1", "198.51.100.1"),
        ("forwarded", 'for=6.6.6.6, For="[2001:db8::1]:4711";proto=https', "2001:db8::1"),
        ("forwarded", "for=6.6.6.6, for=unknown", "10.0.0.1"),
        ("forwarded", "for=6.6.6.6, proto=https", "10.0.0.1"),
        ("forwarded", "for=6.6.6.6, for=_hidden", "10.0.0.1"),
        ("forwarded", 'for=6.6.6.6, for=", for="[2001:db8::1]"', "10.0.0.1"),
        ("forwarded", 'by="a,b;for=6.6.6.6";for=198.51.100.1', "198.51.100.1"),
    ],
)
async def test_sec_H1_the_peer_is_the_right_most_address_that_is_not_a_trusted_proxys(
    header: str, value: str, peer: str
) -> None:
    """Row H1: whatever the caller wrote himself stands further left and is never believed."""
    assert (await _seen([(header.encode(), value.encode())])).peer == peer


async def test_sec_H1_proxy_headers_of_an_untrusted_peer_are_ignored() -> None:
    """Row H1: address and certificate alike."""
    certificate = b":" + base64.b64encode(b"der") + b":"
    request = await _seen(
        [(b"x-forwarded-for", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6"), (b"client-cert", certificate)],
        direct="203.0.113.9",
    )
    assert (request.peer, request.client_certificate) == ("203.0.113.9", None)
    request = await _seen([(b"x-forwarded-for", b"6.6.6.6"), (b"client-cert", certificate)], direct=None)
    assert (request.peer, request.client_certificate) == (None, None)


async def test_sec_H1_two_headers_that_disagree_count_for_nothing() -> None:
    """Row H1: the proxy writes one of them; the other may have come through it from anyone."""
    both = [(b"x-forwarded-for", b"198.51.100.1"), (b"forwarded", b"for=6.6.6.6")]
    assert (await _seen(both)).peer == "10.0.0.1"
    agreeing = [(b"x-forwarded-for", b"198.51.100.1"), (b"forwarded", b"for=198.51.100.1")]
    assert (await _seen(agreeing)).peer == "198.51.100.1"


async def test_sec_H1_a_huge_hostile_forwarded_header_costs_little() -> None:
    """Row H1 and the bound of 5 ms CPU for any bad request (with room for a slow machine)."""
    started = time.process_time()
    await _seen([(b"forwarded", b'for="' + b'\\"' * 30_000)])
    await _seen([(b"x-forwarded-for", b"1.1.1.1," * 8_000)])
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    ("value", "der"),
    [
        (b":" + base64.b64encode(b"\x30\x82der") + b":", b"\x30\x82der"),
        (b"::", None),
        (b":not base64!:", None),
        (base64.b64encode(b"der"), None),
        (b":\xff\xfe:", None),
        (b"-----BEGIN%20CERTIFICATE-----%0AAAEC%0A-----END%20CERTIFICATE-----%0A", b"\x00\x01\x02"),
        (b"-----BEGIN%20CERTIFICATE-----%0AAAEC", None),
        (b"-----BEGIN%20CERTIFICATE-----\xff", None),
    ],
)
async def test_a_client_certificate_comes_as_rfc_9440_or_as_nginx_writes_it(
    value: bytes, der: bytes | None
) -> None:
    """RFC 9440 §2.2; anything malformed is no certificate."""
    assert (await _seen([(b"client-cert", value)])).client_certificate == der


async def test_two_client_certificates_are_none_and_the_headers_name_can_be_chosen() -> None:
    """One of two would have to be the caller's own."""
    value = b":" + base64.b64encode(b"der") + b":"
    assert (await _seen([(b"client-cert", value), (b"client-cert", value)])).client_certificate is None
    other = await _seen([(b"x-tls-cert", value)], client_certificate_header="X-TLS-Cert")
    assert other.client_certificate == b"der"


def test_a_trusted_proxy_that_is_no_address_stops_the_start() -> None:
    """A typing error must not silently trust nobody, or somebody else."""

    async def never(request: HttpRequest) -> HttpResponse:
        raise AssertionError

    with pytest.raises(ValueError, match=r"proxy\.example"):
        ProviderApp(never, trusted_proxies=["proxy.example"])
