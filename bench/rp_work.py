"""One side's relying party in a process of its own: called as a server would call it, without a socket.

    python -m bench.rp_work --side ours --row rp_callback

A line with a number of seconds on standard input is a round: requests are prepared, which is not measured, and carried
out one after the other. Each line is answered with one of JSON. The end of standard input ends it.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.rp_parties import PARTIES
from bench.rp_world import API, APP, OP, Holder, Provider

# Requests that are prepared and then timed together.
BATCH = 200
# Sessions and tokens that are shown in turn.
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        return next(value for key, value in self.headers if key == name).decode()

    @property
    def cookies(self) -> str:
        """What a browser sends back."""
        return "; ".join(
            value.partition(b";")[0].decode() for name, value in self.headers if name == b"set-cookie"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def scope(self, origin: str) -> dict[str, Any]:
        """The ASGI scope of one GET."""
        host = origin.removeprefix("https://")
        headers = {"host": host, "accept": "text/html", **self.headers}
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": self.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": (host, 443),
        }


class Work:
    """The application a row is about, and the requests of each row."""

    def __init__(self, side: str, row: str) -> None:
        self._provider = Provider()
        web, api = PARTIES[side]
        self._app = (api if row in ("guard_jwt", "guard_dpop") else web)(self._provider)
        self._shown: list[dict[str, Any]] = []
        self.rows: dict[str, Callable[[int], Awaitable[list[dict[str, Any]]]]] = {
            "rp_redirect": self._redirects,
            "rp_callback": self._callbacks,
            "guard_session": self._pages,
            "guard_jwt": self._bearers,
            "guard_dpop": self._proofs,
        }

    async def call(self, scope: dict[str, Any]) -> Answer:
        """One request, carried out."""
        status, headers, body = 0, [], b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers, body
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message["headers"])
            else:
                body += message.get("body", b"")

        await self._app(scope, receive, send)
        return Answer(status, headers, body)

    async def check(self, row: str) -> None:
        """Raises AssertionError when a right request is not answered as it should be."""
        [scope] = await self.rows[row](1)
        answer = await self.call(scope)
        if row == "rp_redirect":
            assert answer.header(b"location").startswith(f"{OP}/authorize?")
        elif row == "rp_callback":
            # Somebody is signed in by it.
            page = await self.call(Prepared(path="/", headers={"cookie": answer.cookies}).scope(APP))
            assert (answer.status, page.body) == (303, b"u-alice")
        else:
            assert (answer.status, answer.body) == (200, b"u-alice")

    async def _redirects(self, count: int) -> list[dict[str, Any]]:
        return [Prepared(path="/auth/login").scope(APP) for _ in range(count)]

    async def _callbacks(self, count: int) -> list[dict[str, Any]]:
        found = []
        for scope in await self._redirects(count):
            begun = await self.call(scope)
            query = self._provider.sign_in(begun.header(b"location"))
            found.append(
                Prepared(path="/auth/callback", query=query, headers={"cookie": begun.cookies}).scope(APP)
            )
        return found

    async def _pages(self, count: int) -> list[dict[str, Any]]:
        if not self._shown:
            signed_in = [await self.call(scope) for scope in await self._callbacks(SHOWN)]
            self._shown = [
                Prepared(path="/", headers={"cookie": one.cookies}).scope(APP) for one in signed_in
            ]
        return self._again(count)

    async def _bearers(self, count: int) -> list[dict[str, Any]]:
        if not self._shown:
            self._shown = [_api_request(f"Bearer {self._provider.access_token()}") for _ in range(SHOWN)]
        return self._again(count)

    def _again(self, count: int) -> list[dict[str, Any]]:
        """Copies of what was prepared once: an application writes into its scope."""
        return [dict(self._shown[at % SHOWN]) for at in range(count)]

    async def _proofs(self, count: int) -> list[dict[str, Any]]:
        holder = Holder(self._provider)
        return [_api_request(f"DPoP {holder.token}", dpop=holder.proof()) for _ in range(count)]


def _api_request(authorization: str, **more: str) -> dict[str, Any]:
    headers = {"authorization": authorization, **more}
    return Prepared(path="/orders", headers=headers).scope(API.removesuffix("/orders"))


async def carry_out(work: Work, row: str, seconds: float) -> dict[str, float]:
    """A round: how many requests a second, and what one took."""
    times: list[int] = []
    used = passed = 0.0
    whole = time.perf_counter()
    while passed < seconds:
        scopes = await work.rows[row](BATCH)
        cpu, began = time.process_time(), time.perf_counter()
        for scope in scopes:
            started = time.perf_counter_ns()
            await work.call(scope)
            times.append(time.perf_counter_ns() - started)
        used, passed = used + time.process_time() - cpu, passed + time.perf_counter() - began
    times.sort()
    return {
        "requests": len(times),
        "seconds": passed,
        "passed": time.perf_counter() - whole,
        "cpu_seconds": used,
        "p50_ms": times[len(times) // 2] / 1e6,
        "p99_ms": times[len(times) * 99 // 100] / 1e6,
    }


async def main(side: str, row: str) -> None:
    work = Work(side, row)
    await work.check(row)
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(await carry_out(work, row, float(line))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One side's relying party; bench.run starts it.")
    parser.add_argument("--side", choices=tuple(PARTIES), required=True)
    parser.add_argument("--row", required=True)
    options = parser.parse_args()
    asyncio.run(main(options.side, options.row))
