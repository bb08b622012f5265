"""`user.http`: an API called with the user's token, fresh, and stronger where the API asks for it."""

from collections.abc import Callable

import pytest

from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, json_response
from authwright.relying_party.errors import LoginRequired, NoAccessToken
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.user import User
from authwright.remote.documents import RemoteFault
from tests.relying_party.hostile_provider import Browser, HostileProvider, location, relying_party

URL = "https://api.example/v1"
Answer = Callable[[HttpRequest], HttpResponse]


class Api:
    """Keeps what it is asked, and answers what the test wants."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.answer: Answer = lambda request: json_response(200, {"path": request.path})

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.answer(request)

    @property
    def token(self) -> str:
        """The token of the latest request."""
        return (self.requests[-1].headers.get("authorization") or "").removeprefix("Bearer ")


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def party(provider: HostileProvider, api: Api) -> RelyingParty:
    return relying_party(provider, api_fetch=api)


async def signed_in(provider: HostileProvider, browser: Browser, ask: str = "", **id_token: Json) -> User:
    """The user, after a sign-in at the address `ask`."""
    provider.id_token = id_token
    sent = location(await browser.get(ask or "/auth/login"))
    await browser.get(provider.authorize(sent))
    found = await browser.party.session(browser.request("GET", "/"))
    assert found is not None
    return browser.party.user(found)


@pytest.fixture
async def user(provider: HostileProvider, party: RelyingParty) -> User:
    return await signed_in(provider, Browser(party))


async def test_the_api_gets_the_users_token(provider: HostileProvider, api: Api, user: User) -> None:
    """Below the base URL, with the query, and an answer that is the API's own."""
    async with user.http(URL + "/") as http:
        answer = await http.get("/orders", params={"page": "2"}, headers={"X-Trace": "t"})
    assert answer.json() == {"path": "/v1/orders"}
    request = api.requests[0]
    assert (request.method, request.url) == ("GET", URL + "/orders?page=2")
    assert request.headers.get("x-trace") == "t"
    assert api.token == await user.access_token()


async def test_a_body_is_json_or_a_form(api: Api, user: User) -> None:
    """And each method is there."""
    http = user.http(URL)
    await http.post("/orders", json={"tea": 1})
    assert api.requests[-1].body == b'{"tea":1}'
    assert api.requests[-1].headers.get("content-type") == "application/json"
    await http.post("/orders", form={"tea": "1 & 2"})
    assert api.requests[-1].body == b"tea=1+%26+2"
    for method in ("put", "patch"):
        await getattr(http, method)("/orders/1", json=False)
        assert (api.requests[-1].method, api.requests[-1].body) == (method.upper(), b"false")
    await http.delete("/orders/1")
    assert api.requests[-1].method == "DELETE"


async def test_the_token_is_fresh_for_each_call(provider: HostileProvider, api: Api, user: User) -> None:
    """Refreshed when its end is near, and not otherwise."""
    http = user.http(URL)
    await http.get("/a")
    first = api.token
    await http.get("/a")
    assert (api.token, provider.asked("/token")) == (first, 1)
    provider.clock.forward(seconds=595)
    await http.get("/a")
    assert api.token != first
    assert provider.asked("/token") == 2


async def test_an_answer_is_returned_whatever_its_status(api: Api, user: User) -> None:
    """A refusal of the API is the application's to read; no answer at all is a fault."""
    for status in (401, 403, 404, 500):
        api.answer = lambda _, status=status: json_response(status, {})  # type: ignore[misc]
        assert (await user.http(URL).get("/a")).status == status

    def down(request: HttpRequest) -> HttpResponse:
        raise OSError

    api.answer = down
    with pytest.raises(RemoteFault):
        await user.http(URL).get("/a")


def stronger(**parameters: str) -> Answer:
    """RFC 9470 §3."""
    fields = {"error": "insufficient_user_authentication", **parameters}
    challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
    return lambda _: json_response(401, {}, Headers.of({"www-authenticate": challenge}))


async def test_what_the_api_wants_the_user_is_asked_for(
    provider: HostileProvider, api: Api, user: User
) -> None:
    """RFC 9470 §4: its `acr_values`, `max_age` and scope become those of the next sign-in."""
    api.answer = stronger(acr_values="high higher", max_age="30", scope="pay")
    with pytest.raises(LoginRequired) as raised:
        await user.http(URL).get("/pay")
    needed = raised.value
    assert (needed.acr_values, needed.max_age) == (("high", "higher"), 30)
    assert needed.scopes == ("openid", "profile", "pay")


async def test_an_api_that_is_never_content_makes_no_loop(
    provider: HostileProvider, party: RelyingParty, api: Api
) -> None:
    """After the sign-in it wanted its refusal is an answer like any other."""
    browser = Browser(party)
    now = int(provider.clock().timestamp())
    user = await signed_in(provider, browser, auth_time=now)
    for wanted in ({"acr_values": "high"}, {"max_age": "0"}, {"scope": "pay"}):
        api.answer = stronger(**wanted)
        provider.clock.forward(seconds=1)
        with pytest.raises(LoginRequired) as raised:
            await user.http(URL).get("/pay")
        answer = await party.challenge_for(browser.request("GET", "/pay"), raised.value)
        browser.keep(answer)
        provider.id_token = {"acr": "low", "auth_time": int(provider.clock().timestamp())}
        await browser.get(provider.authorize(location(answer)))
        provider.clock.forward(seconds=2)
        found = await party.session(browser.request("GET", "/"))
        assert found is not None
        assert (await party.user(found).http(URL).get("/pay")).status == 401


@pytest.mark.parametrize("name", ["scope", "acr_values"])
async def test_what_no_sign_in_could_carry_is_not_asked_for(api: Api, user: User, name: str) -> None:
    """An API that asks for more than fits a login attempt is answered to the application, and makes no 500 of ours."""
    api.answer = stronger(**{name: " ".join(f"s{number}" for number in range(1000))})
    assert (await user.http(URL).get("/pay")).status == 401


@pytest.mark.parametrize("max_age", ["", "x", "-1", "1.5", "9" * 20, "²"])
async def test_a_strange_max_age_is_none(api: Api, user: User, max_age: str) -> None:
    """What is no number of seconds asks for nothing."""
    api.answer = lambda _: json_response(
        401,
        {},
        Headers.of(
            {"www-authenticate": f'Bearer error="insufficient_user_authentication", max_age="{max_age}"'}
        ),
    )
    assert (await user.http(URL).get("/pay")).status == 401


@pytest.mark.parametrize(
    "url",
    ["api.example", "http://api.example", "https://", "https://u@api.example", URL + "?a", URL + "#a", "ftp://a.example"],
)  # fmt: skip
async def test_a_token_is_not_sent_in_clear_nor_to_nobody(user: User, url: str) -> None:
    """RFC 6750 §5.3; loopback is the exception."""
    with pytest.raises(ValueError, match="base_url"):
        user.http(url)
    user.http("http://localhost:9000")


@pytest.mark.parametrize("path", ["orders", "//evil.example/a", "", "https://evil.example", "@evil.example"])
async def test_a_path_cannot_take_the_token_elsewhere(api: Api, user: User, path: str) -> None:
    """It begins with one slash, and the host is that of the base URL."""
    with pytest.raises(ValueError, match="path"):
        await user.http("https://api.example").get(path)
    assert not api.requests


async def test_a_user_of_no_session_calls_nothing() -> None:
    """One that an application made itself has no token."""
    with pytest.raises(NoAccessToken):
        User("https://op.example", "u-alice").http(URL)
