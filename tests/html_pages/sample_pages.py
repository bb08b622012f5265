"""Every default page, filled in as the provider fills them."""

from collections.abc import Awaitable, Callable

from authwright.protocol.http import HttpResponse
from authwright.provider.pages import (
    ConfirmLogoutPage,
    ConsentPage,
    ErrorPage,
    Form,
    FormPostPage,
    LoginPage,
    Pages,
    SignedOutPage,
)

FORM = Form(action="/authorize/login", hidden=(("interaction", "sealed"),), targets=("https://app.example",))
LOGIN = LoginPage(form=FORM, client_name="Photo Studio", redirect_host="app.example")
WRONG_LOGIN = LoginPage(
    form=FORM,
    client_name="Photo Studio",
    redirect_host="app.example",
    username="alice",
    problem="Wrong username or password.",
    status=400,
)
CHOICE = LoginPage(
    form=FORM, client_name="Photo Studio", redirect_host="app.example", account="Alice Example"
)
CONSENT = ConsentPage(
    form=FORM,
    client_name="Photo Studio",
    client_uri="https://photos.example",
    policy_uri="https://photos.example/privacy",
    tos_uri="",
    redirect_host="app.example",
    account="Alice Example",
    scopes=("openid", "profile", "offline_access", "albums.read"),
    resources=("https://api.example",),
)
ERROR = ErrorPage(
    status=400,
    error="invalid_request",
    description="The redirect_uri is not registered for this client.",
)
CONFIRM = ConfirmLogoutPage(form=FORM, client_name="Photo Studio", account="Alice Example")
FORM_POST = FormPostPage(
    action="https://app.example/callback",
    fields=(("code", "c"), ("state", "s")),
    client_name="Photo Studio",
    redirect_host="app.example",
)

SAMPLES: dict[str, Callable[[Pages], Awaitable[HttpResponse]]] = {
    "login": lambda pages: pages.login(LOGIN),
    "wrong login": lambda pages: pages.login(WRONG_LOGIN),
    "account choice": lambda pages: pages.login(CHOICE),
    "consent": lambda pages: pages.consent(CONSENT),
    "error": lambda pages: pages.error(ERROR),
    "signed out": lambda pages: pages.signed_out(SignedOutPage(client_name="Photo Studio")),
    "sign out": lambda pages: pages.confirm_logout(CONFIRM),
    "form post": lambda pages: pages.form_post(FORM_POST),
}
