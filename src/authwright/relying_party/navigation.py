"""Whether a request is a person going somewhere or a script at work: only the former is sent away to sign in.

A background request cannot show a login page, and each one redirected would leave a login attempt behind.
"""

from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response


def is_navigation(request: HttpRequest) -> bool:
    """A request whose answer a person will look at (Fetch Metadata where sent, else what it accepts)."""
    if not is_not_script(request):
        return False
    return any("html" in accepted.lower() for accepted in request.headers.many("accept"))


def is_not_script(request: HttpRequest) -> bool:
    """As `is_navigation`, but a plain client that names no media type counts as well: it asked for a login."""
    headers = request.headers
    # Sec-Purpose: fetched ahead, perhaps for nobody; a login begun for it would push out one that somebody wants.
    if "prefetch" in (headers.get("sec-purpose") or ""):
        return False
    if (headers.get("sec-fetch-mode") or "navigate") != "navigate":
        return False
    if (headers.get("sec-fetch-dest") or "document") != "document":
        return False
    return headers.get("x-requested-with") is None


def login_needed(login_url: str) -> HttpResponse:
    """What a script is told: 401, and where a person can sign in."""
    # RFC 9110 §15.5.2 asks for a challenge; this scheme is one no browser opens a password box for.
    headers = Headers.of({"www-authenticate": "Session"})
    return json_response(401, {"error": "login_required", "login_url": login_url}, headers)


def own_target(request: HttpRequest) -> str | None:
    """Where the request itself wanted to go; what is not a GET cannot be repeated after the sign-in."""
    if request.method not in ("GET", "HEAD"):
        return None
    return f"{request.path}?{request.query}" if request.query else request.path
