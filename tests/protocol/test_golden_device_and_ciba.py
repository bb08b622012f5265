"""Messages of RFC 8628 and CIBA Core as the documents print them, line breaks for display taken out."""

import msgspec

from authwright.protocol.ciba import build_backchannel_response, build_ping, parse_backchannel_response
from authwright.protocol.device import (
    DEVICE_CODE,
    build_device_authorization_request,
    build_device_authorization_response,
    parse_device_authorization_request,
    parse_device_authorization_response,
)
from authwright.protocol.params import parse_form
from authwright.protocol.token import build_token_request, parse_token_request

FORM = "application/x-www-form-urlencoded"


def test_rfc_8628_3_1_and_3_2_device_authorization() -> None:
    """What a public client asks, and what it is told to show."""
    body = b"client_id=1406020730&scope=example_scope"
    asked = parse_device_authorization_request(parse_form(FORM, body))
    assert (asked.scope, asked.resource) == (("example_scope",), ())
    written = build_device_authorization_request(
        scope=("example_scope",), client=(("client_id", "1406020730"),)
    )
    assert sorted(written.split(b"&")) == sorted(body.split(b"&"))
    content = msgspec.json.decode(
        b"""{
      "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
      "user_code": "WDJB-MJHT",
      "verification_uri": "https://example.com/device",
      "verification_uri_complete":
          "https://example.com/device?user_code=WDJB-MJHT",
      "expires_in": 1800,
      "interval": 5
    }"""
    )
    begun = parse_device_authorization_response(content)
    assert (begun.user_code, begun.expires_in, begun.interval) == ("WDJB-MJHT", 1800, 5)
    assert build_device_authorization_response(begun) == content


def test_rfc_8628_3_4_device_access_token_request() -> None:
    """The device asks whether somebody has answered."""
    body = (
        b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
        b"&device_code=GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS&client_id=1406020730"
    )
    parsed = parse_token_request(parse_form(FORM, body))
    assert parsed.grant_type == DEVICE_CODE
    assert parsed.params.require("device_code") == "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"
    written = build_token_request(
        DEVICE_CODE,
        {"device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"},
        client=(("client_id", "1406020730"),),
    )
    assert written == body


def test_ciba_7_3_and_10_2_acknowledgement_and_ping() -> None:
    """The request is known by an id, and the ping says that id and nothing else."""
    content = msgspec.json.decode(
        b"""{
     "auth_req_id": "1c266114-a1be-4252-8ad1-04986c5b9ac1",
     "expires_in": 120,
     "interval": 2
    }"""
    )
    begun = parse_backchannel_response(content)
    assert (begun.expires_in, begun.interval) == (120, 2)
    assert build_backchannel_response(begun) == content
    ping = b"""{
     "auth_req_id": "1c266114-a1be-4252-8ad1-04986c5b9ac1"
    }"""
    assert msgspec.json.decode(build_ping(begun.auth_req_id)) == msgspec.json.decode(ping)
