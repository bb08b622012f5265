"""A running provider with a fleet of clients, and all that a peer needs to be one of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.interop.fleet_clients import SETTINGS_VARIABLE, FleetSettings, der_text
from tests.interop.person import Person
from tests.interop.tls import CLIENT_DNS, Authority, Certificate, Doorbell, Proxy
from tests.servers.process import ROOT, ServerProcesses, find_free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    issuer: str
    authority: Authority
    person: Person
    doorbell: Doorbell
    jwk: Mapping[str, Any]
    """The private key of the clients that sign, ES256."""
    certificate: Certificate
    """Of the client `tls_client_auth`."""
    self_signed: Certificate

    @property
    def ca_file(self) -> str:
        return str(self.authority.certificate.file)

    @property
    def discovery(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    def certificate_of(self, method: str) -> Certificate:
        """Which one a client with that method shows."""
        return self.certificate if method == "tls_client_auth" else self.self_signed


@contextmanager
def launched(directory: Path, processes: ServerProcesses) -> Iterator[Fleet]:
    """The provider, its proxy, and a client's place to be notified, while the block runs."""
    authority = Authority(directory)
    server, known = authority.server(), authority.client()
    self_signed, self_signed_key = authority.self_signed()
    signer = ec.generate_private_key(ec.SECP256R1())
    # A proxy should take part in only one of the two methods; here it knows the one stranger as well.
    proxy, doorbell = Proxy(server, [authority.certificate, self_signed]), Doorbell(server)
    try:
        port = find_free_port()
        proxy.upstream = port
        settings = FleetSettings(
            issuer=proxy.url,
            notified=f"{doorbell.url}/notified",
            ca_file=str(authority.certificate.file),
            jwk=_public(signer.public_key(), "signer"),
            self_signed=der_text(self_signed.der),
            self_signed_jwk=_public(self_signed_key, "self-signed"),
            client_dns=CLIENT_DNS,
        )
        process = processes.python(
            *("-m", "uvicorn", "--factory", "tests.interop.fleet_app:application"),
            *("--port", str(port), "--no-access-log", "--ws", "none", "--no-proxy-headers"),
            environ={SETTINGS_VARIABLE: settings.dumped()},
            cwd=ROOT,
        )
        process.wait_for(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
        yield Fleet(
            issuer=proxy.url,
            authority=authority,
            person=Person(proxy.url, authority),
            doorbell=doorbell,
            jwk={**json.loads(ECAlgorithm.to_jwk(signer)), "kid": "signer", "alg": "ES256"},
            certificate=known,
            self_signed=self_signed,
        )
    finally:
        proxy.stop()
        doorbell.stop()


def _public(key: ec.EllipticCurvePublicKey, kid: str) -> dict[str, Any]:
    return {**json.loads(ECAlgorithm.to_jwk(key)), "kid": kid, "use": "sig"}
