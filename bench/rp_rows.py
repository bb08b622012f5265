"""The rows of the relying party and the guard, beside Authlib in the same run."""

from dataclasses import dataclass

from bench.rows import Mark

AUTHLIB = "Authlib"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRow:
    name: str
    title: str
    max_us: float | None = None
    """What one may cost of a core, without the network, in microseconds."""
    with_peer: bool = True
    """False where Authlib has nothing that does it."""
    same_work: bool = True
    """False where the peer does less: it is shown, and nothing is judged by it."""
    limit: str = ""
    """What a reader of the row must know."""

    def mark(self, store: str) -> Mark:
        """Nobody set a ratio to reach."""
        return Mark()


PARTY_ROWS: tuple[PartyRow, ...] = (
    PartyRow(name="rp_redirect", title="a visitor is sent to the provider", max_us=100),
    PartyRow(name="rp_callback", title="a callback completed: ES256 ID token, new session", max_us=200),
    PartyRow(
        name="guard_session",
        title="a page for signed-in users",
        same_work=False,
        limit="not the same work: Authlib has no sessions, and Starlette's signed cookie that its users take is read"
        " without a look-up, so that no server can end it",
    ),
    PartyRow(name="guard_jwt", title="an API request with a JWT access token, ES256"),
    PartyRow(
        name="guard_dpop",
        title="an API request with a bound JWT and an ES256 proof",
        with_peer=False,
        limit="Authlib has no DPoP",
    ),
)
