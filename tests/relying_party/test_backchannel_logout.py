"""The provider tells our server that a session is over (OpenID Connect Back-Channel Logout 1.0)."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.jwe import DecryptionKey, EncryptionKey, encrypt
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import Seal
from authwright.protocol.http import PASS, HttpResponse, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.params import encode
from authwright.relying_party.audit import AuditEvent, SignedOutByProvider
from authwright.relying_party.client import RelyingPartyClient, SecretBasic
from authwright.relying_party.encrypted import Encrypted
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import RemoteSignOut
from authwright.relying_party.logout import LogoutPolicy
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.sessions import SessionData
from authwright.stores.memory import MemoryOnce, MemoryRelyingPartySessions
from authwright.stores.protocols import StoreUnavailable
from tests.relying_party.hostile_provider import (
    ROOTS,
    SECRET,
    Browser,
    HostileProvider,
    relying_party,
    sign_in,
)
from tests.relying_party.logout_tokens import EVENT, PATH, is_signed_in, logout_token, tell, unsigned


@pytest.fixture
async def browser(provider: HostileProvider) -> Browser:
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    provider.requests.clear()
    return browser


async def refused(browser: Browser, token: str) -> None:
    """400 invalid_request, not to be cached, and the session stays."""
    answer = await tell(browser, token)
    assert answer.status == 400
    assert answer.json() == {
        "error": "invalid_request",
        "error_description": "The logout token is refused.",
    }
    assert answer.headers.get("cache-control") == "no-store"
    assert await is_signed_in(browser)


async def test_rp_K15_a_logout_token_ends_the_session(provider: HostileProvider, browser: Browser) -> None:
    """K15: the provider says so, to our server; the browser's cookie is worth nothing, and no token is revoked."""
    answer = await tell(browser, logout_token(provider))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers.get("cache-control") == "no-store"
    assert not await is_signed_in(browser)
    assert provider.asked("/revoke") == 0


@pytest.mark.parametrize("left_out", ["sub", "sid"])
async def test_either_the_session_or_the_user_is_enough(
    provider: HostileProvider, browser: Browser, left_out: str
) -> None:
    """Back-Channel Logout §2.4: sub, sid or both."""
    assert (await tell(browser, logout_token(provider, {left_out: None}))).status == 200
    assert not await is_signed_in(browser)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["web", "another"]},
        {"aud": []},
        {"aud": None},
        {"iat": None},
        {"iat": 1},
        {"iat": 99999999999},
        {"iat": True},
        {"iat": "1700000000"},
        {"exp": None},
        {"exp": 1},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 513},
        {"events": None},
        {"events": {}},
        {"events": [EVENT]},
        {"events": EVENT},
        {"events": {EVENT: True}},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"nonce": "n"},
        {"sub": None, "sid": None},
        {"sub": "", "sid": None},
        {"sub": 7},
        {"sid": ["op-session"]},
        {"sid": "x" * 256},
    ],
    ids=str,
)
async def test_sec_L2_a_logout_token_with_a_wrong_claim_ends_nothing(
    provider: HostileProvider, browser: Browser, changes: dict[str, Any]
) -> None:
    """L2: no events, nonce, no iat/jti/exp, wrong aud/iss: 400 invalid_request, no-store; no session touched."""
    await refused(browser, logout_token(provider, changes))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "", "secevent+jwt"])
async def test_sec_L2_a_token_of_another_type_ends_nothing(
    provider: HostileProvider, browser: Browser, typ: str
) -> None:
    """L2: typ is not logout+jwt."""
    await refused(browser, logout_token(provider, typ=typ))


async def test_sec_L2_an_id_token_ends_nothing(provider: HostileProvider, browser: Browser) -> None:
    """L2: an ID token instead."""
    await refused(browser, provider.mint_id_token({}, nonce=None, access_token="at"))


async def test_sec_L2_an_unsigned_token_ends_nothing(provider: HostileProvider, browser: Browser) -> None:
    """L2: alg none, also where ID tokens may be unsigned."""
    await refused(browser, unsigned(provider))
    client = RelyingPartyClient(
        client_id="web", auth=SecretBasic(SECRET), id_token_algorithms=("ES256", "none")
    )
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "none"]
    lax = Browser(relying_party(provider, client=client))
    await sign_in(provider, lax)
    await refused(lax, unsigned(provider))


async def test_sec_L2_a_token_signed_by_somebody_else_ends_nothing(
    provider: HostileProvider, browser: Browser
) -> None:
    """L2: another key, another algorithm, a signature that was cut."""
    await refused(browser, logout_token(provider, key=SigningKey.generate("ES256")))
    await refused(browser, logout_token(provider, key=SigningKey.generate("RS256")))
    await refused(browser, logout_token(provider)[:-6] + "AAAAAA")


async def test_sec_L2_a_replayed_token_touches_no_session(
    provider: HostileProvider, browser: Browser
) -> None:
    """L2: a jti works once: the session that began since then stays."""
    token = logout_token(provider, {"sid": None})
    assert (await tell(browser, token)).status == 200
    await sign_in(provider, browser)
    await refused(browser, token)


async def test_sec_L2_two_processes_see_a_replay_through_one_store(provider: HostileProvider) -> None:
    """L2: with one OnceStore between them."""
    once, sessions = MemoryOnce(provider.clock), MemoryRelyingPartySessions(provider.clock)
    one, other = (Browser(relying_party(provider, once=once, sessions=sessions)) for _ in range(2))
    token = logout_token(provider)
    assert (await tell(one, token)).status == 200
    await sign_in(provider, other)
    await refused(other, token)


async def test_sec_L2_a_session_of_another_user_is_not_touched(
    provider: HostileProvider, browser: Browser
) -> None:
    """L2: sid of another sub."""
    await refused(browser, logout_token(provider, {"sub": "u-mallory"}))


async def test_a_session_that_is_over_already_counts_as_ended(
    provider: HostileProvider, browser: Browser
) -> None:
    """Back-Channel Logout §2.7: nothing left to do is success."""
    assert (await tell(browser, logout_token(provider, {"sid": "unknown", "sub": None}))).status == 200
    assert (await tell(browser, logout_token(provider, {"sid": "unknown"}))).status == 200
    assert await is_signed_in(browser)


async def test_sec_L3_a_token_about_a_user_ends_all_their_sessions(provider: HostileProvider) -> None:
    """L3: sub only, several sessions: all of (iss, sub) end, also after one of them ended by itself; nobody else's."""
    party = relying_party(provider)
    browsers = [Browser(party) for _ in range(4)]
    for number, each in enumerate(browsers[:3]):
        provider.id_token = {"sid": f"session-{number}"}
        await sign_in(provider, each)
    provider.subject, provider.id_token = "u-bob", {"sid": "bobs"}
    provider.userinfo = {"sub": "u-bob"}
    await sign_in(provider, browsers[3])
    provider.subject = "u-alice"
    assert (await tell(browsers[0], logout_token(provider, {"sid": "session-0"}))).status == 200
    assert [await is_signed_in(each) for each in browsers] == [False, True, True, True]
    assert (await tell(browsers[0], logout_token(provider, {"sid": None}))).status == 200
    assert [await is_signed_in(each) for each in browsers] == [False, False, False, True]


@pytest.mark.parametrize(
    ("method", "body", "content_type", "status"),
    [
        ("GET", b"", "", 405),
        ("PUT", b"", "", 405),
        ("POST", b"", "application/x-www-form-urlencoded", 400),
        ("POST", b"logout_token=a&logout_token=b", "application/x-www-form-urlencoded", 400),
        ("POST", b"logout_token=", "application/x-www-form-urlencoded", 400),
        ("POST", b"logout_token=not.a.jwt", "application/x-www-form-urlencoded", 400),
        ("POST", b'{"logout_token":"a.b.c"}', "application/json", 400),
    ],
)
async def test_sec_L2_only_a_form_with_one_token_is_read(
    browser: Browser, method: str, body: bytes, content_type: str, status: int
) -> None:
    """Back-Channel Logout §2.5: a POST, form encoded."""
    server = Browser(browser.party)
    fields = {"content_type": content_type} if content_type else {}
    answer = await server.send(server.request(method, PATH, body, **fields))
    assert answer.status == status
    assert answer.headers.get("cache-control") == "no-store"
    assert await is_signed_in(browser)


async def test_a_token_in_the_query_is_not_read(provider: HostileProvider, browser: Browser) -> None:
    """Addresses stay in logs."""
    server = Browser(browser.party)
    answer = await server.post(f"{PATH}?{encode([('logout_token', logout_token(provider))])}", b"x=1")
    assert answer.status == 400
    assert await is_signed_in(browser)


async def test_keys_that_cannot_be_had_are_no_verdict(provider: HostileProvider) -> None:
    """503 and Retry-After: the provider may send the very same token again, and then it works."""
    party = relying_party(provider)
    browser = Browser(party)
    provider.down.add("/jwks")
    token = logout_token(provider)
    answer = await tell(browser, token)
    assert (answer.status, answer.headers.get("retry-after")) == (503, "5")
    provider.down.clear()
    provider.clock.forward(seconds=5)
    assert (await tell(browser, token)).status == 200


async def test_a_store_that_cannot_be_reached_is_no_verdict(provider: HostileProvider) -> None:
    """503, and the token is not burnt: sent again, it ends the session."""

    class Stumbling(MemoryRelyingPartySessions):
        down = False

        async def list(self, **conditions: Any) -> Any:
            if self.down:
                raise StoreUnavailable
            return await super().list(**conditions)

    sessions = Stumbling(provider.clock)
    browser = Browser(relying_party(provider, sessions=sessions))
    await sign_in(provider, browser)
    token = logout_token(provider)
    sessions.down = True
    assert (await tell(browser, token)).status == 503
    sessions.down = False
    assert (await tell(browser, token)).status == 200
    assert not await is_signed_in(browser)


@pytest.mark.parametrize(("expires", "kept"), [(10**10, 660), (120, 180)])
async def test_sec_L2_a_jti_is_remembered_as_long_as_its_token_could_come_back(
    provider: HostileProvider, expires: int, kept: int
) -> None:
    """L2: and no longer, however late the provider lets its tokens end: a store that forgets nothing fills up."""
    untils: list[datetime] = []

    class Noting(MemoryOnce):
        async def claim(self, key: str, until: datetime) -> bool:
            untils.append(until)
            return await super().claim(key, until)

    browser = Browser(relying_party(provider, once=Noting(provider.clock)))
    now = int(provider.clock().timestamp())
    token = logout_token(provider, {"exp": now + expires})
    assert (await tell(browser, token)).status == 200
    assert untils == [provider.clock() + timedelta(seconds=kept)]
    provider.clock.forward(seconds=kept)
    assert (await tell(browser, token)).status == 400


async def test_a_provider_that_names_no_type_can_be_accommodated(provider: HostileProvider) -> None:
    """`untyped_tokens`: an absent type is taken, another one is not."""
    browser = Browser(relying_party(provider, logout=LogoutPolicy(untyped_tokens=True)))
    await sign_in(provider, browser)
    await refused(browser, logout_token(provider, typ="at+jwt"))
    await refused(browser, provider.mint_id_token({}, nonce=None, access_token="at"))
    assert (await tell(browser, logout_token(provider, typ=""))).status == 200
    assert not await is_signed_in(browser)


async def test_the_endpoint_can_be_left_out(provider: HostileProvider) -> None:
    """backchannel=False: the path is the application's."""
    party = relying_party(provider, logout=LogoutPolicy(backchannel=False))
    assert not party.serves(PATH)
    assert party.serves("/auth/logout")


async def test_rp_L13_an_event_sees_a_verified_token_first(
    provider: HostileProvider, browser: Browser
) -> None:
    """L13: with all claims; skip, handled and fail are its to choose, and a changed notice is what counts."""
    from dataclasses import replace

    seen: list[RemoteSignOut] = []
    outcomes: list[Any] = [PASS, HttpResponse(299), Denied("not_now")]

    @browser.party.on(RemoteSignOut)
    def told(context: RemoteSignOut) -> RemoteSignOut | HttpResponse | Pass:
        seen.append(context)
        if outcomes:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Denied):
                raise outcome
            assert isinstance(outcome, HttpResponse | Pass)
            return outcome
        assert context.notice is not None
        return replace(context, notice=replace(context.notice, sid="op-session"))

    request = browser.request("POST", PATH, encode([("logout_token", logout_token(provider))]).encode())
    assert await browser.party.handle(request) is PASS
    assert (await tell(browser, logout_token(provider))).status == 299
    await refused(browser, logout_token(provider))
    assert len(seen) == 3
    await refused(browser, logout_token(provider, {"nonce": "n"}))
    assert len(seen) == 3
    assert seen[0].channel == "back"
    assert seen[0].notice is not None
    assert seen[0].notice.claims["events"] == {EVENT: {}}
    assert (seen[0].notice.iss, seen[0].notice.sub) == (provider.issuer, "u-alice")
    assert (await tell(browser, logout_token(provider, {"sid": "unknown", "sub": None}))).status == 200
    assert not await is_signed_in(browser)


async def test_a_remote_sign_out_is_told_to_the_audit_and_a_refusal_to_the_log(
    provider: HostileProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """rp_N2: every ignored remote sign-out has its reason; nothing of the token is in it."""
    told: list[AuditEvent] = []
    browser = Browser(relying_party(provider, audit=told.append))
    await sign_in(provider, browser)
    token = logout_token(provider, {"nonce": "n"})
    await refused(browser, token)
    (line,) = [r for r in caplog.records if getattr(r, "event", "") == "rp.remote_sign_out_ignored"]
    assert vars(line)["reason"] == "logout_token_nonce"
    assert token.split(".")[1] not in caplog.text
    await tell(browser, logout_token(provider))
    assert [event for event in told if event.name.startswith("logout")] == [
        SignedOutByProvider(
            issuer=provider.issuer,
            client_id="web",
            subject="u-alice",
            session_id="op-session",
            channel="back",
            sessions=1,
        )
    ]


async def test_a_tenants_token_ends_its_own_users_sessions(provider: HostileProvider) -> None:
    """Where the issuer is a template: the tenant the token names, and no other; one that is not allowed is refused."""
    template, ours, theirs = (f"https://op.example/{name}" for name in ("{tenantid}", "t1", "t2"))
    provider.issuer = provider.metadata["issuer"] = template
    party = RelyingParty(
        issuer=template,
        tenants=("t1", "t2"),
        client=RelyingPartyClient(client_id="web"),
        fetch=provider,
        seal=Seal(ROOTS, "relying_party"),
        handles=Handles(ROOTS.derive("handles")),
        sessions=MemoryRelyingPartySessions(provider.clock),
        base_url="https://app.example",
        clock=provider.clock,
        metadata=msgspec.convert(provider.metadata, ProviderMetadata),
    )
    for issuer in (ours, theirs):
        await party.sessions.begin(subject="u-alice", session_id="s", data=SessionData(), issuer=issuer)
    browser = Browser(party)
    assert (await tell(browser, logout_token(provider, {"iss": ours, "sid": "s"}))).status == 200
    assert await party.sessions_of("u-alice", issuer=ours) == ()
    assert len(await party.sessions_of("u-alice", issuer=theirs)) == 1
    for iss in ("https://op.example/t3", template, "https://op.example/{tenantid}/t2"):
        assert (await tell(browser, logout_token(provider, {"iss": iss}))).status == 400
    with pytest.raises(ValueError, match="issuer"):
        await party.end_sessions("u-alice")
    assert await party.end_sessions("u-alice", issuer=theirs) == 1


async def test_an_encrypted_logout_token_is_taken_where_id_tokens_are_encrypted(
    provider: HostileProvider,
) -> None:
    """Back-Channel Logout §2.6: as registered for ID tokens; a plain one is refused there, an encrypted one elsewhere."""
    key = DecryptionKey.generate("ECDH-ES+A128KW")
    client = RelyingPartyClient(client_id="web", encrypted=Encrypted(keys=(key,), id_token=True))
    party = relying_party(provider, client=client)
    await party.sessions.begin(subject="u-alice", session_id="op-session", data=SessionData())
    browser = Browser(party)
    assert (await tell(browser, logout_token(provider))).status == 400
    assert len(await party.sessions_of("u-alice")) == 1
    sealed = encrypt(logout_token(provider).encode(), EncryptionKey.from_jwk(key.public_jwk))
    assert (await tell(Browser(relying_party(provider)), sealed)).status == 400
    assert (await tell(browser, sealed)).status == 200
    assert await party.sessions_of("u-alice") == ()
