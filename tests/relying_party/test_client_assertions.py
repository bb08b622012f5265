"""How the relying party proves who it is: assertions that serve one request at one server (RFC 7523, RFC 8705)."""

from urllib.parse import parse_qsl

import pytest

from authwright.crypto.jwe import DecryptionKey
from authwright.crypto.keys import KeySet, SigningKey
from authwright.crypto.shared_secrets import SharedSecret
from authwright.relying_party.client import (
    ClientAuth,
    ClientSecretJwt,
    PrivateKeyJwt,
    RelyingPartyClient,
    TlsClientCertificate,
)
from authwright.relying_party.encrypted import Encrypted
from authwright.standard_rp import RelyingParty
from tests.relying_party.hostile_provider import ISSUER, ROOTS, Browser, relying_party, sign_in
from tests.relying_party.modern_provider import ModernProvider, client_key

LONG_SECRET = "a secret that has thirty-two bytes at least"


def browser_of(provider: ModernProvider, auth: ClientAuth) -> Browser:
    return Browser(relying_party(provider, client=RelyingPartyClient(client_id="web", auth=auth)))


async def test_a_client_proves_itself_with_its_key_wherever_it_calls() -> None:
    """private_key_jwt at PAR, token, refresh and revocation; aud is the issuer, each jti is used once."""
    provider, key = ModernProvider(), client_key()
    provider.client_keys = KeySet.of(key)
    browser = browser_of(provider, PrivateKeyJwt(key))
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    await browser.party.refresh(signed_in)
    assert (provider.asked("/par"), provider.asked("/token")) == (1, 2)
    assert len(set(provider.assertions)) == 3
    for path in ("/par", "/token"):
        form = provider.last(path)
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert form["client_id"] == "web"
        assert "client_secret" not in form
    await browser.party.revoke_refresh_token(ISSUER + "/revoke", "rt")
    assert provider.last("/revoke")["client_assertion"]


async def test_a_client_proves_itself_with_its_secret_without_sending_it() -> None:
    """client_secret_jwt: HS256 with the secret as the key."""
    provider = ModernProvider()
    provider.client_secret = SharedSecret.of(LONG_SECRET)
    browser = browser_of(provider, ClientSecretJwt(LONG_SECRET))
    assert (await sign_in(provider, browser)).status == 303
    assert not any(LONG_SECRET.encode() in request.body for request in provider.requests)


async def test_a_server_that_wants_another_audience_is_named() -> None:
    """RFC 7523 §3 leaves it to the server; the issuer is the default, since no other server can pass for it."""
    provider, key = ModernProvider(), client_key()
    provider.client_keys = KeySet.of(key)
    provider.assertion_audience = ISSUER + "/token"
    assert (await browser_of(provider, PrivateKeyJwt(key)).get("/auth/login")).status == 503
    named = PrivateKeyJwt(key, audience=ISSUER + "/token")
    assert (await sign_in(provider, browser_of(provider, named))).status == 303


def test_a_secret_too_short_for_hs256_is_refused_at_start() -> None:
    """RFC 7518 §3.2."""
    with pytest.raises(ValueError, match="32 bytes"):
        ClientSecretJwt("short")


def test_a_key_or_secret_is_never_shown() -> None:
    """Neither in a repr nor in the client's."""
    key = client_key()
    client = RelyingPartyClient(client_id="web", auth=PrivateKeyJwt(key), request_object=key)
    assert "_private" not in repr(client)
    assert LONG_SECRET not in repr(ClientSecretJwt(LONG_SECRET))


async def test_with_a_certificate_the_endpoints_that_ask_for_one_are_called() -> None:
    """RFC 8705 §5: mtls_endpoint_aliases for our own calls, never for the browser's; the form has the client_id alone."""
    provider = ModernProvider()
    provider.metadata["mtls_endpoint_aliases"] = {
        "token_endpoint": "https://mtls.op.example/token",
        "userinfo_endpoint": "https://mtls.op.example/userinfo",
        "pushed_authorization_request_endpoint": "https://mtls.op.example/par",
        "authorization_endpoint": "https://mtls.op.example/authorize",
        "something_endpoint": "https://mtls.op.example/x",
    }
    browser = browser_of(provider, TlsClientCertificate())
    assert (await sign_in(provider, browser)).status == 303
    origins = {request.path: request.origin for request in provider.requests}
    assert origins["/token"] == origins["/userinfo"] == origins["/par"] == "https://mtls.op.example"
    assert origins["/jwks"] == ISSUER
    sent = next(request for request in provider.requests if request.path == "/token")
    assert ("client_id", "web") in parse_qsl(sent.body.decode())
    assert sent.headers.get("authorization") is None
    # Without a certificate they are not for us.
    provider.requests.clear()
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    assert {request.origin for request in provider.requests} == {ISSUER}


@pytest.mark.parametrize("alias", ["http://mtls.op.example/token", "https://a b", "javascript:x"])
async def test_sec_P6_an_alias_is_held_to_https(alias: str) -> None:
    """P6: http endpoints: reject."""
    provider = ModernProvider()
    provider.metadata["mtls_endpoint_aliases"] = {"token_endpoint": alias}
    assert (await browser_of(provider, TlsClientCertificate()).get("/auth/login")).status == 503


async def test_each_option_reaches_the_client() -> None:
    """`authwright.RelyingParty` hands on what this page of the documentation names."""
    key, decryption = client_key(), DecryptionKey.generate()
    rp = RelyingParty(
        issuer=ISSUER,
        client_id="web",
        client_auth=PrivateKeyJwt(key),
        base_url="https://app.example",
        keys=ROOTS,
        par="require",
        request_object=key,
        response_mode="form_post.jwt",
        dpop="require",
        encrypted=Encrypted(keys=(decryption,), id_token=True),
        userinfo_algorithms=["ES256"],
    )
    client = rp.core.client
    assert (client.par, client.dpop, client.response_mode) == ("require", "require", "form_post.jwt")
    assert (client.request_object, client.userinfo_algorithms) == (key, ("ES256",))
    assert client.encrypted is not None
    assert client.posts_back
    await rp.close()


def test_a_key_is_read_from_pem_and_from_jwk() -> None:
    """What `private_key_jwt` is configured with; a kid that was registered is kept."""
    from cryptography.hazmat.primitives import serialization

    key = client_key()
    pem = key._private.private_bytes(  # the file an operator has
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert SigningKey.from_pem(pem).kid == key.kid
