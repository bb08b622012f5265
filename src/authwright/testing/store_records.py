"""The store contract for all but codes and tokens."""

import asyncio
from datetime import timedelta

import msgspec

from authwright.records import (
    Account,
    Client,
    ClientSecret,
    Consent,
    ConsentService,
    KeyState,
    RelyingPartySession,
    Session,
    SigningKeyRecord,
)
from authwright.stores.protocols import Rate, Stores
from authwright.testing.sample_tickets import moment, name
from authwright.ticket import TokenKind


def _session(**changes: object) -> Session:
    now = moment()
    session = Session(
        digest=name("digest"),
        session_id=name("sid"),
        subject=name("subject"),
        auth_time=now,
        created_at=now,
        expires_at=now + timedelta(hours=1),
        acr="urn:acr",
        amr=("pwd",),
        clients=frozenset({"a", "b"}),
    )
    return msgspec.structs.replace(session, **changes)


def _relying_party_session(**changes: object) -> RelyingPartySession:
    session = RelyingPartySession(
        digest=name("digest"),
        issuer="https://op.example",
        subject=name("subject"),
        session_id=name("sid"),
        client_id=name("client"),
        sealed="sealed",
        created_at=moment(),
        expires_at=moment() + timedelta(hours=1),
    )
    return msgspec.structs.replace(session, **changes)


def _key(state: KeyState, algorithm: str) -> SigningKeyRecord:
    return SigningKeyRecord(
        kid=name("kid"),
        algorithm=algorithm,
        state=state,
        sealed_private_key="sealed",
        public_jwk={"kty": "EC"},
        created_at=moment(),
        changed_at=moment(),
    )


class RecordContract:
    """Claims, limits, clients, accounts, consents, sessions, keys."""

    async def test_a_key_is_claimed_once_until_its_time_has_passed(self, stores: Stores) -> None:
        """False for a live claim; a claim whose time has passed may be made again."""
        key = name("jti")
        assert await stores.once.claim(key, moment() - timedelta(seconds=5))
        assert await stores.once.claim(key, moment() + timedelta(minutes=5))
        assert not await stores.once.claim(key, moment() + timedelta(minutes=9))
        assert await stores.once.claim(key + "x", moment() + timedelta(minutes=5))

    async def test_a_rate_allows_its_burst_then_one_each_period(self, stores: Stores) -> None:
        """What is over the rate is told how long to wait, and is not counted."""
        key, now = name("ip"), moment()
        rate = Rate(burst=3, period=timedelta(seconds=10))
        waits = [await stores.limits.take(key, now, rate) for _ in range(5)]
        assert waits == [timedelta(0)] * 3 + [timedelta(seconds=10)] * 2
        assert await stores.limits.take(key, now + timedelta(seconds=9), rate) == timedelta(seconds=1)
        assert await stores.limits.take(key, now + timedelta(seconds=10), rate) == timedelta(0)
        assert await stores.limits.take(key, now + timedelta(seconds=10), rate) == timedelta(seconds=10)
        await stores.limits.clear(key)
        assert await stores.limits.take(key, now, rate) == timedelta(0)

    async def test_of_40_attempts_at_once_the_burst_passes(self, stores: Stores) -> None:
        """take ∥ take: exactly `burst` are within the rate."""
        key, now = name("ip"), moment()
        rate = Rate(burst=5, period=timedelta(minutes=1))
        waits = await asyncio.gather(*(stores.limits.take(key, now, rate) for _ in range(40)))
        assert waits.count(timedelta(0)) == 5

    async def test_clients_are_put_replaced_listed_and_removed(self, stores: Stores) -> None:
        """All members survive."""
        client = Client(
            client_id=name("client"),
            secrets=(ClientSecret(digest="00", created_at=moment()),),
            redirect_uris=("https://c.example/cb",),
            lifetimes={TokenKind.ACCESS_TOKEN: timedelta(minutes=5)},
        )
        assert await stores.clients.get(client.client_id) is None
        await stores.clients.put(client)
        assert await stores.clients.get(client.client_id) == client
        renamed = msgspec.structs.replace(client, client_name="Näme")
        await stores.clients.put(renamed)
        assert renamed in await stores.clients.list()
        assert client not in await stores.clients.list()
        assert await stores.clients.remove(client.client_id)
        assert not await stores.clients.remove(client.client_id)

    async def test_accounts_have_a_username_of_their_own(self, stores: Stores) -> None:
        """Found by exact username; another's username is refused; a changed one frees the old."""
        alice = Account(
            subject=name("subject"), username=name("alice"), claims={"email": "a@b", "n": [1, None]}
        )
        await stores.accounts.put(alice)
        assert await stores.accounts.get(alice.subject) == alice
        assert await stores.accounts.find(alice.username) == alice
        assert await stores.accounts.find(alice.username.upper()) is None
        twin = Account(subject=name("subject"), username=alice.username)
        try:
            await stores.accounts.put(twin)
        except ValueError:
            pass
        else:
            raise AssertionError("two accounts with one username")
        assert await stores.accounts.get(twin.subject) is None
        await stores.accounts.put(msgspec.structs.replace(alice, username=name("alicia")))
        await stores.accounts.put(twin)
        assert await stores.accounts.find(alice.username) == twin
        assert twin in await stores.accounts.list()
        assert await stores.accounts.remove(alice.subject)
        assert not await stores.accounts.remove(alice.subject)

    async def test_consents_are_remembered_for_each_client(self, stores: Stores) -> None:
        """Put replaces; remove forgets."""
        consent = Consent(
            subject=name("subject"), client_id="c", scopes=frozenset({"openid"}), granted_at=moment()
        )
        await stores.consents.put(consent)
        wider = msgspec.structs.replace(consent, scopes=frozenset({"openid", "email"}))
        await stores.consents.put(wider)
        assert await stores.consents.get(consent.subject, "c") == wider
        assert await stores.consents.get(consent.subject, "d") is None
        assert await stores.consents.remove(consent.subject, "c")
        assert not await stores.consents.remove(consent.subject, "c")

    async def test_a_session_replaced_is_found_under_its_new_digest_alone(self, stores: Stores) -> None:
        """Replacing one that is gone stores nothing."""
        first = _session()
        second = msgspec.structs.replace(first, digest=name("digest"), clients=first.clients | {"c"})
        assert await stores.sessions.replace(None, first)
        assert await stores.sessions.get(first.digest) == first
        assert await stores.sessions.replace(first.digest, second)
        assert await stores.sessions.get(first.digest) is None
        assert await stores.sessions.find(first.session_id) == second
        third = _session(subject=first.subject)
        assert not await stores.sessions.replace(first.digest, third)
        assert await stores.sessions.get(third.digest) is None
        assert await stores.sessions.replace(second.digest, first)
        same = msgspec.structs.replace(first, acr="urn:higher", clients=second.clients)
        assert await stores.sessions.replace(first.digest, same)
        assert await stores.sessions.get(first.digest) == same
        assert await stores.sessions.replace(None, third)
        assert await stores.sessions.remove(session_id=third.session_id, subject=name()) == 0
        assert await stores.sessions.remove(session_id=third.session_id) == 1
        assert await stores.sessions.remove(subject=first.subject) == 1
        assert await stores.sessions.find(first.session_id) is None

    async def test_of_16_replacements_of_one_session_one_wins(self, stores: Stores) -> None:
        """replace ∥ replace: one new session, the old one gone."""
        old = _session()
        await stores.sessions.replace(None, old)
        successors = [_session(subject=old.subject) for _ in range(16)]
        answers = await asyncio.gather(*(stores.sessions.replace(old.digest, new) for new in successors))
        assert sum(answers) == 1
        assert await stores.sessions.remove(subject=old.subject) == 1

    async def test_clients_that_are_noted_at_once_are_all_remembered(self, stores: Stores) -> None:
        """note_client ∥ note_client ∥ replace under one `sid`: who was told True is in the session as it now is."""
        for _ in range(8):
            old = _session(clients=frozenset())
            await stores.sessions.replace(None, old)
            new = msgspec.structs.replace(old, digest=name("digest"))
            names = [name("client") for _ in range(12)]
            notes = [stores.sessions.note_client(old.digest, client_id) for client_id in names]
            *noted, replaced = await asyncio.gather(*notes, stores.sessions.replace(old.digest, new))
            assert replaced
            stored = await stores.sessions.find(old.session_id)
            assert stored is not None
            assert stored.digest == new.digest
            assert {client for client, told in zip(names, noted, strict=True) if told} == stored.clients
            others = [name("client") for _ in range(12)]
            told = await asyncio.gather(
                *(stores.sessions.note_client(new.digest, client_id) for client_id in others)
            )
            assert all(told)
            stored = await stores.sessions.get(new.digest)
            assert stored is not None
            assert stored.clients >= set(others)
            assert not await stores.sessions.note_client(old.digest, "c")

    async def test_sessions_are_listed_by_subject_and_by_client(self, stores: Stores) -> None:
        """Oldest first; both conditions must hold; none at all is a ValueError."""
        subject, client_id = name("subject"), name("client")
        first, second = _session(subject=subject), _session(subject=subject)
        second = msgspec.structs.replace(second, created_at=first.created_at + timedelta(seconds=1))
        other = _session()
        for session in (second, first, other):
            await stores.sessions.replace(None, session)
        assert list(await stores.sessions.list(subject=subject)) == [first, second]
        assert list(await stores.sessions.list(client_id=client_id)) == []
        await stores.sessions.note_client(second.digest, client_id)
        await stores.sessions.note_client(other.digest, client_id)
        found = await stores.sessions.list(client_id=client_id)
        assert {session.digest for session in found} == {second.digest, other.digest}
        both = await stores.sessions.list(subject=subject, client_id=client_id)
        assert [session.digest for session in both] == [second.digest]
        try:
            await stores.sessions.list()
        except ValueError:
            pass
        else:
            raise AssertionError("a list of everybody's sessions")

    async def test_an_algorithm_has_one_active_key(self, stores: Stores) -> None:
        """Activation and retirement go together, each from the version that was read; gone keys are not listed."""
        algorithm = name("ES")
        active, pending = _key(KeyState.ACTIVE, algorithm), _key(KeyState.PENDING, algorithm)
        assert await stores.keys.add(active)
        assert await stores.keys.add(pending)
        assert not await stores.keys.add(pending)
        assert not await stores.keys.add(_key(KeyState.ACTIVE, algorithm))
        promoted = msgspec.structs.replace(pending, state=KeyState.ACTIVE)
        assert not await stores.keys.replace([(pending, promoted)])
        retired = msgspec.structs.replace(active, state=KeyState.RETIRING)
        changes = [(pending, promoted), (active, retired)]
        assert await stores.keys.replace(changes)
        assert not await stores.keys.replace(changes)
        ours = [record for record in await stores.keys.list() if record.algorithm == algorithm]
        assert ours == [
            msgspec.structs.replace(retired, version=1),
            msgspec.structs.replace(promoted, version=1),
        ]
        gone = msgspec.structs.replace(ours[0], state=KeyState.GONE)
        assert await stores.keys.replace([(ours[0], gone)])
        assert [record.kid for record in await stores.keys.list() if record.algorithm == algorithm] == [
            promoted.kid
        ]

    async def test_of_8_activations_one_wins(self, stores: Stores) -> None:
        """replace ∥ replace, and add ∥ add: never two active keys, never an error."""
        algorithm = name("ES")
        added = await asyncio.gather(*(stores.keys.add(_key(KeyState.ACTIVE, algorithm)) for _ in range(8)))
        assert sum(added) == 1
        (active,) = [record for record in await stores.keys.list() if record.algorithm == algorithm]
        heirs = [_key(KeyState.PENDING, algorithm) for _ in range(8)]
        for heir in heirs:
            assert await stores.keys.add(heir)
        retired = msgspec.structs.replace(active, state=KeyState.RETIRING)
        answers = await asyncio.gather(
            *(
                stores.keys.replace(
                    [(active, retired), (heir, msgspec.structs.replace(heir, state=KeyState.ACTIVE))]
                )
                for heir in heirs
            )
        )
        assert sum(answers) == 1
        ours = [record for record in await stores.keys.list() if record.algorithm == algorithm]
        assert [record.state for record in ours].count(KeyState.ACTIVE) == 1

    async def test_relying_party_sessions_change_from_the_version_that_was_read(self, stores: Stores) -> None:
        """replace ∥ replace: one wins; the version goes up by one."""
        session = _relying_party_session()
        store = stores.relying_party_sessions
        await store.create(session)
        assert await store.load(session.digest) == session
        afters = [msgspec.structs.replace(session, sealed=f"sealed-{number}") for number in range(16)]
        answers = await asyncio.gather(*(store.replace(session, after) for after in afters))
        assert sum(answers) == 1
        winner = msgspec.structs.replace(afters[answers.index(True)], version=1)
        assert await store.load(session.digest) == winner
        assert await store.delete(session.digest)
        assert not await store.delete(session.digest)
        assert not await store.replace(winner, winner)

    async def test_consent_services_are_kept_by_tenant_and_name(self, stores: Stores) -> None:
        """All members survive; another tenant's service of the same name is another one."""
        store, tenant = stores.consent_services, name("tenant")
        service = ConsentService(
            name="photos",
            authority="https://photos.example/consent",
            tenant=tenant,
            description="Phötos",
            enabled=False,
            timeout=timedelta(milliseconds=250),
            may_add_scopes=True,
            on_failure="fail",
            endpoint_hosts=("api.photos.example:8443",),
        )
        elsewhere = msgspec.structs.replace(service, tenant=name("tenant"), authority="https://b.example")
        mail = ConsentService(name="mail", authority="https://mail.example", tenant=tenant)
        assert await store.get(tenant, "photos") is None
        for one in (service, elsewhere, mail):
            await store.put(one)
        assert await store.get(tenant, "photos") == service
        assert await store.get(elsewhere.tenant, "photos") == elsewhere
        assert list(await store.list(tenant)) == [mail, service]
        enabled = msgspec.structs.replace(service, enabled=True)
        await store.put(enabled)
        assert list(await store.list(tenant)) == [mail, enabled]
        assert await store.remove(tenant, "photos")
        assert not await store.remove(tenant, "photos")
        assert list(await store.list(tenant)) == [mail]
        assert list(await store.list(elsewhere.tenant)) == [elsewhere]

    async def test_relying_party_sessions_are_found_by_sid_or_by_subject_of_one_issuer(
        self, stores: Stores
    ) -> None:
        """A sid of another subject finds nothing; what was ended is not found, and another issuer's sessions stay."""
        first = _relying_party_session()
        second = _relying_party_session(subject=first.subject, session_id=None)
        foreign = _relying_party_session(
            subject=first.subject, session_id=first.session_id, issuer="https://other.example"
        )
        store = stores.relying_party_sessions
        for session in (first, second, foreign):
            await store.create(session)
        assert {
            session.digest for session in await store.list(issuer=first.issuer, subject=first.subject)
        } == {
            first.digest,
            second.digest,
        }
        assert await store.list(issuer=first.issuer, session_id=first.session_id) == [first]
        assert await store.list(issuer=first.issuer, session_id=first.session_id, subject=name()) == []
        try:
            await store.list(issuer=first.issuer)
        except ValueError:
            pass
        else:
            raise AssertionError("a condition is needed")
        assert await store.delete(first.digest)
        assert not await store.delete(first.digest)
        assert await store.list(issuer=first.issuer, session_id=first.session_id) == []
        assert await store.list(issuer=first.issuer, subject=first.subject) == [second]
        assert await store.load(foreign.digest) == foreign
