"""The scripted provider with what came after OpenID Connect Core: PAR, JAR, JARM, DPoP with nonces, encryption, assertions.

It checks as a strict server would, and does right itself until a test tells it otherwise.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authwright.crypto.dpop import verify_proof
from authwright.crypto.handles import random_id
from authwright.crypto.jwe import EncryptionKey, encrypt
from authwright.crypto.jwt import JwtRejected, check_claims, sign_jwt, verify_jwt, verify_shared_secret_jwt
from authwright.crypto.keys import KeySet, SigningKey
from authwright.crypto.shared_secrets import SharedSecret
from authwright.protocol.authorization import parse_authorization_response
from authwright.protocol.dpop import ProofRejected, check_proof
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, json_response
from authwright.protocol.jarm import build_response_claims
from authwright.protocol.params import Params, encode
from authwright.protocol.request_object import REQUEST_OBJECT_TYPE, parse_request_object
from tests.relying_party.hostile_provider import Clock, HostileProvider

CLIENT_ID = "web"


class ModernProvider(HostileProvider):
    """See the module."""

    def __init__(self, clock: Clock | None = None, **more: Any) -> None:
        super().__init__(clock or Clock(), **more)
        self.metadata |= {
            "pushed_authorization_request_endpoint": self.issuer + "/par",
            "response_modes_supported": ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"],
            "authorization_signing_alg_values_supported": [self.key.algorithm],
        }
        self.pushed: dict[str, dict[str, str]] = {}
        """request_uri to what was pushed."""
        self.par_answer: Callable[[], HttpResponse] | None = None
        self.dpop = False
        """Bind tokens, and take no request without a proof."""
        self.nonces: dict[str, str] = {}
        """Path to the nonce a proof has to have there."""
        self.bound: dict[str, str] = {}
        """Access token or refresh token to the thumbprint it is bound to."""
        self.proofs: list[tuple[str, str | None]] = []
        """Path and thumbprint of each proof that was taken."""
        self.encrypt_to: dict[str, EncryptionKey] = {}
        """"id_token", "userinfo" or "response" to the client's key."""
        self.encryption = "A256GCM"
        self.signed_userinfo: dict[str, Json] | None = None
        """Claims over iss and aud of a signed UserInfo answer; None = JSON."""
        self.response_claims: dict[str, Json] = {}
        """Claims to add, replace or (None) leave out of a JARM response."""
        self.response_key = self.key
        self.client_keys: KeySet | None = None
        """For assertions and request objects."""
        self.client_secret: SharedSecret | None = None
        self.assertion_audience = self.issuer
        self.assertions: list[str] = []
        """The jti of each that was taken."""
        self.request_objects: list[dict[str, Json]] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in ("/par", "/token", "/userinfo"):
            refused = self._check_client(request) or self._check_proof(request)
            if refused is not None:
                self.requests.append(request)
                return refused
        if request.path == "/par":
            self.requests.append(request)
            return self._push(request)
        response = await super().__call__(request)
        return self._after(request, response)

    # --- The front channel

    def asked_at(self, location: str) -> dict[str, str]:
        """The request behind what the browser carries: pushed, in an object, or as it is."""
        carried = dict(parse_qsl(urlsplit(location).query))
        if "request_uri" in carried:
            # RFC 9126 §4: once, and only by the client that pushed it.
            pushed = self.pushed.pop(carried["request_uri"])
            assert carried == {"client_id": pushed["client_id"], "request_uri": carried["request_uri"]}
            carried = pushed
        return self._unpacked(carried)

    def authorize(self, location: str, **changes: str | None) -> str:
        asked = self.asked_at(location)
        return f"{asked['redirect_uri']}?{encode(self.respond(asked, **changes).items())}"

    def authorize_form(self, location: str, **changes: str | None) -> tuple[str, bytes]:
        asked = self.asked_at(location)
        return asked["redirect_uri"], encode(self.respond(asked, **changes).items()).encode()

    def respond(self, asked: dict[str, str], **changes: str | None) -> dict[str, str]:
        answer = super().respond(asked, **changes)
        if "jwt" not in asked.get("response_mode", ""):
            return answer
        claims = build_response_claims(
            parse_authorization_response(Params.of(answer)),
            issuer=self.issuer,
            client_id=CLIENT_ID,
            now=self.clock(),
        )
        claims |= self.response_claims
        kept = {name: value for name, value in claims.items() if value is not None}
        return {"response": self._encrypted("response", sign_jwt(self.response_key, kept, typ="JWT"))}

    def _unpacked(self, carried: dict[str, str]) -> dict[str, str]:
        if "request" not in carried:
            return carried
        assert self.client_keys is not None
        verified = verify_jwt(
            carried["request"],
            self.client_keys,
            algorithms=("ES256", "PS256", "EdDSA"),
            types=(REQUEST_OBJECT_TYPE,),
        )
        check_claims(
            verified.claims, issuer=CLIENT_ID, audience=self.issuer, now=self.clock(), required=("jti", "nbf")
        )
        self.request_objects.append(dict(verified.claims))
        return dict(parse_request_object(verified.claims).pairs())

    # --- The back channel

    def _push(self, request: HttpRequest) -> HttpResponse:
        if self.par_answer is not None:
            return self.par_answer()
        form = dict(parse_qsl(request.body.decode()))
        uri = f"urn:ietf:params:oauth:request_uri:{random_id()}"
        self.pushed[uri] = form
        return json_response(201, {"request_uri": uri, "expires_in": 60})

    def _check_client(self, request: HttpRequest) -> HttpResponse | None:
        form = dict(parse_qsl(request.body.decode()))
        assertion = form.get("client_assertion")
        if request.path == "/userinfo" or (self.client_keys is None and self.client_secret is None):
            return None
        if assertion is None:
            # Client keys may be for request objects alone.
            return None
        try:
            if self.client_secret is not None:
                verified = verify_shared_secret_jwt(assertion, [self.client_secret], types=("jwt",))
            else:
                assert self.client_keys is not None
                verified = verify_jwt(assertion, self.client_keys, algorithms=("ES256",), types=("jwt",))
            check_claims(
                verified.claims,
                issuer=CLIENT_ID,
                audience=None,
                now=self.clock(),
                required=("sub", "aud", "jti"),
            )
            assert verified.claims["sub"] == form["client_id"] == CLIENT_ID
            assert verified.claims["aud"] == self.assertion_audience
            assert verified.claims["jti"] not in self.assertions
        except (JwtRejected, AssertionError):
            return json_response(401, {"error": "invalid_client"})
        self.assertions.append(verified.claims["jti"])
        return None

    def _check_proof(self, request: HttpRequest) -> HttpResponse | None:
        sent = request.headers.get("dpop")
        if not self.dpop:
            assert sent is None
            return None
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        at_api = request.path == "/userinfo"
        try:
            if sent is None:
                raise ProofRejected("missing")
            verified = verify_proof(sent)
            check_proof(
                verified.proof,
                method=request.method,
                url=request.url,
                now=self.clock(),
                access_token=token if at_api else None,
            )
            if at_api and (scheme != "DPoP" or self.bound.get(token) != verified.jkt):
                raise ProofRejected("key")
        except ProofRejected:
            return json_response(401 if at_api else 400, {"error": "invalid_dpop_proof"})
        nonce = self.nonces.get(request.path)
        if nonce is not None and verified.proof.nonce != nonce:
            headers = {"dpop-nonce": nonce}
            if at_api:
                # RFC 9110 §11.1: the scheme has no case.
                headers["www-authenticate"] = 'dpop error="use_dpop_nonce", algs="ES256"'
                return HttpResponse(401, Headers.of(headers))
            return json_response(400, {"error": "use_dpop_nonce"}, Headers.of(headers))
        self.proofs.append((request.path, verified.jkt))
        return None

    def _after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status != 200:
            return response
        if request.path == "/token" and "access_token" in response.json():
            answer = response.json()
            if self.dpop:
                answer["token_type"] = self.token_answer.get("token_type", "DPoP")
                for name in ("access_token", "refresh_token"):
                    self.bound[answer.get(name, "")] = self.proofs[-1][1] or ""
            if "id_token" in answer:
                answer["id_token"] = self._encrypted("id_token", answer["id_token"])
            return json_response(200, answer)
        if request.path == "/userinfo" and request.path not in self.answers:
            return self._userinfo()
        return response

    def _userinfo(self) -> HttpResponse:
        if self.signed_userinfo is None and "userinfo" not in self.encrypt_to:
            return json_response(200, self.userinfo)
        if self.signed_userinfo is None:
            # OpenID Connect Core §5.3.2: encrypted without a signature, the claims are the plaintext.
            key = self.encrypt_to["userinfo"]
            body = encrypt(
                json_response(200, self.userinfo).body, key, encryption=self.encryption, content_type=""
            )
        else:
            claims = {"iss": self.issuer, "aud": CLIENT_ID, **self.userinfo, **self.signed_userinfo}
            kept = {name: value for name, value in claims.items() if value is not None}
            body = self._encrypted("userinfo", sign_jwt(self.key, kept, typ="JWT"))
        return HttpResponse(200, Headers.of({"content-type": "application/jwt"}), body.encode())

    def _encrypted(self, what: str, token: str) -> str:
        key = self.encrypt_to.get(what)
        return token if key is None else encrypt(token.encode(), key, encryption=self.encryption)


def client_key() -> SigningKey:
    """A key of the client's, to sign with."""
    return SigningKey.generate("ES256")
