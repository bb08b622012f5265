"""The management port's app on its own."""

import pytest
from httpx2 import ASGITransport, AsyncClient

from authwright.server.health import health_app


@pytest.mark.parametrize(
    ("method", "path", "ready", "status"),
    [
        ("GET", "/livez", False, 200),
        ("GET", "/readyz", True, 200),
        ("GET", "/readyz", False, 503),
        ("HEAD", "/readyz", False, 503),
        ("POST", "/livez", True, 405),
        ("GET", "/token", True, 404),
        ("GET", "/metrics", False, 200),
    ],
)
async def test_alive_is_not_ready(method: str, path: str, ready: bool, status: int) -> None:
    """A server whose store does not answer is alive and not ready; nothing else is on that port."""

    async def is_ready() -> bool:
        return ready

    async def measured() -> bytes:
        return b"# none\n"

    transport = ASGITransport(health_app(is_ready, measured))
    async with AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
