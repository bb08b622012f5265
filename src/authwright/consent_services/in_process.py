"""Services that are functions of this process: for an application that decides itself, and for tests."""

from collections.abc import Mapping
from datetime import timedelta

from authwright.consent_services.authority import DEADLINE, Answered, ConsentScopeAuthority
from authwright.consent_services.messages import ConsentRequest, Decide, build_answer, parse_answer
from authwright.provider.audit import Audit
from authwright.records import ConsentService


class _Functions:
    """A registry of functions, the same for every tenant, and the way to them."""

    def __init__(self, functions: Mapping[str, Decide], may_add_scopes: bool) -> None:
        self._functions = dict(functions)
        self._may_add_scopes = may_add_scopes

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        if name not in self._functions:
            return None
        return ConsentService(name=name, authority="", tenant=tenant, may_add_scopes=self._may_add_scopes)

    async def ask(self, service: ConsentService, request: ConsentRequest, request_id: str) -> Answered:
        answer = await self._functions[service.name](request)
        # Through the bytes, so that what is refused over HTTP is refused here.
        return Answered(parse_answer(build_answer(answer)))


def in_process_authority(
    functions: Mapping[str, Decide],
    *,
    base_scope: str,
    may_add_scopes: bool = False,
    audit: Audit | None = None,
    deadline: timedelta = DEADLINE,
) -> ConsentScopeAuthority:
    """A `ScopeAuthority` over functions by service name. Namespaces and allow-lists hold as over HTTP."""
    known = _Functions(functions, may_add_scopes)
    return ConsentScopeAuthority(
        base_scope=base_scope, services=known, ask=known.ask, audit=audit, deadline=deadline
    )
