"""What an application writes at its routes: who may come in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from authwright.asgi.login_required import login_required
from authwright.asgi.visitor import OptionalUser, RequiredUser, SignIn
from authwright.protocol.http import Json
from authwright.relying_party.requirement import SignInRequirement

R = TypeVar("R", bound=Callable[..., Any])


class SignInRoutes:
    """Dependencies and a decorator, for one provider or several."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in
        self.user: RequiredUser = RequiredUser(sign_in)
        """Dependency: the signed-in user, or LoginRequired."""
        self.optional_user: OptionalUser = OptionalUser(sign_in)
        """Dependency: the signed-in user, or None."""

    def require(
        self,
        *,
        scopes: Sequence[str] = (),
        acr: str | Sequence[str] = (),
        max_age: int | None = None,
        claims: Mapping[str, Json] | None = None,
    ) -> RequiredUser:
        """Dependency: the signed-in user, as far as all of this is met.

        `scopes` were granted; the user signed in by one of `acr`, no more than `max_age` seconds ago; each claim has
        this value, or is a list that holds it. Where a new sign-in can mend it, the user is sent to one, else refused.
        Raises ValueError for what nobody can meet.
        """
        needed = SignInRequirement(
            scopes=tuple(scopes),
            acr_values=(acr,) if isinstance(acr, str) else tuple(acr),
            max_age=max_age,
            claims=dict(claims or {}),
        )
        return RequiredUser(self._sign_in, needed)

    @overload
    def login_required(self, route: R, /) -> R: ...
    @overload
    def login_required(
        self,
        /,
        *,
        scopes: Sequence[str] = ...,
        acr: str | Sequence[str] = ...,
        max_age: int | None = ...,
        claims: Mapping[str, Json] | None = ...,
    ) -> Callable[[R], R]: ...
    def login_required(
        self,
        route: Any = None,
        /,
        *,
        scopes: Sequence[str] = (),
        acr: str | Sequence[str] = (),
        max_age: int | None = None,
        claims: Mapping[str, Json] | None = None,
    ) -> Any:
        """Decorator for routes of Starlette, Quart and Django: as `user`, or as `require` with its arguments."""
        required = self.require(scopes=scopes, acr=acr, max_age=max_age, claims=claims)
        decorate: Callable[[Any], Any] = login_required(required)
        return decorate if route is None else decorate(route)
