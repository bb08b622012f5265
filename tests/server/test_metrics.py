"""What the server counts and shows: fixed labels, one sum over all workers, nothing of what a client sends."""

import http.client
import os
import signal
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from authwright.crypto.seal import RootKeys
from authwright.protocol.exchange import SQUATTED_TOKEN_EXCHANGE_MUTATE, TOKEN_EXCHANGE_MUTATE
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.provider.audit import LoginFailed, StoreFailed, TokenIssued, TokenMutated, TokenRefused
from authwright.server import metric_series as series
from authwright.server.exposition import exposition
from authwright.server.metrics import SharedCounts
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import StoreUnavailable
from authwright.testing.clock import FrozenClock
from tests.docs.pages import ROOT, table_rows
from tests.docs.test_reference import REFERENCE, code_spans, reasons_in
from tests.provider.installation import install
from tests.server.installation import MACHINE, Installation
from tests.servers.process import ServerProcesses, find_free_port

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: bytes) -> Samples:
    """Every number of an exposition, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def shown(counts: SharedCounts) -> Samples:
    return samples(exposition(counts.sums(), {}))


def test_what_is_not_on_the_list_is_other() -> None:
    """A path, a grant type or a reason that somebody makes up adds no series, and stands nowhere."""
    counts = SharedCounts.of(1)
    worker = counts.worker(0)
    for grant_type in ("urn:made-up", None):
        worker.record(
            TokenRefused(client_id="c", grant_type=grant_type, error="invalid_grant", reason="user said: x")
        )
    worker.record(TokenIssued(client_id="c", grant_type="urn:mine", grant_id="g", subject=None, kinds=()))
    found = shown(counts)
    key = (("grant_type", "other"), ("reason", "other"))
    assert found["authwright_token_refusals_total", key] == 2
    assert found["authwright_token_responses_total", (("grant_type", "other"),)] == 1
    assert not [value for _, labels in found for value in dict(labels).values() if "made-up" in value]


def test_a_token_that_was_decided_again_is_a_token_response() -> None:
    """Under the name the grant was asked for by."""
    counts = SharedCounts.of(1)
    for name in (TOKEN_EXCHANGE_MUTATE, SQUATTED_TOKEN_EXCHANGE_MUTATE):
        counts.worker(0).record(
            TokenMutated(client_id="c", grant_type=name, grant_id="g", subject="s", before=("a",), after=())
        )
        assert shown(counts)["authwright_token_responses_total", (("grant_type", name),)] == 1


def test_a_reason_counts_under_its_code() -> None:
    """What follows the colon is for the log; the many ways a JWT can be wrong count as one."""
    counts = SharedCounts.of(1)
    for reason in (
        "code.reuse",
        "ticket.no_presenters: authorization_code",
        "dpop.htu",
        "client.assertion_aud",
    ):
        counts.worker(0).record(
            TokenRefused(client_id=None, grant_type="authorization_code", error="e", reason=reason)
        )
    reasons = {
        dict(labels)["reason"] for name, labels in shown(counts) if name.endswith("token_refusals_total")
    }
    assert reasons == {"code.reuse", "ticket.no_presenters", "dpop.*", "client.assertion.*"}


def test_workers_add_up_and_one_that_comes_back_goes_on() -> None:
    """Each has cells of its own; another in its place starts from what stands there."""
    counts = SharedCounts.of(3)
    failed = LoginFailed(client_id=None, reason="credentials")
    for index in (0, 1, 1, 2):
        SharedCounts(counts.fd).worker(index).record(failed)
    assert shown(counts)["authwright_sign_ins_total", (("result", "failed"),)] == 4


def test_counts_of_another_version_are_not_added_to() -> None:
    """A worker of another version has other cells."""
    counts = SharedCounts.of(1)
    os.pwrite(counts.fd, b"\0" * 8, 0)
    with pytest.raises(ValueError, match="another version"):
        SharedCounts(counts.fd)


async def test_requests_count_by_endpoint_status_and_duration() -> None:
    """By the path below the issuer's own; the histogram's last bucket and its count hold them all."""
    counts = SharedCounts.of(1)
    worker = counts.worker(0)
    worker.serve(["/t1/token", "/.well-known/oauth-authorization-server/t1", "/t1/interaction"], "/t1")

    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(503 if request.query else 200)

    fetch = worker.counting(answer)
    for path in ("/t1/token", "/t1/token?x", "/.well-known/oauth-authorization-server/t1", "/nobody's"):
        await fetch(HttpRequest.to("GET", "https://op.example" + path))
    found = shown(counts)
    requests = {
        (dict(labels)["endpoint"], dict(labels)["status"]): value
        for (name, labels), value in found.items()
        if name == "authwright_requests_total"
    }
    assert requests == {
        ("/token", "2xx"): 1,
        ("/token", "5xx"): 1,
        ("/.well-known/oauth-authorization-server", "2xx"): 1,
        ("other", "2xx"): 1,
    }
    assert found["authwright_request_duration_seconds_count", (("endpoint", "/token"),)] == 2
    assert found["authwright_request_duration_seconds_bucket", (("endpoint", "/token"), ("le", "+Inf"))] == 2
    assert 0 <= found["authwright_request_duration_seconds_sum", (("endpoint", "/token"),)] < 1


def test_durations_fall_into_their_buckets() -> None:
    """An upper end belongs to its bucket."""
    assert [series.bucket(ns) for ns in (0, 1_000_000, 1_000_001, 5_000_000_000, 5_000_000_001)] == [
        0, 0, 1, 11, 12,
    ]  # fmt: skip


async def test_sec_T17_a_store_that_does_not_answer_is_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """T17: at the token endpoint and anywhere else, as `storage.unavailable`."""
    counts, clock = SharedCounts.of(1), FrozenClock()
    op = await install(memory_stores(clock), clock)
    op.audit.clear()

    async def gone(*_: object) -> None:
        raise StoreUnavailable("gone")

    op.provider._routes["/token"] = op.provider._routes["/userinfo"] = gone  # type: ignore[assignment]
    for path in ("/token", "/userinfo"):
        answer = await op.get(path)
        assert (answer.status, answer.headers.get("retry-after")) == (503, "1")
    told = [(vars(record)["endpoint"], vars(record)["reason"]) for record in caplog.records]
    assert told == [("/token", "storage.unavailable"), ("/userinfo", "storage.unavailable")]
    assert [event for event in op.audit if isinstance(event, StoreFailed)] == op.audit
    for event in op.audit:
        counts.worker(0).record(event)
    assert shown(counts)["authwright_store_faults_total", ()] == 2


def test_every_endpoint_in_the_metadata_has_a_label() -> None:
    """So that none of them hides among the others."""
    provider = standard_provider(
        issuer="https://op.example/t1", stores=memory_stores(), keys=RootKeys([bytes(32)])
    )
    below = {path.removeprefix("/t1") for path in provider.paths}
    labelled = {path.removesuffix("/t1") for path in below} & set(series.ENDPOINTS)
    assert labelled >= {"/token", "/authorize", "/userinfo", "/jwks", "/.well-known/openid-configuration"}
    assert labelled >= {"/introspect", "/revoke", "/device_authorization", "/backchannel_authentication"}
    assert series.endpoint_cell("/no-such") == series.endpoint_cell(series.OTHER)


def test_every_reason_of_a_grant_has_a_label() -> None:
    """A reason that a grant or the token endpoint gives stands in `REASONS`; and what stands there is in the docs."""
    rooms = ROOT / "src" / "authwright" / "provider"
    files = [*rooms.glob("grants/*.py"), rooms / "token_endpoint.py", rooms / "redemptions.py"]
    given = {reason for path in files for reason in reasons_in(path) if "." in reason}
    hidden = {
        reason for reason in given
        if series.refused_cell("password", reason) == series.refused_cell("password", series.OTHER)
    }  # fmt: skip
    assert hidden == set(), "add them to REASONS in server/metric_series.py"
    rows = table_rows(REFERENCE / "errors-and-log-reasons.md")
    explained = {name for cells in rows for name in code_spans(cells, 0)}
    # The polled kinds are put together from the kind's name.
    composed = {
        f"{kind}.{end}"
        for kind in ("device_code", "auth_req_id")
        for end in ("denied", "expired", "redeemed")
    }
    assert set(series.REASONS) - explained - composed - {series.OTHER, "dpop.replay"} == set()


def scrape(port: int) -> Samples:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        assert str(answer.getheader("content-type")).startswith("text/plain; version=0.0.4")
        return samples(answer.read())
    finally:
        connection.close()


def workers_of(pid: int) -> list[int]:
    """The worker processes below the one that was started."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                waiting.append(child)
                if b"authwright.server.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_one_port_tells_what_all_workers_did(
    tmp_path: Path, server_process: ServerProcesses, workers: int
) -> None:
    """`authwright serve`: requests, tokens, refusals and keys; a worker that is killed takes nothing with it."""
    management = find_free_port()
    installation = Installation.made(tmp_path / "op", MACHINE)
    text = installation.file.read_text().replace("port = 0", f"port = {management}")
    installation.file.write_text(text)
    process = installation.serve(server_process, "--workers", str(workers))
    process.wait_for(f"http://127.0.0.1:{management}/livez")
    secret = "machine-secret-of-the-test"
    granted = ("authwright_token_responses_total", (("grant_type", "client_credentials"),))
    asked = ("authwright_requests_total", (("endpoint", "/token"), ("status", "2xx")))
    refused = (
        "authwright_token_refusals_total",
        (("grant_type", "client_credentials"), ("reason", "client.auth_failed")),
    )
    for _ in range(12):
        # A connection each, so that the workers share them.
        assert installation.post("/token", "machine", secret, grant_type="client_credentials")[0] == 200
    assert installation.post("/token", "machine", "a-wrong-secret", grant_type="client_credentials")[0] == 401
    found = scrape(management)
    assert (found[granted], found[asked], found[refused]) == (12, 12, 1)
    assert found["authwright_request_duration_seconds_count", (("endpoint", "/token"),)] == 13
    ages = [value for (name, _), value in found.items() if name == "authwright_signing_key_age_seconds"]
    assert len(ages) == 2
    assert all(0 <= age < 120 for age in ages)
    assert not [labels for _, labels in found if "machine" in str(labels)]
    if workers == 1:
        return
    before = workers_of(process.pid)
    assert len(before) == 2
    os.kill(before[1], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while before[1] in (now := workers_of(process.pid)) or len(now) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Which of them the management port went to is not said; it comes back, and so does the sum.
    process.wait_for(f"http://127.0.0.1:{management}/livez")
    for _ in range(6):
        assert installation.post("/token", "machine", secret, grant_type="client_credentials")[0] == 200
    assert scrape(management)[granted] == 18
