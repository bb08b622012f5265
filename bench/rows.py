"""What is measured: for each row the request to either side, and the marks it is judged by.

A mark is a ratio, ours to the peer's, with our store durable (SQLite, `synchronous=FULL`) and the peer's in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import msgspec

from authwright.protocol.client_credentials import JWT_BEARER_ASSERTION, basic_authorization
from authwright.protocol.device import DEVICE_CODE
from bench.answers import (
    Check,
    bound_token,
    introspected,
    key_set,
    machine_token,
    provider_metadata,
    still_pending,
    user_info,
    user_tokens,
)
from bench.signed import ASSERTION, PROOF

SECRET = "bench-secret-bench-secret-bench-secret-0"
CALLBACK = "https://app.example/auth/callback"
VERIFIER = "bench-verifier-bench-verifier-bench-verifier"
API_SCOPE = "api:read"
# Each resource is served with the algorithm in its name; the peer chooses by it, ours by the order of `algorithms`.
RESOURCES: Mapping[str, str] = {"urn:bench:es256": "ES256", "urn:bench:rs256": "RS256"}

FORM = "application/x-www-form-urlencoded"
CODE, REFRESH, ACCESS, DEVICE = "authorization_code", "refresh_token", "access_token", "device_code"

MIN_RATIO = 1.0
"""Below this the run fails."""
MAX_RSS_MB = 80.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spends:
    """What must be made before a round: values of a kind that a client may use, by the server or by us (signed.py)."""

    kind: str
    client_id: str
    once: bool = False
    """A value works once, so as many are needed as requests will be sent."""
    chained: bool = False
    """Each answer holds the next value: one for each connection starts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of request to one side; "@@" stands for a prepared value, and a chain's is put at the end."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    spends: Spends | None = None
    status: int = 200
    """Of a right answer."""

    def request(self, value: str) -> tuple[Mapping[str, str], bytes | None]:
        """Headers and body of one real request with `value`."""
        headers = {name: text.replace("@@", value) for name, text in self.headers.items()}
        if self.body is None:
            return headers, None
        chained = self.spends is not None and self.spends.chained
        body = self.body + value if chained else self.body.replace("@@", value)
        return headers, body.encode()

    def job(self) -> str:
        """The same for wrk's scripts, as a Lua table."""
        members = {"method": self.method, "path": self.path, "body": self.body}
        lines = [f"{name} = {quoted(text)}" for name, text in members.items() if text is not None]
        headers = ", ".join(f"[{quoted(name)}] = {quoted(text)}" for name, text in self.headers.items())
        once = self.spends is not None and self.spends.once
        lines += [f"headers = {{ {headers} }}", f"once = {str(once).lower()}"]
        if self.status != 200:
            lines.append(f"status = {self.status}")
        return f"return {{ {', '.join(lines)} }}\n"


def quoted(text: str) -> str:
    """A Lua string. For printable ASCII a JSON string is one."""
    return msgspec.json.encode(text).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The ratio a row must reach first, and the one it is meant to reach. None = nobody set one."""

    first: float | None = None
    goal: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    title: str
    ours: Work
    check: Check
    """Told an answer and the value that was spent. Raises AnswerIsWrong."""
    peer: Work | None = None
    """None = the same as ours."""
    peer_check: Check | None = None
    """None = the same as ours."""
    algorithms: str = "ES256,RS256"
    durable: Mark
    memory: Mark = Mark()
    max_p99_ms: float = 20.0
    """With the durable store."""
    max_p99_memory_ms: float = 5.0
    same_work: bool = True
    """False where the peer does less: it is shown, and nothing is judged by it."""
    limit: str = ""
    """What keeps the row below its first mark, found by measuring; shown only while it is below."""

    def mark(self, store: str) -> Mark:
        """For "sqlite" or "memory"; another store has none against this peer."""
        return {"sqlite": self.durable, "memory": self.memory}.get(store, Mark())

    def max_p99(self, store: str) -> float:
        return self.max_p99_memory_ms if store == "memory" else self.max_p99_ms


def form(
    client_id: str, params: Mapping[str, str], *, path: str = "/token", spends: Spends | None = None
) -> Work:
    """A form POST with client_secret_basic."""
    return Work(
        method="POST",
        path=path,
        headers={"Authorization": basic_authorization(client_id, SECRET), "Content-Type": FORM},
        body=urlencode(params, safe="@"),
        spends=spends,
    )


def machine(client_id: str, **params: str) -> Work:
    return form(client_id, {"grant_type": "client_credentials", "scope": API_SCOPE, **params})


def signing_machine(client_id: str) -> Work:
    """A client that sends an assertion instead of a secret."""
    params = {
        "grant_type": "client_credentials",
        "scope": API_SCOPE,
        "client_assertion_type": JWT_BEARER_ASSERTION,
        "client_assertion": "@@",
    }
    spends = Spends(kind=ASSERTION, client_id=client_id, once=True)
    body = urlencode(params, safe="@")
    return Work(method="POST", path="/token", headers={"Content-Type": FORM}, body=body, spends=spends)


def proving_machine(client_id: str) -> Work:
    """A client whose token is bound to the key it proves."""
    plain = machine(client_id)
    spends = Spends(kind=PROOF, client_id=client_id, once=True)
    return replace(plain, headers={**plain.headers, "DPoP": "@@"}, spends=spends)


def polling(client_id: str) -> Work:
    """A device that asks while nobody has answered; each asks once, since it has to wait before it asks again."""
    params = {"grant_type": DEVICE_CODE, "device_code": "@@"}
    spends = Spends(kind=DEVICE, client_id=client_id, once=True)
    return replace(form(client_id, params, spends=spends), status=400)


def redemption(client_id: str, **more: str) -> Work:
    params = {
        "grant_type": CODE,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "code": "@@",
        **more,
    }
    return form(client_id, params, spends=Spends(kind=CODE, client_id=client_id, once=True))


def rotation(client_id: str, **more: str) -> Work:
    spends = Spends(kind=REFRESH, client_id=client_id, chained=True)
    return form(client_id, {"grant_type": REFRESH, **more, "refresh_token": ""}, spends=spends)


def introspection(path: str) -> Work:
    return form("web", {"token": "@@"}, path=path, spends=Spends(kind=ACCESS, client_id="web"))


def bearer(path: str) -> Work:
    headers = {"Authorization": "Bearer @@"}
    return Work(method="GET", path=path, headers=headers, spends=Spends(kind=ACCESS, client_id="web"))


def document(path: str) -> Work:
    return Work(method="GET", path=path)


ROWS: tuple[Row, ...] = (
    Row(
        name="cc_opaque",
        title="client credentials, opaque",
        ours=machine("service"),
        check=machine_token(None),
        durable=Mark(first=1.5, goal=3),
        memory=Mark(first=2.25),
        limit="Python: by a sampling profile the HTTP layer takes some 45 % of a request, our phases 40 %, SQLite 15 %",
    ),
    Row(
        name="cc_es256",
        title="client credentials, JWT ES256",
        ours=machine("service-jwt", resource="urn:bench:es256"),
        check=machine_token("ES256"),
        durable=Mark(first=1.5, goal=3),
        memory=Mark(first=2.5),
        limit="Python, as for an opaque token, and a signature of 17 µs",
    ),
    Row(
        name="cc_rs256",
        title="client credentials, JWT RS256",
        ours=machine("service-jwt", resource="urn:bench:rs256"),
        check=machine_token("RS256"),
        algorithms="RS256,ES256",
        durable=Mark(first=1.3, goal=1.8),
        max_p99_memory_ms=15.0,
        limit="an RSA signature takes some 215 µs, half of what the request costs",
    ),
    Row(
        name="cc_private_key_jwt",
        title="client credentials, opaque, by an ES256 assertion of the client",
        ours=signing_machine("signer"),
        check=machine_token(None),
        durable=Mark(),
    ),
    Row(
        name="cc_dpop",
        title="client credentials, opaque, bound to a key by an ES256 DPoP proof",
        ours=proving_machine("service"),
        check=bound_token,
        durable=Mark(),
    ),
    Row(
        name="code",
        title="code redemption: ES256 ID token, opaque access token",
        ours=redemption("web"),
        check=user_tokens(None, rotated=False),
        durable=Mark(first=1.5, goal=3),
        memory=Mark(first=2.5),
        limit="Python: a read, three records and a signature a request",
    ),
    Row(
        name="code_jwt",
        title="code redemption: ES256 ID token and access token (our default)",
        ours=redemption("web-jwt"),
        peer=redemption("web-jwt", resource="urn:bench:es256"),
        check=user_tokens("ES256", rotated=False),
        durable=Mark(),
    ),
    Row(
        name="refresh",
        title="refresh with rotation: ES256 ID token, opaque access token",
        ours=rotation("web"),
        check=user_tokens(None, rotated=True),
        durable=Mark(first=1.5, goal=3),
        memory=Mark(first=2.5),
        limit="Python, as for a code: a read, three records and a signature a request",
    ),
    Row(
        name="refresh_jwt",
        title="refresh with rotation: ES256 ID token and access token (our default)",
        ours=rotation("web-jwt"),
        peer=rotation("web-jwt", resource="urn:bench:es256"),
        check=user_tokens("ES256", rotated=True),
        durable=Mark(),
    ),
    Row(
        name="device_polling",
        title="a device polls while nobody has answered",
        ours=polling("tv"),
        check=still_pending,
        same_work=False,
        durable=Mark(),
    ),
    Row(
        name="introspect",
        title="introspection of an opaque access token",
        ours=introspection("/introspect"),
        peer=introspection("/token/introspection"),
        check=introspected,
        durable=Mark(first=2, goal=3.5),
        memory=Mark(first=2.25),
        limit="Python: the HTTP layer is the larger part of a request",
    ),
    Row(
        name="userinfo",
        title="userinfo with an opaque access token",
        ours=bearer("/userinfo"),
        peer=bearer("/me"),
        check=user_info,
        durable=Mark(first=2, goal=3.5),
        memory=Mark(first=2.5),
        limit="Python: the HTTP layer is the larger part of a request",
    ),
    Row(
        name="discovery",
        title="discovery",
        ours=document("/.well-known/openid-configuration"),
        check=provider_metadata,
        durable=Mark(first=2.5, goal=3.5),
        memory=Mark(first=2.5),
        limit="the HTTP server: our own part of a request is 1 µs of 21",
    ),
    Row(
        name="jwks",
        title="JWKS",
        ours=document("/jwks"),
        check=key_set,
        durable=Mark(first=1.5, goal=1.8),
        limit="the HTTP server: our own part of a request is 1 µs of 24",
    ),
)

REQUIRED = (
    "cc_opaque",
    "cc_es256",
    "cc_rs256",
    "code",
    "refresh",
    "introspect",
    "userinfo",
    "discovery",
    "jwks",
)
"""The rows every published table has."""
