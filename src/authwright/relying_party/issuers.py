"""Which issuers a relying party takes tokens from: one, or those a template and an allow-list of tenants describe.

OpenID Connect Discovery 1.0 §4.3 wants one issuer, compared exactly. A provider with tenants publishes one document
whose issuer holds a placeholder; each token then names its tenant, and its issuer is the template filled with it.
"""

from collections.abc import Collection, Mapping

from authwright.protocol.http import Json
from authwright.protocol.id_token import IdTokenRejected

PLACEHOLDER = "{tenantid}"
TENANT_CLAIM = "tid"


class Issuers:
    """`issuer` itself, or the issuers its template makes of `tenants`."""

    __slots__ = ("_allowed", "_tenants", "issuer")

    def __init__(self, issuer: str, tenants: Collection[str] = ()) -> None:
        """Raises ValueError unless a template comes with tenants, and tenants with a template."""
        is_template = "{" in issuer or "}" in issuer
        if is_template and (issuer.count(PLACEHOLDER) != 1 or issuer.count("{") + issuer.count("}") != 2):
            raise ValueError(f"issuer: a template has {PLACEHOLDER} once, and no other braces")
        if is_template != bool(tenants):
            raise ValueError(f"tenants: the ones allowed, for an issuer with {PLACEHOLDER}")
        if isinstance(tenants, str) or any(
            not tenant.isascii() or not _is_plain(tenant) for tenant in tenants
        ):
            raise ValueError("tenants: a list of names of letters, digits, '-', '.' and '_'")
        self.issuer: str = issuer
        self._tenants = {tenant: issuer.replace(PLACEHOLDER, tenant) for tenant in tenants}
        self._allowed = frozenset(self._tenants.values()) if is_template else frozenset((issuer,))

    def overlaps(self, other: "Issuers") -> bool:
        """Whether there is an issuer that both accept."""
        return not self._allowed.isdisjoint(other._allowed)

    def accepts(self, issuer: str) -> bool:
        """Whether `issuer` is ours, or one of the tenants'."""
        return issuer in self._allowed

    def named_in(self, claims: Mapping[str, Json]) -> str | None:
        """The issuer that claims name, None unless it is one we accept."""
        issuer = claims.get("iss")
        return issuer if isinstance(issuer, str) and self.accepts(issuer) else None

    def of(self, claims: Mapping[str, Json]) -> str:
        """The issuer a token with these claims must have. Raises IdTokenRejected for a tenant that is not allowed."""
        if not self._tenants:
            return self.issuer
        tenant = claims.get(TENANT_CLAIM)
        issuer = self._tenants.get(tenant) if isinstance(tenant, str) else None
        if issuer is None:
            raise IdTokenRejected("tenant")
        return issuer


def _is_plain(tenant: str) -> bool:
    return bool(tenant.strip("-._")) and all(
        character.isalnum() or character in "-._" for character in tenant
    )
