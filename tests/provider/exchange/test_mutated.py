"""What a token becomes when services decide again, for whatever they answer: it gains what they grant and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from authwright.provider.mutated import asked_of, mutated
from authwright.provider.scope_authority import Decision, Declined, Granted, Unavailable, Unknown
from authwright.provider.service_scopes import CUSTOM_PAYLOAD, decided, in_namespace, service_of
from authwright.ticket import Ticket, TokenKind

BASE = "https://apis.example/auth/"
NAMES = ("photos", "photo", "mail")
OWN = ("read", "write", "offline_access", "openid")
SCOPES = (*OWN, *(BASE + name + end for name in NAMES for end in ("", ".a", ".b")), BASE, BASE + "photos-x")

scopes = st.lists(st.sampled_from(SCOPES), max_size=6, unique=True).map(tuple)
claims = st.dictionaries(st.sampled_from(("plan", "sub", "iss")), st.integers(), max_size=2)
decisions: st.SearchStrategy[Decision] = st.one_of(
    st.builds(Granted, scopes=scopes, claims=claims, payload=st.none() | st.integers()),
    st.just(Declined()),
    st.just(Unknown()),
    st.just(Unavailable(reason="timeout")),
)


@st.composite
def tickets(draw: st.DrawFn) -> Ticket:
    """A token of an exchange: services in it have scopes or claims of their own."""
    has = draw(scopes)
    services = tuple(name for name in NAMES if any(in_namespace(scope, name, BASE) for scope in has))
    said = {f"{name}.plan": draw(st.integers()) for name in services}
    payloads = {name: draw(st.integers()) for name in services}
    return Ticket(
        grant_id="g",
        client_id="shop",
        subject="u-alice",
        scopes=has,
        services=services,
        claims={"name": "Alice", **said, **({CUSTOM_PAYLOAD: payloads} if payloads else {})},
        destinations={
            "name": frozenset({TokenKind.ID_TOKEN}),
            **dict.fromkeys((*said, CUSTOM_PAYLOAD), frozenset({TokenKind.ACCESS_TOKEN})),
        },
    )


@given(
    ticket=tickets(),
    requested=st.none() | scopes,
    mode=st.sampled_from((None, "replace", "merge")),
    allowed=st.frozensets(st.sampled_from(NAMES)),
    answers=st.fixed_dictionaries(dict.fromkeys(NAMES, decisions)),
    offline=st.booleans(),
)
def test_tx_M7_a_token_gains_what_services_grant_and_nothing_else(
    ticket: Ticket,
    requested: tuple[str, ...] | None,
    mode: str | None,
    allowed: frozenset[str],
    answers: dict[str, Decision],
    offline: bool,
) -> None:
    """M7: whatever is asked and answered: own scopes only fewer, each service's as it says or, unheard, as before."""
    asked = asked_of(requested, mode, ticket, BASE, allowed)
    given_answers = {name: answers[name] for name in asked.split.services if name in answers}
    after = mutated(
        ticket, asked, decided(given_answers, BASE), offline=offline, base_scope=BASE, emit_amr=True
    )
    assert len(set(after.scopes)) == len(after.scopes)
    assert ("offline_access" in after.scopes) is offline
    assert after.claims["name"] == "Alice"
    assert after.destinations["name"] == ticket.destinations["name"]
    own = {scope for scope in after.scopes if service_of(scope, BASE) is None} - {"offline_access"}
    assert own <= set(ticket.scopes)
    for name in NAMES:
        has = [scope for scope in after.scopes if in_namespace(scope, name, BASE)]
        had = [scope for scope in ticket.scopes if in_namespace(scope, name, BASE)]
        payload = after.claims.get(CUSTOM_PAYLOAD, {}).get(name)
        match given_answers.get(name):
            case Granted() as granted:
                assert has == [scope for scope in granted.scopes if in_namespace(scope, name, BASE)]
                assert payload == granted.payload
            case Unavailable():
                assert has == had
                assert after.claims.get(f"{name}.plan") == ticket.claims.get(f"{name}.plan")
            case Declined() | Unknown():
                assert (has, payload, f"{name}.plan" in after.claims) == ([], None, False)
            case _:
                stays = asked.merge and name in allowed
                assert has == (had if stays else [])
    # A service speaks under its name, and only those that are in it do.
    for claim in after.claims:
        assert claim in ("name", CUSTOM_PAYLOAD) or claim.partition(".")[0] in after.services
    assert set(after.claims) <= set(after.destinations)
