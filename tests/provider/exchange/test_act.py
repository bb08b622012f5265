"""Actor chains as claims: read, written and extended (RFC 8693 §4.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.provider.act import MAX_ACTORS, Actor, ActRejected, extend_chain, read_chain, write_chain

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
ACTORS = st.builds(Actor, sub=NAMES, iss=st.just("") | NAMES, client_id=st.just("") | NAMES)
OURS = "https://op.example"


@given(st.lists(ACTORS, max_size=MAX_ACTORS))
def test_what_is_written_is_what_is_read(actors: list[Actor]) -> None:
    """Round trip, for a token of ours."""
    assert read_chain(write_chain(actors), issuer=OURS, ours=OURS) == tuple(actors)


@given(st.recursive(st.none() | st.booleans() | NAMES | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sub", "iss", "act", "client_id", "x"]), inner, max_size=5)))  # fmt: skip
def test_whatever_a_token_says_is_read_or_refused(claim: object) -> None:
    """No claim ends in another exception, and what is read has no more than identities."""
    try:
        chain = read_chain(claim, issuer="https://idp.example", ours=OURS)
    except ActRejected:
        return
    assert len(chain) <= MAX_ACTORS
    assert all((actor.sub or actor.client_id) and actor.iss for actor in chain)


@given(st.lists(ACTORS, max_size=8), ACTORS)
def test_a_chain_grows_without_loops_and_within_its_limit(actors: list[Actor], subject: Actor) -> None:
    """Whoever is added: nobody stands in it twice, nobody acts for itself, and it has five at most."""
    chain: tuple[Actor, ...] = ()
    for actor in actors:
        try:
            chain = extend_chain(chain, actor, subject)
        except ActRejected:
            continue
        assert chain[0] == actor
    assert len(chain) <= MAX_ACTORS
    assert not any(actor.same_as(subject) for actor in chain)
    assert not any(one.same_as(other) for number, one in enumerate(chain) for other in chain[:number])


def test_actors_of_two_issuers_are_two() -> None:
    """The same name at another issuer is somebody else."""
    assert not Actor(sub="a").same_as(Actor(sub="a", iss="https://idp.example"))
    assert Actor(sub="a", client_id="x").same_as(Actor(sub="a"))
    with pytest.raises(ActRejected, match="loop"):
        extend_chain((Actor(client_id="a"),), Actor(sub="a", client_id="a"), Actor(sub="u"))
