"""The login and the consent form: from the right browser only, once only, and safe against guessing."""

import asyncio
from typing import Any

import pytest

from authwright.protocol.params import encode
from authwright.provider.audit import LoginCompleted, LoginFailed
from authwright.provider.limits import DEFAULT_LOGIN
from authwright.testing.browser import Page
from tests.provider.authorize.sign_in import EVIL, Site
from tests.provider.installation import CALLBACK, ISSUER

LOGIN = f"{ISSUER}/authorize/login"
CONSENT = f"{ISSUER}/authorize/consent"


def fields_of(page: Page, button_id: str) -> dict[str, str]:
    """What a click on that button would send."""
    form, button = page.form_of(button_id)
    return {**dict(form.fields), button.name: button.value}


async def consent_fields(site: Site, **changes: Any) -> dict[str, str]:
    await site.authorize(**changes)
    return fields_of(await site.login(), "consent-allow")


# -- sec A10 ------------------------------------------------------------------------------------------------------


async def test_sec_A10_a_consent_counts_once(site: Site) -> None:
    """A10: a consent POST that is replayed gets 403."""
    fields = await consent_fields(site)
    first = await site.browser.post(CONSENT, fields, initiator=ISSUER)
    assert first.url.startswith(CALLBACK)
    again = await site.browser.post(CONSENT, fields, initiator=ISSUER)
    assert again.status == 403
    assert again.texts["error-code"] == "invalid_request"


async def test_sec_A10_of_many_equal_consents_one_wins(site: Site) -> None:
    """A10: eight at once, one code."""
    fields = await consent_fields(site)
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.browser.cookies)
    answers = await asyncio.gather(
        *(
            site.send(
                CONSENT,
                method="POST",
                body=encode(fields.items()).encode(),
                content_type="application/x-www-form-urlencoded",
                cookie=cookie,
            )
            for _ in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [303] + [403] * 7


async def test_sec_A10_another_browser_cannot_answer(site: Site) -> None:
    """A10: the interaction opens only with the cookie of its browser, even for a victim who is signed in."""
    attackers = site.another_browser()
    fields = await consent_fields(attackers)
    await site.sign_in()
    page = await site.browser.post(CONSENT, fields)
    assert page.status == 403
    page = await site.browser.get(f"/authorize?interaction={fields['interaction']}")
    assert page.status == 403


async def test_sec_A10_a_login_form_of_another_browser_is_refused(site: Site) -> None:
    """A10 for the login form: no login into an attacker's flow, nor by an attacker's form."""
    attackers = site.another_browser()
    page = await attackers.authorize()
    fields = {**fields_of(page, "login-submit"), "username": "alice", "password": "alice-secret"}
    await site.authorize()
    assert (await site.browser.post(LOGIN, fields)).status == 403
    site.browser.forget_cookies()
    assert (await site.browser.post(LOGIN, fields)).status == 403


@pytest.mark.parametrize(
    "origin", [EVIL, "https://sub.op.example", "http://op.example", "https://op.example:444"]
)
@pytest.mark.parametrize("which", ["login", "consent"])
async def test_sec_A10_another_site_cannot_post(site: Site, which: str, origin: str) -> None:
    """A10: a wrong Origin is refused even with the right cookies and fields."""
    page = await site.authorize()
    if which == "consent":
        page = await site.login()
    fields = fields_of(page, "login-submit" if which == "login" else "consent-allow")
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.browser.cookies)
    answer = await site.send(
        LOGIN if which == "login" else CONSENT,
        method="POST",
        body=encode(fields.items()).encode(),
        content_type="application/x-www-form-urlencoded",
        cookie=cookie,
        origin=origin,
    )
    assert answer.status == 403


async def test_sec_A10_a_browser_that_says_cross_site_is_believed(site: Site) -> None:
    """A10: Sec-Fetch-Site tells what a hidden Origin does not."""
    fields = fields_of(await site.authorize(), "login-submit")
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.browser.cookies)
    answer = await site.send(
        LOGIN,
        method="POST",
        body=encode(fields.items()).encode(),
        content_type="application/x-www-form-urlencoded",
        cookie=cookie,
        origin="null",
        sec_fetch_site="same-site",
    )
    assert answer.status == 403


async def test_a_form_without_an_origin_is_accepted(site: Site) -> None:
    """A plain client with the right cookie and fields signs in."""
    page = await site.authorize("own")
    fields = {**fields_of(page, "login-submit"), "username": "alice", "password": "alice-secret"}
    page = await site.browser.post(LOGIN, fields)
    assert page.params.one("code")


@pytest.mark.parametrize("name", ["csrf", "interaction"])
@pytest.mark.parametrize("change", ["missing", "changed", "another's", "twice"])
async def test_sec_A10_every_hidden_field_must_be_right(site: Site, name: str, change: str) -> None:
    """A10: CSRF token and interaction: both, unchanged, of this interaction, once."""
    other = await consent_fields(site, state="other")
    fields = fields_of(await site.authorize(), "consent-allow")
    match change:
        case "missing":
            del fields[name]
        case "changed":
            fields[name] = fields[name][:-5] + ("A" if fields[name][-5] != "A" else "B") + fields[name][-4:]
        case "another's":
            fields[name] = other[name]
    pairs = [*fields.items(), *([(name, fields[name])] if change == "twice" else [])]
    page = await site.browser.post(CONSENT, pairs)
    assert page.status == (400 if change == "twice" else 403)


@pytest.mark.parametrize("change", ["missing", "changed", "another's"])
async def test_sec_A10_the_login_form_needs_its_token(site: Site, change: str) -> None:
    """A10: the token of this interaction, or 403; the password is not even looked at."""
    other = fields_of(await site.authorize("own", state="other"), "login-submit")
    fields = fields_of(await site.authorize("own"), "login-submit")
    tokens = {"missing": "", "changed": "0" * 64, "another's": other["csrf"]}
    filled = {**fields, "csrf": tokens[change], "username": "alice", "password": "alice-secret"}
    assert (await site.browser.post(LOGIN, filled)).status == 403
    assert site.op.audit == []


async def test_sec_A10_a_consent_is_for_the_session_it_was_shown_to(site: Site) -> None:
    """A10: who signs in anew must be asked anew."""
    fields = await consent_fields(site)
    await site.authorize(prompt="login")
    await site.login()
    assert (await site.browser.post(CONSENT, fields)).status == 403


async def test_sec_A10_a_consent_is_for_exactly_what_was_shown(site: Site) -> None:
    """A10: bound to the digest of the exact request: fields of the request posted beside it change nothing."""
    fields = await consent_fields(site, scope="openid")
    page = await site.browser.post(
        CONSENT, {**fields, "scope": "openid email read", "redirect_uri": f"{EVIL}/cb"}
    )
    assert page.url.startswith(CALLBACK)
    assert (await site.tokens(page))["scope"] == "openid"


async def test_a_consent_without_a_choice_is_no_consent(site: Site) -> None:
    """Only the two buttons mean anything."""
    fields = await consent_fields(site)
    assert (await site.browser.post(CONSENT, {**fields, "action": "maybe"})).status == 400
    del fields["action"]
    assert (await site.browser.post(CONSENT, fields)).status == 400
    assert await site.op.stores.consents.get("u-alice", "web") is None


async def test_consent_after_sign_out_asks_to_sign_in(site: Site) -> None:
    """A consent page that outlived the session leads back to the login page."""
    await consent_fields(site)
    session = await site.op.stores.sessions.remove(subject="u-alice")
    assert session == 1
    assert (await site.browser.click("consent-allow")).has("login-submit")


# -- what the buttons do ---------------------------------------------------------------------------------------------


async def test_cancel_tells_the_client(site: Site) -> None:
    """The cancel button answers access_denied, and needs no fields."""
    await site.authorize()
    page = await site.browser.click("login-cancel")
    assert page.url.startswith(CALLBACK)
    assert page.params.one("error") == "access_denied"
    assert page.params.one("state") == "st-1"
    assert page.params.one("iss") == ISSUER


async def test_deny_tells_the_client_and_remembers_nothing(site: Site) -> None:
    """access_denied, and the next request asks again."""
    await consent_fields(site)
    page = await site.browser.click("consent-deny")
    assert page.params.one("error") == "access_denied"
    assert (await site.authorize()).has("consent-allow")


async def test_consent_is_remembered(site: Site) -> None:
    """The same or less is granted without a page; more is asked for."""
    await site.sign_in(scope="openid profile")
    assert (await site.authorize(scope="openid")).params.one("code")
    assert (await site.authorize(scope="openid email")).has("consent-allow")
    await site.browser.click("consent-allow")
    assert (await site.authorize(scope="openid email profile")).params.one("code")


async def test_consent_is_asked_anew_with_prompt_consent(site: Site) -> None:
    """OpenID Connect Core §3.1.2.1: prompt=consent asks even when remembered, and once is enough."""
    await site.sign_in()
    page = await site.authorize(prompt="consent")
    assert page.has("consent-allow")
    assert (await site.browser.click("consent-allow")).params.one("code")


async def test_offline_access_needs_no_prompt_once_consented(site: Site) -> None:
    """A refresh token without prompt=consent, now and when the consent is remembered."""
    first = await site.sign_in(scope="openid offline_access")
    assert "refresh_token" in await site.tokens(first)
    again = await site.authorize(scope="openid offline_access")
    assert "refresh_token" in await site.tokens(again)


async def test_offline_access_is_ignored_where_it_cannot_be_met(site: Site) -> None:
    """OpenID Connect Core §11: a client without the refresh_token grant is not asked about, nor given, offline access."""
    await site.authorize("brief", scope="openid offline_access")
    page = await site.login()
    assert "while you are away" not in page.html
    tokens = await site.tokens(await site.browser.click("consent-allow"), "brief")
    assert tokens["scope"] == "openid"
    assert "refresh_token" not in tokens


async def test_a_first_party_client_asks_nobody(site: Site) -> None:
    """`require_consent = false`: no page between password and code."""
    await site.authorize("own")
    assert (await site.login()).params.one("code")


async def test_select_account_lets_one_go_on(site: Site) -> None:
    """prompt=select_account shows who is signed in; going on needs no password."""
    await site.sign_in("own")
    page = await site.authorize("own", prompt="select_account")
    assert "Continue as Alice Example" in page.texts["login-continue"]
    assert (await site.browser.click("login-continue")).params.one("code")


async def test_select_account_lets_one_change(site: Site) -> None:
    """Or another account signs in there."""
    await site.sign_in("own")
    before = await _sid(site)
    await site.authorize("own", prompt="select_account")
    assert (await site.login()).params.one("code")
    # The same person, so the session goes on under its sid.
    assert await _sid(site) == before


async def test_the_account_that_was_shown_is_the_one_that_goes_on(site: Site) -> None:
    """A choice is bound to the session that the page showed."""
    await site.sign_in("own")
    stale = fields_of(await site.authorize("own", prompt="select_account"), "login-continue")
    await site.authorize("own", prompt="login")
    await site.login()
    assert (await site.browser.post(LOGIN, stale)).status == 403


async def _sid(site: Site) -> str:
    page = await site.authorize("own")
    tokens = await site.tokens(page, "own")
    active = await site.op.post("/introspect", client_id="own", token=tokens["access_token"])
    assert active.json()["active"]
    sessions = [grant.session_id for grant in await site.op.stores.tickets.grants(subject="u-alice")]
    assert sessions[-1] is not None
    return sessions[-1]


# -- passwords -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("username", "password"), [("alice", "wrong"), ("nobody", "alice-secret"), ("Alice", "x" * 5000)]
)
async def test_sec_X2_an_unknown_user_gets_the_words_of_a_wrong_password(
    site: Site, username: str, password: str
) -> None:
    """X2: same status, same text."""
    await site.authorize()
    page = await site.login(username, password)
    assert page.status == 400
    assert page.texts["login-problem"] == "Wrong username or password. Check both and try again."
    assert dict(page.forms[0].fields)["username"] == username
    assert site.op.audit == [LoginFailed(client_id="web", reason="credentials")]
    assert password not in page.html


async def test_sec_4_6_an_unknown_user_costs_a_hash_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """§4.6: unknown user against wrong password: the same work, seen as one verification each."""
    from authwright.crypto import passwords

    verified: list[str] = []
    real = passwords.verify_password

    def counted(password: str, phc: str) -> bool:
        verified.append(phc.split("$")[3])
        return real(password, phc)

    monkeypatch.setattr(passwords, "verify_password", counted)
    await site.authorize()
    await site.login("alice", "wrong")
    await site.login("nobody", "wrong")
    assert len(verified) == 2
    assert verified[0] == verified[1]


async def test_a_person_can_try_again(site: Site) -> None:
    """A wrong password is followed by a form that works."""
    await site.authorize("own")
    await site.login("alice", "wrong")
    assert (await site.login()).params.one("code")
    assert isinstance(site.op.audit[-1], LoginCompleted)


async def test_an_empty_form_is_asked_for_again(site: Site) -> None:
    """Nothing was guessed, so nothing is counted."""
    await site.authorize()
    page = await site.login("", "")
    assert page.status == 400
    assert page.texts["login-problem"] == "Enter your username and your password."
    assert site.op.audit == []


async def test_guessing_is_limited(site: Site) -> None:
    """Past the limit even the right password is refused, with 429 and when to try again; time heals it."""
    await site.authorize("own")
    for _ in range(DEFAULT_LOGIN.burst):
        assert (await site.login("alice", "wrong")).status == 400
    page = await site.login()
    assert page.status == 429
    assert int(page.header("retry-after") or "0") > 0
    assert page.response is not None
    assert len(page.response.headers.many("retry-after")) == 1
    assert site.op.audit[-1] == LoginFailed(client_id="own", reason="limit")
    site.clock.advance(DEFAULT_LOGIN.period)
    assert (await site.login()).params.one("code")


async def test_parallel_guesses_do_not_slip_under_the_limit(site: Site) -> None:
    """Forty at once verify as many passwords as the limit allows."""
    page = await site.authorize()
    fields = {**fields_of(page, "login-submit"), "username": "alice", "password": "wrong"}
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.browser.cookies)
    answers = await asyncio.gather(
        *(
            site.send(
                LOGIN,
                method="POST",
                body=encode(fields.items()).encode(),
                content_type="application/x-www-form-urlencoded",
                cookie=cookie,
            )
            for _ in range(20)
        )
    )
    assert [answer.status for answer in answers].count(400) == DEFAULT_LOGIN.burst


# -- sessions ------------------------------------------------------------------------------------------------------


async def test_sec_A11_a_planted_session_cookie_is_worth_nothing_after_login(site: Site) -> None:
    """A11: a new session id at each login; the old one is unusable."""
    await site.sign_in("own")
    name = "__Host-authwright_session"
    first = site.browser.cookie(name)
    await site.authorize("own", prompt="login")
    await site.login()
    second = site.browser.cookie(name)
    assert first is not None
    assert second is not None
    assert first.value != second.value
    answer = await site.send(site.url("own", prompt="none"), cookie=f"{name}={first.value}")
    assert "error=login_required" in (answer.headers.get("location") or "")
    answer = await site.send(site.url("own", prompt="none"), cookie=f"{name}={second.value}")
    assert "code=" in (answer.headers.get("location") or "")


async def test_sec_A11_a_value_we_never_made_is_no_session(site: Site) -> None:
    """A11: what an attacker chose is not adopted."""
    planted = "ss_" + "0" * 10 + "A" * 47
    page = await site.authorize("own")
    fields = {**fields_of(page, "login-submit"), "username": "alice", "password": "alice-secret"}
    binding = site.browser.cookies[0]
    answer = await site.send(
        LOGIN,
        method="POST",
        body=encode(fields.items()).encode(),
        content_type="application/x-www-form-urlencoded",
        cookie=f"{binding.name}={binding.value}; __Host-authwright_session={planted}",
    )
    assert answer.status == 303
    assert planted not in "".join(answer.headers.many("set-cookie"))


async def test_cookies_are_as_closed_as_they_can_be(site: Site) -> None:
    """__Host-, Secure, HttpOnly, SameSite=Lax, path /; the values are random and unlike each other."""
    await site.sign_in("own")
    assert {cookie.name for cookie in site.browser.cookies} == {
        "__Host-authwright_session",
        "__Host-authwright_browser",
    }
    for cookie in site.browser.cookies:
        assert cookie.secure
        assert cookie.http_only
        assert (cookie.same_site, cookie.path, cookie.expires_at) == ("lax", "/", None)


async def test_a_session_ends_by_itself(site: Site) -> None:
    """After its twelve hours nobody is signed in."""
    await site.sign_in("own")
    site.clock.advance(12 * 3600)
    assert (await site.authorize("own", prompt="none")).params.one("error") == "login_required"


async def test_a_disabled_user_is_not_signed_in(site: Site) -> None:
    """An account that is gone or disabled has no live session."""
    await site.sign_in("own")
    await site.op.remove_user()
    assert (await site.authorize("own", prompt="none")).params.one("error") == "login_required"


async def test_an_interaction_that_took_too_long_starts_over(site: Site) -> None:
    """After ten minutes the form leads to a fresh login page of the same request."""
    page = await site.authorize("own")
    old = fields_of(page, "login-submit")["interaction"]
    site.clock.advance(601)
    page = await site.login()
    assert page.has("login-submit")
    assert fields_of(page, "login-submit")["interaction"] != old
    assert (await site.login()).params.one("code")


async def test_two_tabs_do_not_disturb_each_other(site: Site) -> None:
    """Both requests end well, though the second began before the first was done."""
    first = fields_of(await site.authorize("own", state="one"), "login-submit")
    second = fields_of(await site.authorize("own", state="two"), "login-submit")
    filled = {"username": "alice", "password": "alice-secret"}
    assert (await site.browser.post(LOGIN, {**first, **filled})).params.one("state") == "one"
    assert (await site.browser.post(LOGIN, {**second, **filled})).params.one("state") == "two"


@pytest.mark.parametrize("path", ["/authorize/login", "/authorize/consent", "/end_session/confirm"])
async def test_the_forms_are_posted_only(site: Site, path: str) -> None:
    """405 with Allow: POST."""
    answer = await site.send(ISSUER + path)
    assert (answer.status, answer.headers.get("allow")) == (405, "POST")


async def test_the_client_is_named_without_tricks(site: Site) -> None:
    """G2: name escaped, without direction changes, at most 60 characters; the redirect host is shown."""
    page = await site.authorize("odd", scope="openid")
    assert "\u202e" not in page.html
    assert "\u2066" not in page.html
    assert "<script>" not in page.html
    assert "&lt;script&gt;" in page.html
    assert "x" * 61 not in page.html
    assert "app.example" in page.html
