"""Start and stop, once each, whoever asks first: the server's lifespan or, where there is none, a request."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from authwright.asgi.types import ASGIApp, Message, Receive, Scope, Send

Step = Callable[[], Awaitable[None]]

UPKEEP = timedelta(minutes=10)
"""How often keys are rotated when that is due, and expired rows removed."""

_LOG = logging.getLogger("authwright")


@asynccontextmanager
async def upkeep(maintain: Step) -> AsyncIterator[None]:
    """Call `maintain` now and then while the block runs; one that fails is logged, and tried again next time."""

    async def now_and_then() -> None:
        while True:
            await asyncio.sleep(UPKEEP.total_seconds())
            try:
                await maintain()
            except Exception as failure:
                _LOG.warning("upkeep.failed", extra={"failure": type(failure).__name__})

    task = asyncio.create_task(now_and_then())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Lifecycle:
    """Runs `startup` before the first request and `shutdown` after the last; either may be None."""

    __slots__ = ("_shutdown", "_starting", "_startup", "ready")

    ready: bool
    """True while requests may be answered."""

    def __init__(self, startup: Step | None, shutdown: Step | None) -> None:
        self._startup = startup
        self._shutdown = shutdown
        self._starting: asyncio.Task[None] | None = None
        self.ready = startup is None

    async def start(self) -> None:
        """Start, or wait for the start under way. Raises what `startup` raised; the next call tries again."""
        if self.ready:
            return
        if self._starting is None:
            self._starting = asyncio.create_task(self._run_startup())
        # Shielded: a request that is cancelled must not take the start of all the others with it.
        await asyncio.shield(self._starting)

    async def _run_startup(self) -> None:
        try:
            if self._startup is not None:
                await self._startup()
            self.ready = True
        finally:
            self._starting = None

    async def stop(self) -> None:
        """Stop what was started; a second call does nothing."""
        if not self.ready:
            return
        self.ready = self._startup is None
        if self._shutdown is not None:
            await self._shutdown()


async def serve_lifespan(
    lifecycle: Lifecycle, fallback: ASGIApp | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """The lifespan protocol of ASGI: ours around that of the application behind us."""
    started = await receive()
    try:
        await lifecycle.start()
    except Exception as error:
        # The server prints this text, so it names the kind of error and leaves out its message.
        await send(
            {"type": "lifespan.startup.failed", "message": f"authwright: {type(error).__name__} at start"}
        )
        raise
    if fallback is None or not await _fallback_lifespan(lifecycle, fallback, started, scope, receive, send):
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await lifecycle.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _fallback_lifespan(
    lifecycle: Lifecycle, fallback: ASGIApp, started: Message, scope: Scope, receive: Receive, send: Send
) -> bool:
    """Whether the application behind us spoke the lifespan protocol."""
    first = [started]
    spoke: list[bool] = []

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    async def send_through(message: Message) -> None:
        spoke.append(True)
        if message["type"] != "lifespan.startup.complete":
            # Its start failed or it has shut down: either way nothing of ours is needed any more.
            await lifecycle.stop()
        await send(message)

    try:
        await fallback(scope, receive_again, send_through)
    except Exception:
        # ASGI: an application that raises before it answers does not support lifespan.
        if spoke:
            raise
    return bool(spoke)
