"""Which numbers `/metrics` gives, and where each is kept: a fixed list, so that nothing a client sends can add to it.

Every worker keeps the same list in the same order, and a label has one of the values named here or "other".
"""

import zlib
from bisect import bisect_left

from authwright.protocol.ciba import CIBA
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.token import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    JWT_BEARER,
    PASSWORD,
    REFRESH_TOKEN,
)

OTHER = "other"

ENDPOINTS = (
    "/authorize",
    "/backchannel_authentication",
    "/check_session",
    "/device",
    "/device_authorization",
    "/end_session",
    "/introspect",
    "/jwks",
    "/par",
    "/register",
    "/revoke",
    "/token",
    "/userinfo",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    OTHER,
)
"""Paths below the issuer's; all pages that only a browser goes to on its way are "other"."""

STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

BOUNDS_NS = (
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
)
"""Upper ends of the histogram's buckets, in nanoseconds; a last one without an end follows."""

GRANT_TYPES = (
    AUTHORIZATION_CODE,
    REFRESH_TOKEN,
    CLIENT_CREDENTIALS,
    PASSWORD,
    JWT_BEARER,
    DEVICE_CODE,
    CIBA,
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:authwright:params:oauth:grant-type:token-exchange-mutate",
    "urn:ietf:params:oauth:grant-type:token-exchange-mutate",
    OTHER,
)

REASONS = (
    "assertion.replay",
    "auth_req_id.denied",
    "auth_req_id.expired",
    "auth_req_id.push",
    "auth_req_id.redeemed",
    "auth_req_id.scope_withdrawn",
    "auth_req_id.unknown",
    "auth_req_id.user_gone",
    "authorization_code.reuse",
    "authorization_code.wrong_client",
    "ciba.public_client",
    "client.assertion_incomplete",
    "client.assertion_malformed",
    "client.assertion_replay",
    "client.assertion_type",
    "client.auth_failed",
    "client.auth_missing",
    "client.basic_malformed",
    "client.certificate_invalid",
    "client.certificate_missing",
    "client.certificate_subject",
    "client.certificate_unknown",
    "client.grant_not_allowed",
    "client.id_mismatch",
    "client.limit",
    "client.method",
    "client.missing",
    "client.overloaded",
    "client.public",
    "client.two_methods",
    "client.unknown",
    "code.dpop_jkt",
    "code.expired",
    "code.redirect_mismatch",
    "code.redirect_missing",
    "code.reuse",
    "code.unknown",
    "code.user_gone",
    "device_code.denied",
    "device_code.expired",
    "device_code.redeemed",
    "device_code.scope_withdrawn",
    "device_code.unknown",
    "device_code.user_gone",
    "dos.limit",
    "dpop.beside_certificate",
    "dpop.missing",
    "dpop.nonce",
    "dpop.replay",
    "event.answered_late",
    "event.no_ticket",
    "event.other_client",
    "generator.no_access_token",
    "generator.no_id_token",
    "generator.nothing_to_rewrite",
    "grant.revoked",
    "invalid_grant",
    "invalid_request",
    "mtls.no_certificate",
    "password.credentials",
    "password.overloaded",
    "pkce.downgrade",
    "pkce.fail",
    "pkce.malformed",
    "pkce.missing",
    "poll.at_once",
    "poll.pending",
    "poll.too_soon",
    "refresh.binding",
    "refresh.confidential",
    "refresh.expired",
    "refresh.grace_rekeyed",
    "refresh.other_key",
    "refresh.retries",
    "refresh.reuse",
    "refresh.scope_withdrawn",
    "refresh.unknown",
    "refresh.user_gone",
    "refresh_token.reuse",
    "refresh_token.wrong_client",
    "req.duplicate_param",
    "req.in_query",
    "req.response_type",
    "resource.beyond_grant",
    "resource.unknown",
    "scope.beyond_grant",
    "scope.none_granted",
    "scope.not_registered",
    "scope.user_only",
    "server_error",
    "storage.unavailable",
    "store.concurrent_update",
    "store.conflict",
    "store.contention",
    "ticket.no_presenters",
    "unsupported_grant_type",
    OTHER,
)
"""Log reasons that a token request may be refused for. A reason that is not here, an application's own say, is "other"."""

FAMILIES = (
    "client.assertion",
    "assertion",
    "dpop",
    "exchange",
    "jwks_uri",
)
"""Reasons that begin like this and have no entry of their own count together; which one it was is in the log."""

REPLAYS = ("code", "refresh_token")
SIGN_INS = ("completed", "failed")

ANSWERED = len(STATUSES) + len(BOUNDS_NS) + 2
"""Cells of an endpoint: one for each class of status, one for each bucket, and the sum of all durations in µs."""
DURATIONS = len(STATUSES)
SUM = ANSWERED - 1

_REASON_LABELS = (*REASONS, *(f"{family}.*" for family in FAMILIES))
REFUSED = ANSWERED * len(ENDPOINTS)
ISSUED = REFUSED + len(GRANT_TYPES) * len(_REASON_LABELS)
REPLAYED = ISSUED + len(GRANT_TYPES)
SIGNED_IN = REPLAYED + len(REPLAYS)
STORE_FAULTS = SIGNED_IN + len(SIGN_INS)
CELLS = STORE_FAULTS + 1

LAYOUT = zlib.crc32(repr((ENDPOINTS, BOUNDS_NS, GRANT_TYPES, _REASON_LABELS, REPLAYS, SIGN_INS)).encode())
"""Tells two lists apart, so that workers of two versions never add up what means different things."""

_GRANT_INDEX = {grant_type: index for index, grant_type in enumerate(GRANT_TYPES)}
_REASON_INDEX = {reason: index for index, reason in enumerate(_REASON_LABELS)}


def bucket(nanoseconds: int) -> int:
    """Which bucket a duration falls into."""
    return bisect_left(BOUNDS_NS, nanoseconds)


def endpoint_cell(name: str) -> int:
    """The first cell of an endpoint, by its path below the issuer's."""
    return ANSWERED * (ENDPOINTS.index(name) if name in ENDPOINTS else len(ENDPOINTS) - 1)


def issued_cell(grant_type: str) -> int:
    return ISSUED + _GRANT_INDEX.get(grant_type, len(GRANT_TYPES) - 1)


def refused_cell(grant_type: str | None, reason: str) -> int:
    """`reason` as it stands in the log."""
    grant = _GRANT_INDEX.get(grant_type or "", len(GRANT_TYPES) - 1)
    return REFUSED + grant * len(_REASON_LABELS) + _reason_index(reason.partition(":")[0])


def _reason_index(code: str) -> int:
    known = _REASON_INDEX.get(code)
    if known is not None:
        return known
    for family in FAMILIES:
        if code.startswith((family + ".", family + "_")):
            return _REASON_INDEX[f"{family}.*"]
    return _REASON_INDEX[OTHER]


def refused_labels(offset: int) -> tuple[str, str]:
    """The grant type and the reason of the cell that far from `REFUSED`."""
    grant, reason = divmod(offset, len(_REASON_LABELS))
    return GRANT_TYPES[grant], _REASON_LABELS[reason]
