"""Fixtures for the tests of an application that signs users in, or guards an API, with authwright.

    # conftest.py
    pytest_plugins = ["authwright.testing.pytest_plugin"]

Nothing passes a socket: where authwright would call another server, an application of the test answers.
"""

import pytest

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.testing.in_process_provider import InProcessProvider, SignIn
from authwright.testing.network import Network


@pytest.fixture
def authwright_network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """All that authwright can call in this test: `authwright_network.serve("https://api.example", app)` adds to it."""
    network = Network()
    try:
        from authwright.http_client import GuardedClient
    except ModuleNotFoundError:
        # Without the extra `client` an application brings its own Fetch.
        return network

    async def call(_: GuardedClient, request: HttpRequest) -> HttpResponse:
        return await network(request)

    monkeypatch.setattr(GuardedClient, "__call__", call)
    return network


@pytest.fixture
def authwright_provider(authwright_network: Network) -> InProcessProvider:
    """The provider. `authwright_provider.register(rp, api)` makes it that of an application."""
    return InProcessProvider(authwright_network)


@pytest.fixture
def sign_in(authwright_provider: InProcessProvider) -> SignIn:
    """`browser = await sign_in(app, "alice")`: `InProcessProvider.sign_in`."""
    return authwright_provider.sign_in
