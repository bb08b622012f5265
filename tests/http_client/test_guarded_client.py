"""Row G1: no server-side request forgery, and the limits on what comes back."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from authwright.http_client import GuardedClient, OutboundFailed, OutboundRefused
from authwright.protocol.http import HttpRequest
from tests.http_client.outside import Names, Rerouted, says, site

PUBLIC = "93.184.215.14"


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[GuardedClient]:
    """A client that is closed at the end."""
    made = GuardedClient(**options)
    try:
        yield made
    finally:
        await made.close()


def get(url: str) -> HttpRequest:
    """A GET."""
    return HttpRequest.to("GET", url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[2001:db8::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[3fff::1]",
        "[5f00::1]",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "127.1",
        "127.0.0.1.",
        "localhost",
        "app.localhost",
    ],
)
async def test_sec_G1_an_address_that_is_not_public_is_never_connected_to(host: str) -> None:
    """Row G1: every IANA special-use address, however it is written, and names that lead there."""
    away = Rerouted(1)
    async with client(resolver=Names(["127.0.0.1"]), connector=away) as fetch:
        with pytest.raises(OutboundRefused):
            await fetch(get(f"https://{host}/jwks"))
    assert away.connected == []


@pytest.mark.parametrize(
    "answer",
    [
        ["169.254.169.254"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        ["2606:2800:21f:cb07::1", "fe80::1%eth0"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::a00:1"],
        ["not an address"],
    ],
)
async def test_sec_G1_one_bad_address_spoils_a_name(answer: list[str]) -> None:
    """Row G1: every address is vetted before any is used."""
    away = Rerouted(1)
    async with client(resolver=Names(answer), connector=away) as fetch:
        with pytest.raises(OutboundRefused, match=r"rp\.example"):
            await fetch(get("https://rp.example/jwks?secret=s3cret"))
    assert away.connected == []


@pytest.mark.parametrize(
    "origin",
    [
        "http://rp.example",
        "gopher://rp.example",
        "unix:///run/x.sock",
        "file:///etc/passwd",
        "",
        "https://",
        "https://user@rp.example",
        "https://rp.example:0",
        "https://rp.example:99999",
        "https://rp_example..com",
        "https://bücher.example",
        "https://[::1",
        "https://rp.example\r\nhost: evil",
        "https://rp.exa\nmple",
        "https://rp.example/path",
    ],
)
async def test_sec_G1_whatever_is_not_plainly_https_is_refused(origin: str) -> None:
    """Row G1: http, other schemes, user names and malformed authorities."""
    names = Names([PUBLIC])
    async with client(resolver=names, connector=Rerouted(1)) as fetch:
        with pytest.raises(OutboundRefused):
            await fetch(HttpRequest("GET", "/", origin=origin))
    assert names.asked == []


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("CONNECT", "/", origin="https://rp.example"),
        HttpRequest("GET\r\nX: y", "/", origin="https://rp.example"),
        HttpRequest("GET", "/a b", origin="https://rp.example"),
        HttpRequest("GET", "/a\r\nhost: evil", origin="https://rp.example"),
        HttpRequest("GET", "https://evil.example/", origin="https://rp.example"),
        HttpRequest("GET", "/é", origin="https://rp.example"),
        HttpRequest("GET", "/", query="a=\nb", origin="https://rp.example"),
    ],
)
async def test_sec_G1_a_request_that_could_become_two_is_refused(request_: HttpRequest) -> None:
    """Row G1 and H2: no line breaks, spaces or absolute targets."""
    async with client(resolver=Names([PUBLIC]), connector=Rerouted(1)) as fetch:
        with pytest.raises(OutboundRefused):
            await fetch(request_)


async def test_sec_G1_a_name_is_resolved_once_and_its_vetted_address_is_what_is_connected_to() -> None:
    """Row G1, DNS rebinding: the first answer is public, the second 127.0.0.1; neither gets past the guard."""
    names = Names([PUBLIC], ["127.0.0.1"])
    async with site(says(b"hello", b"200 OK", b"Connection: close")) as there:
        away = Rerouted(there.port)
        async with client(resolver=names, connector=away, allow=["plain.example"]) as fetch:
            # `allow` only lets the test speak plain http; the rebinding case proper follows.
            assert (await fetch(get("http://plain.example/"))).body == b"hello"
    assert (names.asked, away.connected) == (["plain.example"], [PUBLIC])


async def test_sec_G1_rebinding_between_two_calls_is_refused_at_the_second(
    certificate: "Certificate",
) -> None:
    """Row G1: a new connection vets anew, and an open one stays where it was vetted."""
    names = Names([PUBLIC], ["127.0.0.1"])
    closing = says(b"hello", b"200 OK", b"Connection: close")
    async with site(closing, certificate.server()) as there:
        away = Rerouted(there.port)
        async with client(resolver=names, connector=away, ca_file=certificate.ca_file) as fetch:
            assert (await fetch(get("https://rp.example/"))).body == b"hello"
            with pytest.raises(OutboundRefused):
                await fetch(get("https://rp.example/"))
    assert (names.asked, away.connected) == (["rp.example", "rp.example"], [PUBLIC])


async def test_sec_G1_tls_and_host_carry_the_name_while_the_connection_goes_to_the_address(
    certificate: "Certificate",
) -> None:
    """Row G1: SNI and Host; the certificate is checked against the name."""
    names = Names([PUBLIC])
    server = certificate.server()
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with site(says(b"keys"), server) as there:
        away = Rerouted(there.port)
        async with client(resolver=names, connector=away, ca_file=certificate.ca_file) as fetch:
            assert (await fetch(get("https://RP.example:8443/jwks?a=b"))).body == b"keys"
            with pytest.raises(OutboundFailed, match=r"other\.example cannot be reached"):
                await fetch(get("https://other.example/"))
        async with client(resolver=names, connector=away) as untrusting:
            with pytest.raises(OutboundFailed, match=r"rp\.example cannot be reached"):
                await untrusting(get("https://rp.example/"))
    assert asked[0] == "rp.example"
    assert b"GET /jwks?a=b HTTP/1.1\r\n" in there.heads[0]
    assert b"host: rp.example:8443\r\n" in there.heads[0].lower()
    assert len(there.heads) == 1


async def test_sec_G1_a_redirect_is_handed_back_and_not_followed() -> None:
    """Row G1: 30x to the inside."""
    moved = says(b"", b"302 Found", b"Location: http://169.254.169.254/latest/meta-data")
    async with site(moved) as there, client(allow=["127.0.0.1"]) as fetch:
        response = await fetch(get(f"http://127.0.0.1:{there.port}/"))
        assert response.status == 302
        assert response.headers.get("location") == "http://169.254.169.254/latest/meta-data"
        assert len(there.heads) == 1


@pytest.mark.parametrize("declared", [True, False])
async def test_sec_G1_an_answer_larger_than_the_limit_is_cut_off(declared: bool) -> None:
    """Row G1: 64 KB, whether or not the length is declared; the rest is not read."""
    written = 0

    async def endless(head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        length = b"Content-Length: 50000000\r\n" if declared else b"Connection: close\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        for _ in range(800):
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with site(endless) as there, client(allow=["127.0.0.1"]) as fetch:
        with pytest.raises(OutboundRefused, match="more than 65536 bytes"):
            await fetch(get(f"http://127.0.0.1:{there.port}/"))
    assert written < 40_000_000


async def test_an_answer_at_the_limit_is_taken() -> None:
    """Limit, limit + 1."""
    async with site(says(b"x" * 100)) as there:
        url = f"http://127.0.0.1:{there.port}/"
        async with client(allow=["127.0.0.1"], max_bytes=100) as fetch:
            assert len((await fetch(get(url))).body) == 100
            assert (await fetch(HttpRequest.to("HEAD", url))).body == b""
        async with client(allow=["127.0.0.1"], max_bytes=99) as fetch:
            with pytest.raises(OutboundRefused):
                await fetch(get(url))


async def test_sec_G1_a_slow_answer_ends_with_the_total_time() -> None:
    """Row G1: a byte now and then (slow-loris) does not hold the request open."""

    async def drip(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with site(drip) as there, client(allow=["127.0.0.1"], total_timeout=0.3) as fetch:
        started = asyncio.get_running_loop().time()
        with pytest.raises(OutboundFailed, match=r"127\.0\.0\.1 did not answer in time"):
            await fetch(get(f"http://127.0.0.1:{there.port}/?code=s3cret"))
        assert asyncio.get_running_loop().time() - started < 2


async def test_sec_G1_a_slow_name_server_ends_with_the_connect_time() -> None:
    """Row G1: resolving is part of connecting."""

    async def never(host: str, port: int) -> list[str]:
        await asyncio.sleep(30)
        return []

    async with client(resolver=never, connect_timeout=0.1) as fetch:
        with pytest.raises(OutboundFailed, match="in time"):
            await fetch(get("https://rp.example/"))


async def test_sec_G1_a_compressed_answer_is_refused() -> None:
    """Row G1 and the limits: it was not asked for, and unpacking is how small becomes large."""
    async with (
        site(says(b"\x1f\x8b", b"200 OK", b"Content-Encoding: gzip")) as there,
        client(allow=["127.0.0.1"]) as fetch,
    ):
        with pytest.raises(OutboundRefused, match="encoding"):
            await fetch(get(f"http://127.0.0.1:{there.port}/"))
        assert b"accept-encoding: identity" in there.heads[0]


async def test_connections_are_used_again_and_cookies_are_not_kept() -> None:
    """One connection for many calls; a Set-Cookie of one answer is not sent with the next request."""
    async with (
        site(says(b"ok", b"200 OK", b"Set-Cookie: sid=1")) as there,
        client(allow=["127.0.0.1"]) as fetch,
    ):
        url = f"http://127.0.0.1:{there.port}/token"
        for _ in range(3):
            answer = await fetch(HttpRequest.to("POST", url, headers={"content-type": "x/y"}, body=b"a=b"))
            assert answer.body == b"ok"
        assert there.connections == 1
        assert b"content-length: 3\r\n" in there.heads[0]
        assert b"cookie" not in b"".join(there.heads).lower()


async def test_headers_of_the_connection_are_not_the_callers_to_set() -> None:
    """RFC 9110 §7.6.1: a caller cannot name another host or another length."""
    hostile = {"host": "evil", "content-length": "99", "transfer-encoding": "chunked", "x-mine": "1"}
    async with site(says(b"ok")) as there, client(allow=["127.0.0.1"]) as fetch:
        await fetch(HttpRequest.to("POST", f"http://127.0.0.1:{there.port}/", headers=hostile, body=b"abc"))
        head = there.heads[0].lower()
        assert b"evil" not in head
        assert b"chunked" not in head
        assert b"x-mine: 1" in head


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names for itself, past the guard."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with site(says(b"direct")) as there, client(allow=["127.0.0.1"]) as fetch:
        assert (await fetch(get(f"http://127.0.0.1:{there.port}/"))).body == b"direct"


async def test_a_loopback_issuer_may_call_loopback_and_nothing_else_that_is_inside() -> None:
    """Development: only hosts that say loopback themselves, and only when they are."""
    async with site(says(b"dev")) as there:
        names = Names(["127.0.0.1"])
        async with client(allow_loopback_http=True, resolver=names) as fetch:
            for host in ("localhost", "127.0.0.1", "app.localhost"):
                assert (await fetch(get(f"http://{host}:{there.port}/"))).body == b"dev"
            for url in (f"https://rebound.example:{there.port}/", "https://10.0.0.1/", "http://rp.example/"):
                with pytest.raises(OutboundRefused):
                    await fetch(get(url))
        lying = Names([PUBLIC])
        async with client(allow_loopback_http=True, resolver=lying, connector=Rerouted(there.port)) as fetch:
            with pytest.raises(OutboundRefused):
                await fetch(get(f"http://localhost:{there.port}/"))


async def test_an_allowed_host_is_that_host_and_that_port_only() -> None:
    """`allow` is by the name that is called, not by where it leads."""
    async with site(says(b"in")) as there:
        names = Names(["127.0.0.1"])
        async with client(allow=[f"Inside.example:{there.port}"], resolver=names) as fetch:
            assert (await fetch(get(f"http://inside.example:{there.port}/"))).body == b"in"
            for url in ("http://inside.example/", f"http://sub.inside.example:{there.port}/"):
                with pytest.raises(OutboundRefused):
                    await fetch(get(url))


async def test_a_dead_address_leaves_time_for_the_next() -> None:
    """A name with two addresses answers while one of them does."""
    async with site(says(b"alive")) as there:
        away = Rerouted(there.port, dead=[PUBLIC])
        names = Names([PUBLIC, "198.41.0.4"])
        async with client(allow=["rp.example"], resolver=names, connector=away) as fetch:
            assert (await fetch(get("http://rp.example/"))).body == b"alive"
    assert away.connected == [PUBLIC, "198.41.0.4"]


async def test_errors_name_the_host_and_never_the_query() -> None:
    """Codes and tokens travel in queries."""

    async def rubbish(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"s3cret is what the peer says\r\n\r\n")
        await writer.drain()

    async with site(rubbish) as there, client(allow=["127.0.0.1"]) as fetch:
        for url in (f"http://127.0.0.1:{there.port}/?code=s3cret", "http://127.0.0.1:1/?code=s3cret"):
            with pytest.raises(OutboundFailed, match=r"127\.0\.0\.1") as raised:
                await fetch(get(url))
            assert "s3cret" not in str(raised.value)
            assert raised.value.__cause__ is None
            assert isinstance(raised.value, OSError)


async def test_a_slow_host_holds_only_its_own_share_of_connections() -> None:
    """Eight in parallel per host; another host is answered meanwhile."""
    release = asyncio.Event()

    async def slow(head: bytes, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await says(b"slow")(head, writer)

    async with site(slow) as held, site(says(b"quick")) as free, client(allow=["127.0.0.1"]) as fetch:
        waiting = [
            asyncio.create_task(fetch(get(f"http://127.0.0.1:{held.port}/{number}"))) for number in range(12)
        ]
        assert (await fetch(get(f"http://127.0.0.1:{free.port}/"))).body == b"quick"
        await asyncio.sleep(0.05)
        assert len(held.heads) == 8
        release.set()
        assert {answer.body for answer in await asyncio.gather(*waiting)} == {b"slow"}
        assert held.connections == 8


class Certificate:
    """A certificate for rp.example that is its own authority."""

    def __init__(self, directory: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rp.example")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("rp.example")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        certificate, private = directory / "certificate.pem", directory / "key.pem"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.ca_file = str(certificate)
        self._key_file = str(private)

    def server(self) -> ssl.SSLContext:
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, self._key_file)
        return context


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """A fresh one."""
    return Certificate(tmp_path)
