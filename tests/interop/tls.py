"""The TLS in front of a server: certificates, a proxy that shows the client's (RFC 9440), and a place to be notified."""

import base64
import http.client
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLIENT_DNS = "client.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """PEM files, and the certificate itself in DER."""

    file: Path
    key_file: Path
    der: bytes

    @property
    def pair(self) -> tuple[str, str]:
        return str(self.file), str(self.key_file)


class Authority:
    """Issues certificates into a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("interop authority")
        self.certificate = self._write("authority", self._name, self._key, self._key, authority=True)

    def server(self) -> Certificate:
        """For localhost."""
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write("server", _name("localhost"), key, self._key, names=names)

    def client(self) -> Certificate:
        """For a client whose subject alternative name is `CLIENT_DNS`."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write("client", _name("client"), key, self._key, names=[x509.DNSName(CLIENT_DNS)])

    def self_signed(self) -> tuple[Certificate, ec.EllipticCurvePublicKey]:
        """For a client that no authority knows."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write("self-signed", _name("self-signed"), key, key), key.public_key()

    def _write(
        self,
        file: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        *,
        names: list[x509.GeneralName] | None = None,
        authority: bool = False,
    ) -> Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if signer is key else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if authority:
            made = made.add_extension(_KEY_USAGE, critical=True)
        certificate = made.sign(signer, hashes.SHA256())
        pem, key_pem = self._directory / f"{file}.pem", self._directory / f"{file}-key.pem"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        der = certificate.public_bytes(serialization.Encoding.DER)
        return Certificate(file=pem, key_file=key_pem, der=der)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class _TlsServer(ThreadingHTTPServer):
    """One thread a connection; the handshake is in it, so that a slow client holds up nobody."""

    daemon_threads = True

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], certificate: Certificate, trusted: list[Certificate]
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*certificate.pair)
        for one in trusted:
            self._tls.load_verify_locations(one.file)
            self._tls.verify_mode = ssl.CERT_OPTIONAL
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.settimeout(30)
        wrapped = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"

    def stop(self) -> None:
        self.shutdown()
        self._thread.join(5)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # A client that hangs up, or whose handshake fails, is not our matter.
            self.close_connection = True

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Proxy(_TlsServer):
    """Ends TLS for a server at a port of 127.0.0.1, and sends it the certificate the client showed, if any."""

    def __init__(self, certificate: Certificate, trusted: list[Certificate]) -> None:
        class Forward(_Handler):
            proxy: ClassVar[Proxy] = self

            def do_GET(self) -> None:
                self.proxy.forward(self)

            do_POST = do_GET

        super().__init__(Forward, certificate, trusted)
        self.upstream = 0
        """The port of the server; to be set before the first request."""

    def forward(self, request: _Handler) -> None:
        dropped = ("connection", "content-length", "client-cert", "forwarded", "x-forwarded-for")
        headers = {name: text for name, text in request.headers.items() if name.lower() not in dropped}
        assert isinstance(request.connection, ssl.SSLSocket)
        if (der := request.connection.getpeercert(binary_form=True)) is not None:
            headers["Client-Cert"] = f":{base64.b64encode(der).decode()}:"
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=20)
        try:
            upstream.request(request.command, request.path, request.body() or None, headers)
            answer = upstream.getresponse()
            hops = ("content-length", "connection", "transfer-encoding")
            kept = [(name, text) for name, text in answer.getheaders() if name.lower() not in hops]
            request.reply(answer.status, kept, answer.read())
        finally:
            upstream.close()


@dataclass(frozen=True, slots=True)
class Notification:
    authorization: str
    body: bytes


class Doorbell(_TlsServer):
    """Where a client of ours is told that a backchannel request is decided (CIBA Core §10.2)."""

    def __init__(self, certificate: Certificate) -> None:
        self.rung: Queue[Notification] = Queue()

        class Bell(_Handler):
            doorbell: ClassVar[Doorbell] = self

            def do_POST(self) -> None:
                heard = Notification(self.headers.get("authorization", ""), self.body())
                self.doorbell.rung.put(heard)
                self.reply(204, [], b"")

        super().__init__(Bell, certificate, [])
