"""The JSON of consent, byte by byte, and what is refused as none."""

from typing import Any

import msgspec
import pytest

from authwright.consent_services.messages import (
    ConsentAnswer,
    ConsentClaim,
    ConsentConfiguration,
    ConsentError,
    ConsentRequest,
    MessageRejected,
    Requester,
    build_answer,
    build_configuration,
    build_request,
    configuration_url,
    is_callable_url,
    parse_answer,
    parse_configuration,
    parse_request,
)

BASE = "https://www.companyapis.com/auth/"
PHOTOS = (f"{BASE}myphotos", f"{BASE}myphotos.readonly")
REQUEST = ConsentRequest(
    requester=Requester(
        client_id="e12b17b3",
        client_name="SuperCorpClient",
        client_description="…",
        namespace="SuperCorp",
        tenant="zep",
    ),
    subject="1234abcd",
    scopes=PHOTOS,
)


def test_tx_shape_the_discovery_document() -> None:
    """§2.2: the three members, in this order."""
    document = ConsentConfiguration(
        authorization_endpoint="https://svc.example/myphotos/api/consent/authorize",
        scopes_supported=(*PHOTOS, f"{BASE}myphotos.modify"),
    )
    written = (
        b'{"authorization_endpoint":"https://svc.example/myphotos/api/consent/authorize",'
        b'"scopes_supported":["https://www.companyapis.com/auth/myphotos",'
        b'"https://www.companyapis.com/auth/myphotos.readonly",'
        b'"https://www.companyapis.com/auth/myphotos.modify"],'
        b'"authorization_type":"subject_and_scopes"}'
    )
    assert build_configuration(document) == written
    assert parse_configuration(msgspec.json.decode(written)) == document


def test_tx_shape_the_request() -> None:
    """§2.2: the requester's members in camel case, the rest in snake case."""
    written = (
        '{"requester":{"clientId":"e12b17b3","clientName":"SuperCorpClient","clientDescription":"…",'
        '"namespace":"SuperCorp","tenant":"zep"},"authorization_type":"subject_and_scopes",'
        '"subject":"1234abcd","scopes":["https://www.companyapis.com/auth/myphotos",'
        '"https://www.companyapis.com/auth/myphotos.readonly"]}'
    ).encode()
    assert build_request(REQUEST) == written
    assert parse_request(written) == REQUEST


def test_tx_shape_an_empty_member_of_a_request_is_sent_as_null() -> None:
    """§2.2: nulls are sent."""
    bare = ConsentRequest(requester=Requester(client_id="c"), subject="s", scopes=None)
    written = (
        b'{"requester":{"clientId":"c","clientName":null,"clientDescription":null,"namespace":null,"tenant":null},'
        b'"authorization_type":"subject_and_scopes","subject":"s","scopes":null}'
    )
    assert build_request(bare) == written
    assert parse_request(written) == bare


def test_tx_shape_the_answer() -> None:
    """§2.2: a yes with claims and a payload."""
    answer = REQUEST.allow(
        [PHOTOS[1]], claims={"geo_location": "Canada"}, payload={"name": "MyCustom", "value": 1234}
    )
    written = (
        b'{"authorized":true,"subject":"1234abcd",'
        b'"scopes":["https://www.companyapis.com/auth/myphotos.readonly"],'
        b'"claims":[{"type":"geo_location","value":"Canada"}],'
        b'"custom_payload":{"name":"MyCustom","value":1234},"error":null}'
    )
    assert build_answer(answer) == written
    assert parse_answer(written) == answer


def test_tx_shape_the_denial() -> None:
    """§2.2: a no, with what is for logs."""
    written = (
        b'{"authorized":false,"subject":"","scopes":null,"claims":null,"custom_payload":null,'
        b'"error":{"statusCode":400,"message":"bad subject"}}'
    )
    assert build_answer(REQUEST.deny("bad subject", status=400)) == written
    assert REQUEST.deny("x").error == ConsentError(403, "x")
    assert parse_answer(written) == ConsentAnswer(authorized=False)


def test_names_are_read_whatever_their_case() -> None:
    """§2.2: the services out there write them in several ways."""
    answer = parse_answer(
        b'{"Authorized":true,"Subject":"s","SCOPES":["a"],"Claims":[{"Type":"t","Value":[1,true]}],'
        b'"Custom_Payload":{"Keeps":"Its Case"}}'
    )
    assert answer == ConsentAnswer(
        authorized=True,
        subject="s",
        scopes=("a",),
        claims=(ConsentClaim("t", [1, True]),),
        custom_payload={"Keeps": "Its Case"},
    )
    request = build_request(REQUEST).replace(b'"clientId"', b'"ClientID"').replace(b'"subject"', b'"Subject"')
    assert parse_request(request) == REQUEST


GOOD: dict[str, Any] = {"authorized": True, "subject": "s", "scopes": ["a"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"authorized": "true"},
        {"authorized": 1},
        {"authorized": None},
        {"subject": 7},
        {"scopes": None},
        {"scopes": "a"},
        {"scopes": [None]},
        {"scopes": [["a"]]},
        {"scopes": [""]},
        {"scopes": ["a b"]},
        {"scopes": ['a"b']},
        {"scopes": ["a\nb"]},
        {"claims": {}},
        {"claims": [None]},
        {"claims": [{"type": "t", "value": None}]},
        {"claims": [{"type": "t"}]},
        {"claims": [{"value": "v"}]},
        {"claims": [{"type": "", "value": "v"}]},
        {"claims": [{"type": "a\x00b", "value": "v"}]},
        {"claims": [{"type": "t" * 129, "value": "v"}]},
        {"claims": [{"type": "t", "value": {"an": "object"}}]},
        {"claims": [{"type": "t", "value": [["deep"]]}]},
        {"claims": [{"type": "t", "value": [None]}]},
        {"custom_payload": "x" * 8192},
        {"claims": [{"type": "t", "value": "v" * 8192}]},
        {"custom_payload": {"n": [2**64]}},
        {"claims": [{"type": "t", "value": -(2**63) - 1}]},
        {"Authorized": False},
    ],
    ids=str,
)
def test_tx_bug_9_a_shape_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    """Defect 9: null and wrong types are named for what they are, and never crash."""
    assert parse_answer(msgspec.json.encode(GOOD)).authorized
    with pytest.raises(MessageRejected):
        parse_answer(msgspec.json.encode(GOOD | changes))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"true",
        b'"x"',
        b"{",
        b"{}",
        b'{"authorized":true,"authorized":false,"scopes":["a"]}',
        b'{"authorized":true,"scopes":["\xff"]}',
        b'{"authorized":true,"scopes":["a"],"custom_payload":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"authorized":false,"pad":"' + b"x" * 65536 + b'"}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_tx_bug_9_what_is_no_object_is_refused(body: bytes) -> None:
    """A member twice, broken text, a reply of null, too deep and too large: all the same to the caller."""
    with pytest.raises(MessageRejected):
        parse_answer(body)


@pytest.mark.parametrize(
    "change",
    [
        (b'"clientId":"e12b17b3"', b'"clientId":null'),
        (b'"subject":"1234abcd"', b'"subject":""'),
        (b'"subject":"1234abcd"', b'"subject":["1234abcd"]'),
        (b'"namespace":"SuperCorp"', b'"namespace":{}'),
        (b'"authorization_type":"subject_and_scopes"', b'"authorization_type":7'),
    ],
    ids=lambda change: change[1].decode(),
)
def test_a_request_that_is_none_is_refused(change: tuple[bytes, bytes]) -> None:
    """The owner's side is as strict with the provider as the provider with it."""
    broken = build_request(REQUEST).replace(*change)
    assert broken != build_request(REQUEST)
    with pytest.raises(MessageRejected):
        parse_request(broken)


def test_tx_row_19_a_missing_type_is_the_default_and_an_unknown_one_an_error() -> None:
    """Row 19: unknown type = discovery error; missing = subject_and_scopes."""
    endpoint = {"authorization_endpoint": "https://s.example/a"}
    assert parse_configuration(endpoint).authorization_type == "subject_and_scopes"
    assert parse_configuration(endpoint | {"authorization_type": None}).scopes_supported is None
    assert parse_configuration({"authorization_type": "implicit"}).authorization_endpoint is None
    for kind in ("subject", "", 7, "IMPLICIT"):
        with pytest.raises(MessageRejected, match="authorization_type"):
            parse_configuration(endpoint | {"authorization_type": kind})


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"authorization_endpoint": None},
        {"authorization_endpoint": 7},
        {"authorization_endpoint": "https://s.example/a", "scopes_supported": "a b"},
        {"authorization_endpoint": "https://s.example/a", "scopes_supported": [None]},
    ],
    ids=str,
)
def test_a_configuration_that_is_none_is_refused(content: Any) -> None:
    """Whatever a service publishes, it is a configuration or an error."""
    with pytest.raises(MessageRejected):
        parse_configuration(content)


@pytest.mark.parametrize(
    ("authority", "url"),
    [
        ("https://s.example", "https://s.example/.well-known/consent-configuration"),
        ("https://s.example/", "https://s.example/.well-known/consent-configuration"),
        ("https://s.example/myphotos//", "https://s.example/myphotos/.well-known/consent-configuration"),
        (
            "https://s.example/x/.well-known/consent-configuration",
            "https://s.example/x/.well-known/consent-configuration",
        ),
    ],
)
def test_where_the_configuration_is(authority: str, url: str) -> None:
    """§2.2: the authority may already end with it; trailing slashes do not count."""
    assert configuration_url(authority) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://s.example/a",
        "http://localhost.evil.example/a",
        "ftp://s.example/a",
        "//s.example/a",
        "/a",
        "https://",
        "https://user@s.example/a",
        "https://s.example/a#b",
        "https://s.example\\@evil.example/",
        "https://s.example/a b",
        "https://[::1/",
        "",
    ],
)
def test_tx_bug_22_what_may_not_be_called_is_known_by_its_url(url: str) -> None:
    """Defect 22: https for the endpoint as for the document; http on loopback only."""
    assert not is_callable_url(url)
    assert is_callable_url("https://s.example:8443/a?b=c")
    assert is_callable_url("http://localhost:9001/a")
    assert is_callable_url("http://127.0.0.1/a")
