"""The guarded client shows a certificate to a server that asks for one (RFC 8705 §2)."""

import ssl
from pathlib import Path

import pytest

from authwright.http_client import GuardedClient, OutboundFailed
from authwright.protocol.http import HttpRequest
from tests.http_client.outside import Names, Rerouted, says, site
from tests.http_client.test_guarded_client import PUBLIC, Certificate


def in_one_file(certificate: Certificate, directory: Path) -> Path:
    """Certificate and private key, as an operator has them."""
    pair = directory / "client.pem"
    pair.write_text(Path(certificate.ca_file).read_text() + Path(certificate._key_file).read_text())
    return pair


async def test_a_server_that_asks_for_a_certificate_gets_ours(tmp_path: Path) -> None:
    """Without one the connection ends; with one the server knows who is there."""
    certificate = Certificate(tmp_path)
    pair = in_one_file(certificate, tmp_path)
    asking = certificate.server()
    asking.verify_mode = ssl.CERT_REQUIRED
    asking.load_verify_locations(certificate.ca_file)
    request = HttpRequest.to("GET", "https://rp.example/token")
    async with site(says(b"hello"), asking) as there:
        for file, known in (("", False), (str(pair), True)):
            fetch = GuardedClient(
                ca_file=certificate.ca_file,
                client_certificate=file,
                resolver=Names([PUBLIC]),
                connector=Rerouted(there.port),
            )
            try:
                if known:
                    assert (await fetch(request)).body == b"hello"
                else:
                    with pytest.raises(OutboundFailed):
                        await fetch(request)
            finally:
                await fetch.close()
    assert len(there.heads) == 1


def test_a_file_without_a_certificate_is_refused_at_start(tmp_path: Path) -> None:
    """Not when the first user comes."""
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(ssl.SSLError):
        GuardedClient(client_certificate=str(empty))
    with pytest.raises(FileNotFoundError):
        GuardedClient(client_certificate=str(tmp_path / "none.pem"))
