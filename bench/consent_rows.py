"""The rows of consent services: how long a token exchange takes when so many decide about it, and what one costs that hangs."""

from dataclasses import dataclass

from bench.rows import Mark

CONSENT = "consent services"
SERVICE_MS = 50.0
"""What each of them takes over a question."""
DEADLINE_MS = 1000.0
"""What one that hangs is waited for."""
HANGING_ROUNDS = 5
"""Of other endpoints' work, without and with exchanges that wait, in turn."""
WAITING = 4
"""Exchanges that wait for a service that hangs, all the while; they do not begin at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    name: str
    title: str
    services: int
    max_ms: float
    """The median of an exchange."""
    hanging: int = 0
    """Services that never answer, besides."""
    max_beside: float | None = None
    """How much slower other endpoints may get, by their p99."""
    same_work: bool = True
    limit: str = ""

    def mark(self, store: str) -> Mark:
        """There is nobody to compare with."""
        return Mark()

    @property
    def sum_ms(self) -> float:
        """What asking them one after the other would take, and nothing else."""
        return self.services * SERVICE_MS + self.hanging * DEADLINE_MS


def _of(services: int) -> ConsentRow:
    # 1.3 times the slowest and 5 ms for us, while there are no more than sixteen.
    most = 1.3 * SERVICE_MS + 5 if services <= 16 else 2.5 * SERVICE_MS
    return ConsentRow(
        name=f"consent_{services}",
        title=f"an exchange decided by {services} {'service' if services == 1 else 'services'} of {SERVICE_MS:g} ms",
        services=services,
        max_ms=most,
    )


CONSENT_ROWS: tuple[ConsentRow, ...] = (
    *(_of(services) for services in (1, 4, 16, 64)),
    ConsentRow(
        name="consent_hanging",
        title=f"an exchange decided by 4 services, and one that hangs: {DEADLINE_MS:g} ms are waited for it",
        services=4,
        hanging=1,
        max_ms=1.1 * DEADLINE_MS,
        max_beside=1.5,
    ),
)
