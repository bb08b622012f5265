"""The counts of all workers, and the age of the signing keys, in the text format of Prometheus."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from authwright.server import metric_series as series

if TYPE_CHECKING:
    from prometheus_client.metrics_core import CounterMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(cells: Sequence[int], key_ages: Mapping[tuple[str, str], float]) -> bytes:
    """`cells` as `SharedCounts.sums` gives them; `key_ages` in seconds by algorithm and state.

    Raises ModuleNotFoundError without `prometheus-client` (extra `server`).
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(cells, key_ages))
    text: bytes = generate_latest(registry)
    return text


class _Numbers:
    """A collector of `prometheus-client`. Series that are still zero are left out, but for those that alarms watch."""

    def __init__(self, cells: Sequence[int], key_ages: Mapping[tuple[str, str], float]) -> None:
        self._cells = cells
        self._key_ages = key_ages

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        requests = CounterMetricFamily(
            "authwright_requests",
            "Requests that were answered, by endpoint and class of status.",
            labels=["endpoint", "status"],
        )
        durations = HistogramMetricFamily(
            "authwright_request_duration_seconds",
            "From the request, read whole, to its answer.",
            labels=["endpoint"],
        )
        for number, endpoint in enumerate(series.ENDPOINTS):
            own = self._cells[number * series.ANSWERED : (number + 1) * series.ANSWERED]
            for status, count in zip(series.STATUSES, own, strict=False):
                if count:
                    requests.add_metric([endpoint, status], count)
            counts = own[series.DURATIONS : series.SUM]
            if any(counts):
                durations.add_metric([endpoint], _cumulative(counts), own[series.SUM] / 1e6)
        yield requests
        yield durations

        issued = CounterMetricFamily(
            "authwright_token_responses", "Token responses that gave tokens.", labels=["grant_type"]
        )
        for grant_type, count in zip(series.GRANT_TYPES, self._cells[series.ISSUED :], strict=False):
            if count:
                issued.add_metric([grant_type], count)
        yield issued

        refused = CounterMetricFamily(
            "authwright_token_refusals",
            "Token requests that were refused, by the reason in the log.",
            labels=["grant_type", "reason"],
        )
        for offset, count in enumerate(self._cells[series.REFUSED : series.ISSUED]):
            if count:
                refused.add_metric(list(series.refused_labels(offset)), count)
        yield refused

        yield _family(
            CounterMetricFamily(
                "authwright_replays", "Spent codes and refresh tokens that came back.", labels=["kind"]
            ),
            zip(series.REPLAYS, self._cells[series.REPLAYED :], strict=False),
        )
        yield _family(
            CounterMetricFamily("authwright_sign_ins", "Sign-ins at the pages.", labels=["result"]),
            zip(series.SIGN_INS, self._cells[series.SIGNED_IN :], strict=False),
        )
        yield CounterMetricFamily(
            "authwright_store_faults",
            "Requests that were answered 503 because the store did not answer.",
            value=self._cells[series.STORE_FAULTS],
        )
        ages = GaugeMetricFamily(
            "authwright_signing_key_age_seconds",
            "Since the oldest key of that kind was made.",
            labels=["algorithm", "state"],
        )
        for labels, age in self._key_ages.items():
            ages.add_metric(list(labels), age)
        yield ages


def _family(family: "CounterMetricFamily", values: Iterable[tuple[str, int]]) -> "CounterMetricFamily":
    for label, count in values:
        family.add_metric([label], count)
    return family


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    """The buckets as the format has them: each with all that are below it."""
    ends = [*(repr(bound / 1e9) for bound in series.BOUNDS_NS), "+Inf"]
    total = 0
    buckets: list[tuple[str, float]] = []
    for end, count in zip(ends, counts, strict=True):
        total += count
        buckets.append((end, total))
    return buckets
