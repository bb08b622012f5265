"""Services that are functions: the same rules as over HTTP."""

import asyncio
from datetime import timedelta

import pytest

from authwright.consent_services.in_process import in_process_authority
from authwright.consent_services.messages import ConsentAnswer, ConsentRequest
from authwright.provider.scope_authority import Declined, Granted, NotAllowed, Unavailable, Unknown
from tests.consent_services.outside import BASE, CLIENT, SUBJECT, token_request

PHOTOS = f"{BASE}photos"


async def decide(authority: object, name: str, *scopes: str) -> object:
    decisions = await authority.authorize(token_request(), SUBJECT, {name: scopes})  # type: ignore[attr-defined]
    return decisions[name]


async def test_functions_are_held_to_namespaces_and_allow_lists() -> None:
    """A function of our own that grants too much is no better than a service that does."""

    async def generous(request: ConsentRequest) -> ConsentAnswer:
        assert request.requester.client_id == CLIENT.client_id
        return request.allow([PHOTOS, f"{PHOTOS}.more", f"{BASE}mail", "openid"], claims={"a": 1})

    async def no(request: ConsentRequest) -> ConsentAnswer:
        return request.deny("no")

    functions = {"photos": generous, "mail": no, "hidden": generous}
    authority = in_process_authority(functions, base_scope=BASE)
    assert await decide(authority, "photos", PHOTOS) == Granted(scopes=(PHOTOS,), claims={"a": 1})
    assert await decide(authority, "mail", f"{BASE}mail") == Declined()
    assert await decide(authority, "hidden", f"{BASE}hidden") == NotAllowed()
    assert await decide(authority, "nobody", f"{BASE}nobody") == Unknown()
    authority = in_process_authority(functions, base_scope=BASE, may_add_scopes=True)
    assert await decide(authority, "photos", PHOTOS) == Granted(
        scopes=(PHOTOS, f"{PHOTOS}.more"), claims={"a": 1}
    )


async def test_a_function_that_raises_or_hangs_fails_alone() -> None:
    """As a service does."""

    async def broken(request: ConsentRequest) -> ConsentAnswer:
        raise LookupError("text")

    async def hang(request: ConsentRequest) -> ConsentAnswer:
        await asyncio.Event().wait()
        return request.deny()

    authority = in_process_authority(
        {"photos": broken, "slow": hang}, base_scope=BASE, deadline=timedelta(milliseconds=20)
    )
    decisions = await authority.authorize(
        token_request(), SUBJECT, {"photos": (PHOTOS,), "slow": (f"{BASE}slow",)}
    )
    assert decisions == {"photos": Unavailable(reason="broken"), "slow": Unavailable(reason="deadline")}


@pytest.mark.parametrize("subject", ["u-victim", ""])
async def test_a_function_answers_for_its_subject_only(subject: str) -> None:
    """An answer built by hand about somebody else is refused."""

    async def confused(request: ConsentRequest) -> ConsentAnswer:
        return ConsentAnswer(authorized=True, subject=subject, scopes=request.scopes)

    authority = in_process_authority({"photos": confused}, base_scope=BASE)
    assert await decide(authority, "photos", PHOTOS) == Unavailable(reason="other_subject")


async def test_a_function_s_answer_is_as_strictly_read() -> None:
    """A second scope in the text of one, or a claim that is none, is refused here too."""

    async def sloppy(request: ConsentRequest) -> ConsentAnswer:
        return request.allow([f"{PHOTOS}.read openid"])

    async def null(request: ConsentRequest) -> ConsentAnswer:
        return request.allow(claims={"a": None})

    authority = in_process_authority({"photos": sloppy, "mail": null}, base_scope=BASE, may_add_scopes=True)
    assert await decide(authority, "photos", PHOTOS) == Unavailable(reason="answer_malformed")
    assert await decide(authority, "mail", f"{BASE}mail") == Unavailable(reason="answer_malformed")
