"""What a store can get wrong for the browser side: sessions that rotate and end, consents that count once."""

import asyncio

from authwright.protocol.params import encode
from tests.provider.authorize.sign_in import SIGNED_OUT, Site
from tests.provider.installation import ISSUER


async def test_sec_A10_A11_a_whole_sign_in_and_out(site_on_each_store: Site) -> None:
    """A10, A11: one consent of many counts, the session changes at login and is gone after logout."""
    site = site_on_each_store
    await site.authorize(scope="openid offline_access")
    page = await site.login()
    form, button = page.form_of("consent-allow")
    body = encode([*form.fields, (button.name, button.value)]).encode()
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.browser.cookies)
    answers = await asyncio.gather(
        *(
            site.send(
                f"{ISSUER}/authorize/consent",
                method="POST",
                body=body,
                content_type="application/x-www-form-urlencoded",
                cookie=cookie,
            )
            for _ in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [303] + [403] * 7

    tokens = await site.tokens(await site.authorize(scope="openid offline_access", prompt="none"))
    before = site.browser.cookie("__Host-authwright_session")
    site.clock.advance(5)
    await site.authorize(prompt="login", scope="openid")
    assert (await site.login()).params.one("code")
    assert site.browser.cookie("__Host-authwright_session") != before

    page = await site.browser.get(
        f"{ISSUER}/end_session?id_token_hint={tokens['id_token']}&post_logout_redirect_uri={SIGNED_OUT}"
    )
    assert page.url == SIGNED_OUT
    assert (await site.authorize(prompt="none", scope="openid")).params.one("error") == "login_required"
    # The refresh token was given for use while the person is away.
    assert (await site.op.refresh(tokens["refresh_token"])).status == 200


async def test_prompt_login_is_met_by_a_login_on_every_store(site_on_each_store: Site) -> None:
    """However a store rounds a moment, a sign-in that just happened never leads to another login page."""
    site = site_on_each_store
    site.clock.advance(0.123456)
    for _ in range(2):
        await site.authorize("own", prompt="login", max_age="0")
        site.clock.advance(1.000007)
        assert (await site.login()).params.one("code")
