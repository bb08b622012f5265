"""A provider to be scripted, and a browser at a relying party of it."""

import pytest

from tests.relying_party.hostile_provider import Browser, Clock, HostileProvider, relying_party


@pytest.fixture
def provider() -> HostileProvider:
    """Does everything right until the test tells it otherwise."""
    return HostileProvider(Clock())


@pytest.fixture
def browser(provider: HostileProvider) -> Browser:
    """Nobody is signed in yet."""
    return Browser(relying_party(provider))
