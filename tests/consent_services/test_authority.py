"""Many services asked in the name of one token request: rows 16 to 22 of the reference's table, and its defects."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from authwright.consent_services.messages import WELL_KNOWN, parse_request
from authwright.consent_services.signed_calls import SignedCalls
from authwright.crypto.jwt import check_claims, verify_jwt
from authwright.crypto.keys import KeySet, SigningKey
from authwright.protocol.errors import ServerError
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.provider.audit import ConsentServiceAnswered, ConsentServiceFailed
from authwright.provider.scope_authority import Declined, Granted, NotAllowed, Unavailable, Unknown
from authwright.provider.service_scopes import decided, split_scopes
from authwright.records import ConsentService
from authwright.stores.protocols import StoreUnavailable
from authwright.testing.clock import FrozenClock
from tests.consent_services.outside import (
    BASE,
    CLIENT,
    TENANT,
    Asking,
    Outside,
    json_answer,
    registered,
    yes,
)

PHOTOS = f"{BASE}photos"
MAIL = f"{BASE}mail"


@pytest.fixture
def outside() -> Outside:
    outside = Outside()
    outside.service("photos", yes(PHOTOS, f"{PHOTOS}.read"))
    outside.service("mail", yes(MAIL))
    return outside


@pytest.fixture
def asking(outside: Outside) -> Asking:
    return Asking(outside, registered("photos"), registered("mail"))


async def test_tx_row_15_a_service_is_asked_once_about_all_its_scopes(
    asking: Asking, outside: Outside
) -> None:
    """Row 15: service = the text up to the first dot; full scopes; deduped; what names no service is dropped."""
    requested = (f"{PHOTOS}.read", MAIL, PHOTOS, "openid", f"{PHOTOS}.read", BASE, f"{BASE}.read")
    split = split_scopes(requested, BASE)
    await asking.all(dict(split.services))
    (posted,) = outside.asked("https://photos.example/authorize")
    assert parse_request(posted.body).scopes == (f"{PHOTOS}.read", PHOTOS)
    assert split.others == ("openid",)
    assert len(outside.asked("https://mail.example/authorize")) == 1


async def test_tx_row_16_an_unknown_or_disabled_service_is_skipped(
    outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 16: logged, and skipped; the others' answers stand."""
    asking = Asking(outside, registered("photos"), registered("mail", enabled=False))
    with caplog.at_level(logging.INFO, "authwright"):
        decisions = await asking.all({"gone": (f"{BASE}gone",), "mail": (MAIL,), "photos": (PHOTOS,)})
    unknown = [record.__dict__ for record in caplog.records if record.message == "consent_service.unknown"]
    assert [(one["tenant"], one["service"]) for one in unknown] == [(TENANT, "gone"), (TENANT, "mail")]
    assert decisions == {"gone": Unknown(), "mail": Unknown(), "photos": Granted(scopes=(PHOTOS,))}
    assert list(decisions) == ["gone", "mail", "photos"]
    assert not any("mail" in request.url for request in outside.sent)


async def test_tx_row_16_a_service_the_client_may_not_ask_for_is_not_asked(
    asking: Asking, outside: Outside
) -> None:
    """Row 16, defect 10, 3.4: a breach of the allow-list is no skip, and reaches nobody."""
    client = msgspec.structs.replace(CLIENT, allowed_consent_services=("mail",))
    assert await asking.one("photos", client=client) == NotAllowed()
    assert outside.sent == []


async def test_tx_row_16_a_service_of_another_tenant_is_unknown(outside: Outside) -> None:
    """The client's tenant counts, or else the issuer's."""
    asking = Asking(outside, registered("photos", tenant="other"))
    assert await asking.one("photos") == Unknown()
    there = msgspec.structs.replace(CLIENT, tenant="other")
    assert isinstance(await asking.one("photos", client=there), Granted)
    posted = parse_request(outside.sent[-1].body)
    assert posted.requester.tenant == "other"


async def test_tx_row_17_a_service_without_discovery_is_unavailable(outside: Outside) -> None:
    """Row 17: left out, or, where the operator says so, required."""
    del outside.answers[f"https://photos.example{WELL_KNOWN}"]
    asking = Asking(outside, registered("photos"), registered("mail"))
    decisions = await asking.all({"photos": (PHOTOS,), "mail": (MAIL,)})
    assert decisions["photos"] == Unavailable(reason="discovery.unreachable")
    assert decisions["mail"] == Granted(scopes=(MAIL,))
    asking = Asking(outside, registered("photos", on_failure="fail"))
    assert await asking.one("photos") == Unavailable(reason="discovery.unreachable", required=True)


async def test_tx_row_18_an_implicit_service_grants_what_it_publishes_without_a_call(
    asking: Asking, outside: Outside
) -> None:
    """Row 18: all requested scopes of that service, of those it supports."""
    outside.service("photos", yes(), configuration={"authorization_type": "implicit"})
    decision = await asking.one("photos", "read", "delete")
    assert decision == Granted(scopes=(PHOTOS, f"{PHOTOS}.read"))
    assert [request.method for request in outside.sent] == ["GET"]
    outside.service("mail", yes(), configuration={"authorization_type": "implicit", "scopes_supported": None})
    assert await asking.one("mail", "anything") == Granted(scopes=(MAIL, f"{MAIL}.anything"))


async def test_tx_row_19_the_post_is_the_documented_one(asking: Asking, outside: Outside) -> None:
    """Rows 19 and 20: JSON, byte by byte; an unknown type is never posted."""
    await asking.one("photos", "read")
    document, posted = outside.sent
    assert (document.method, posted.method) == ("GET", "POST")
    assert posted.headers.get("content-type") == "application/json"
    assert posted.headers.get("accept") == "application/json"
    assert posted.body == (
        b'{"requester":{"clientId":"e12b17b3","clientName":"SuperCorpClient","clientDescription":"Prints photos.",'
        b'"namespace":"SuperCorp","tenant":"zep"},"authorization_type":"subject_and_scopes","subject":"1234abcd",'
        b'"scopes":["https://www.companyapis.com/auth/photos","https://www.companyapis.com/auth/photos.read"]}'
    )
    outside.service("mail", yes(MAIL), configuration={"authorization_type": "subject"})
    assert await asking.one("mail") == Unavailable(reason="discovery.authorization_type")
    assert outside.asked("https://mail.example/authorize") == []


async def test_tx_row_19_what_a_client_was_registered_without_is_null(
    asking: Asking, outside: Outside
) -> None:
    """§2.2: an empty client field is sent as null."""
    bare = msgspec.structs.replace(CLIENT, client_name="", description="", namespace="")
    await asking.one("photos", client=bare)
    assert (
        b'"clientName":null,"clientDescription":null,"namespace":null,"tenant":"zep"' in outside.sent[1].body
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpResponse(500), "status"),
        (HttpResponse(204), "content_type"),
        (HttpResponse(302, Headers.of({"location": "https://evil.example/"})), "status"),
        (HttpResponse(403, body=b"blocked by the gateway"), "status"),
        (json_answer({"error": {"statusCode": 401}}, status=401), "status"),
        (json_answer({"authorized": True, "scopes": [PHOTOS]}, status=401), "status"),
        (json_answer({"authorized": False}, status=503), "status"),
        (json_answer({"authorized": True, "scopes": [PHOTOS]}, media_type="text/html"), "content_type"),
        (json_answer({"authorized": True, "scopes": [PHOTOS]}, media_type="text/json+json"), "content_type"),
        (json_answer(b"null"), "answer_malformed"),
        (json_answer(b"not json"), "answer_malformed"),
        (json_answer(b'{"authorized":true,"pad":"' + b"x" * 65536 + b'"}'), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_tx_row_20_whatever_goes_wrong_is_that_service_s_failure(
    asking: Asking, outside: Outside, answer: HttpResponse, reason: str
) -> None:
    """Row 20: never raises; the other service's answer stands; a redirect is not followed."""
    outside.service("photos", answer)
    decisions = await asking.all({"photos": (PHOTOS,), "mail": (MAIL,)})
    assert decisions == {"photos": Unavailable(reason=reason), "mail": Granted(scopes=(MAIL,))}
    assert not any("evil" in request.url for request in outside.sent)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/consent+json"])
async def test_tx_row_20_json_has_several_media_types(
    asking: Asking, outside: Outside, media_type: str
) -> None:
    """3.4: JSON or +json."""
    outside.service("photos", json_answer({"authorized": True, "scopes": [PHOTOS]}, media_type=media_type))
    assert await asking.one("photos") == Granted(scopes=(PHOTOS,))


async def test_tx_row_20_a_service_that_hangs_is_left_out_when_its_time_is_over(outside: Outside) -> None:
    """Row 20: its own timeout; the deadline for all; each told apart in the log."""

    async def hang(_: HttpRequest) -> HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    outside.service("slow", hang)
    outside.service("photo", hang)
    impatient = registered("slow", timeout=timedelta(milliseconds=20))
    patient = registered("photo", timeout=timedelta(minutes=1), on_failure="fail")
    asking = Asking(outside, impatient, patient, registered("photos"), deadline=0.06)
    decisions = await asking.all({"slow": (f"{BASE}slow",), "photo": (f"{BASE}photo",), "photos": (PHOTOS,)})
    assert decisions == {
        "slow": Unavailable(reason="timeout"),
        "photo": Unavailable(reason="deadline", required=True),
        "photos": Granted(scopes=(PHOTOS,)),
    }


async def test_tx_row_20_a_document_that_hangs_counts_as_well(outside: Outside) -> None:
    """Discovery is part of the service's time; the fetch goes on, so that the next request has it."""
    go = asyncio.Event()
    document = outside.answers[f"https://photos.example{WELL_KNOWN}"]
    assert isinstance(document, HttpResponse)

    async def slow(_: HttpRequest) -> HttpResponse:
        await go.wait()
        return document

    outside.answers[f"https://photos.example{WELL_KNOWN}"] = slow
    asking = Asking(outside, registered("photos", timeout=timedelta(milliseconds=10)))
    assert await asking.one("photos") == Unavailable(reason="timeout")
    go.set()
    assert await asking.one("photos") == Granted(scopes=(PHOTOS,))
    assert len(outside.asked(f"https://photos.example{WELL_KNOWN}")) == 1


async def test_tx_row_20_a_defect_in_the_way_to_a_service_is_its_own(
    outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 20, defect 9: even what nobody foresaw; the text of the error is told to nobody."""

    async def broken(_: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError("secret-in-a-traceback")

    outside.service("photos", broken)
    asking = Asking(outside, registered("photos"), registered("mail"))
    with caplog.at_level(logging.DEBUG):
        decisions = await asking.all({"photos": (PHOTOS,), "mail": (MAIL,)})
    assert decisions == {"photos": Unavailable(reason="broken"), "mail": Granted(scopes=(MAIL,))}
    assert "secret-in-a-traceback" not in caplog.text + repr([record.__dict__ for record in caplog.records])


async def test_our_own_faults_are_no_answer_of_a_service(outside: Outside) -> None:
    """A store that is down is a 503 of ours; it must not look like a service that is unknown or away."""

    class Down:
        async def get(self, tenant: str, name: str) -> ConsentService | None:
            raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable):
        await Asking(outside, registry=Down()).one("photos")

    async def not_installed(_: HttpRequest) -> HttpResponse:
        raise ServerError(detail="outbound: x is not installed")

    with pytest.raises(ServerError):
        await Asking(not_installed, registered("photos")).one("photos")


async def test_a_registry_that_hangs_is_ours_too(outside: Outside) -> None:
    """At the deadline, like everything."""

    class Hangs:
        async def get(self, tenant: str, name: str) -> ConsentService | None:
            await asyncio.Event().wait()
            return None

    with pytest.raises(StoreUnavailable):
        await Asking(outside, registry=Hangs(), deadline=0.01).one("photos")


async def test_tx_row_21_the_answer_counts_and_may_only_take_away(asking: Asking, outside: Outside) -> None:
    """Row 21: what was granted of what was asked, in the order it was asked for."""
    outside.service("photos", yes(f"{PHOTOS}.modify", f"{PHOTOS}.read", PHOTOS))
    decision = await asking.one("photos", "read")
    assert decision == Granted(scopes=(PHOTOS, f"{PHOTOS}.read"))
    outside.service("photos", yes())
    assert await asking.one("photos", "read") == Granted(scopes=())


async def test_tx_row_21_a_service_may_add_scopes_where_it_is_allowed(outside: Outside) -> None:
    """Row 21, 3.4: within its namespace and what it publishes, after what was asked for; off by default."""
    outside.service("photos", yes(f"{PHOTOS}.modify", PHOTOS, f"{PHOTOS}.unpublished", MAIL))
    asking = Asking(outside, registered("photos", may_add_scopes=True))
    assert await asking.one("photos") == Granted(scopes=(PHOTOS, f"{PHOTOS}.modify"))


@pytest.mark.parametrize("status", [200, 400, 401, 403])
async def test_tx_row_21_a_denial_grants_nothing(asking: Asking, outside: Outside, status: int) -> None:
    """Row 21: authorized=false, whatever else it says and with whichever status of the 2xx and 4xx."""
    denial = {
        "authorized": False,
        "subject": "",
        "scopes": [PHOTOS],
        "claims": [{"type": "a", "value": "b"}],
        "custom_payload": {"a": 1},
        "error": {"statusCode": 400, "message": "bad subject"},
    }
    outside.service("photos", json_answer(denial, status=status))
    assert await asking.one("photos") == Declined()


async def test_tx_row_21_claims_are_the_service_s_own_and_repeated_ones_a_list(
    asking: Asking, outside: Outside
) -> None:
    """Row 21, 3.4: by its own names here, with its prefix in a token; it cannot make a registered claim."""
    claims = [
        {"type": "geo_location", "value": "Canada"},
        {"type": "sub", "value": "u-mallory"},
        {"type": "role", "value": "owner"},
        {"type": "role", "value": ["editor", "viewer"]},
    ]
    outside.service("photos", yes(PHOTOS, claims=claims))
    decision = await asking.one("photos")
    assert isinstance(decision, Granted)
    assert decision.claims == {
        "geo_location": "Canada",
        "sub": "u-mallory",
        "role": ["owner", "editor", "viewer"],
    }
    assert set(decided({"photos": decision}, BASE).claims) == {
        "photos.geo_location",
        "photos.sub",
        "photos.role",
    }


async def test_tx_row_21_each_answer_is_told_to_the_audit_and_the_log(
    asking: Asking, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 21: authorised or not; with tenant, service, and how long it took. Nothing that the peer wrote is logged."""
    outside.service("mail", json_answer({"authorized": False, "error": {"message": "peer-text"}}, status=401))
    outside.service("photo", HttpResponse(500, body=b"peer-text"))
    await asking.registry.put(registered("photo"))
    with caplog.at_level(logging.DEBUG, "authwright"):
        await asking.all({"photos": (PHOTOS,), "mail": (MAIL,), "photo": (f"{BASE}photo",)})
    answered = [event for event in asking.audit if isinstance(event, ConsentServiceAnswered)]
    assert [replace(event, ms=0) for event in answered] == [
        ConsentServiceAnswered(tenant=TENANT, service="photos", authorized=True, ms=0),
        ConsentServiceAnswered(tenant=TENANT, service="mail", authorized=False, ms=0),
    ]
    (failed,) = (event for event in asking.audit if isinstance(event, ConsentServiceFailed))
    assert replace(failed, ms=0) == ConsentServiceFailed(
        tenant=TENANT, service="photo", reason="status", ms=0
    )
    told = {record.message for record in caplog.records}
    assert {"consent_service.answered", "consent_service.failed"} <= told
    assert "peer-text" not in repr([record.__dict__ for record in caplog.records])


async def test_tx_row_22_a_payload_is_the_service_s_member_of_one_claim(
    asking: Asking, outside: Outside
) -> None:
    """Row 22: custom_payload = {service: payload}."""
    outside.service("photos", yes(PHOTOS, custom_payload={"name": "MyCustom", "value": 1234}))
    outside.service("mail", yes(MAIL, custom_payload=[1, None]))
    decisions = await asking.all({"photos": (PHOTOS,), "mail": (MAIL,)})
    assert decided(decisions, BASE).claims == {
        "custom_payload": {"photos": {"name": "MyCustom", "value": 1234}, "mail": [1, None]}
    }


@pytest.mark.parametrize("count", [4, 16])
async def test_tx_bug_18_everything_about_a_service_happens_beside_the_others(
    outside: Outside, count: int
) -> None:
    """Defect 18: documents too are fetched at the same time. None is answered before all have been asked."""
    names = [f"s{number}" for number in range(count)]
    documents, questions = asyncio.Barrier(count), asyncio.Barrier(count)

    def meeting(barrier: asyncio.Barrier, answer: HttpResponse) -> Any:
        async def wait(_: HttpRequest) -> HttpResponse:
            await barrier.wait()
            return answer

        return wait

    for name in names:
        outside.service(name, meeting(questions, yes(BASE + name)))
        document = outside.answers[f"https://{name}.example{WELL_KNOWN}"]
        assert isinstance(document, HttpResponse)
        outside.answers[f"https://{name}.example{WELL_KNOWN}"] = meeting(documents, document)
    client = msgspec.structs.replace(CLIENT, allowed_consent_services=tuple(names))
    asking = Asking(outside, *map(registered, names))
    decisions = await asking.all({name: (BASE + name,) for name in names}, client=client)
    assert decisions == {name: Granted(scopes=(BASE + name,)) for name in names}
    assert list(decisions) == names


async def test_no_more_than_so_many_are_asked_at_once(outside: Outside) -> None:
    """A request that names a hundred services does not open a hundred connections at once."""
    at_once = [0, 0]

    async def count(request: HttpRequest) -> HttpResponse:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0)
        at_once[0] -= 1
        (scope,) = parse_request(request.body).scopes or ()
        return yes(scope)

    names = [f"s{number}" for number in range(100)]
    for name in names:
        outside.service(name, count, configuration={"scopes_supported": None})
    client = msgspec.structs.replace(CLIENT, allowed_consent_services=tuple(names))
    asking = Asking(outside, *map(registered, names))
    decisions = await asking.all({name: (BASE + name,) for name in names}, client=client)
    assert all(isinstance(decision, Granted) for decision in decisions.values())
    assert 1 < at_once[1] <= 64


async def test_a_request_that_goes_away_leaves_nothing_running(outside: Outside) -> None:
    """Cancelled with its request, a question is not asked to its end."""
    began, ended = asyncio.Event(), []

    async def hang(_: HttpRequest) -> HttpResponse:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError

    outside.service("photos", hang)
    request = asyncio.create_task(Asking(outside, registered("photos")).one("photos"))
    await began.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert ended == [True]


async def test_tx_bug_20_we_prove_who_we_are(outside: Outside) -> None:
    """Defect 20: each call is signed, for that endpoint alone, for a minute, as nothing else that we sign."""
    key, clock = SigningKey.generate("ES256"), FrozenClock()

    async def current() -> SigningKey:
        return key

    asking = Asking(
        outside,
        registered("photos"),
        registered("mail"),
        authorization=SignedCalls("https://op.example", current, clock=clock),
    )
    await asking.all({"photos": (PHOTOS,), "mail": (MAIL,)})
    posted = {request.url: request for request in outside.sent if request.method == "POST"}
    assert len(posted) == 2
    ids = set()
    for url, request in posted.items():
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        assert scheme == "Bearer"
        claims = verify_jwt(
            token, KeySet.of(key), algorithms=("ES256",), types=("consent-request+jwt",)
        ).claims
        check_claims(claims, issuer="https://op.example", audience=url, now=clock())
        assert claims["exp"] - claims["iat"] == 60
        assert "sub" not in claims
        ids.add(claims["jti"])
    assert len(ids) == 2
    # One id for all that one request asks, another for the next.
    first = {request.headers.get("x-request-id") for request in posted.values()}
    assert len(first) == 1
    await asking.one("photos")
    assert outside.sent[-1].headers.get("x-request-id") not in first


async def test_documents_are_fetched_without_our_signature(outside: Outside) -> None:
    """Whoever publishes one need not be the one who is asked."""

    async def fixed(_: str) -> str:
        return "Bearer static-credential"

    asking = Asking(outside, registered("photos"), authorization=fixed)
    await asking.one("photos")
    assert [request.headers.get("authorization") for request in outside.sent] == [
        None,
        "Bearer static-credential",
    ]
