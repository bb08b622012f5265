"""Every default page, filled in as the provider fills them."""

from collections.abc import Awaitable, Callable

from authwright.protocol.http import HttpResponse
from authwright.provider.pages import (
    BackchannelPage,
    ConfirmLogoutPage,
    ConsentPage,
    DeviceCodePage,
    DeviceConfirmPage,
    DeviceDonePage,
    ErrorPage,
    Form,
    FormPostPage,
    LoginPage,
    NothingPendingPage,
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

DEVICE_CODE = DeviceCodePage(form=FORM, user_code="BCDF-GHJK")
WRONG_DEVICE_CODE = DeviceCodePage(
    form=FORM, user_code="BCDF-GHJK", problem="This code is not known, or it has expired.", status=400
)
DEVICE_CONFIRM = DeviceConfirmPage(
    form=FORM,
    user_code="BCDF-GHJK",
    client_name="Living room TV",
    client_uri="https://tv.example",
    policy_uri="https://tv.example/privacy",
    tos_uri="",
    account="Alice Example",
    scopes=("openid", "profile", "offline_access", "albums.read"),
    resources=("https://api.example",),
)

BACKCHANNEL = BackchannelPage(
    form=FORM,
    client_name="The bank",
    client_uri="https://bank.example",
    policy_uri="",
    tos_uri="",
    account="Alice Example",
    binding_message="W4SCT",
    scopes=("openid", "profile", "payments"),
    further=2,
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
    "device code": lambda pages: pages.device(DEVICE_CODE),
    "wrong device code": lambda pages: pages.device(WRONG_DEVICE_CODE),
    "device": lambda pages: pages.device(DEVICE_CONFIRM),
    "device connected": lambda pages: pages.device(
        DeviceDonePage(client_name="Living room TV", allowed=True)
    ),
    "device refused": lambda pages: pages.device(DeviceDonePage(client_name="Living room TV", allowed=False)),
    "backchannel request": lambda pages: pages.backchannel(BACKCHANNEL),
    "nothing pending": lambda pages: pages.backchannel(NothingPendingPage(account="Alice Example")),
}
