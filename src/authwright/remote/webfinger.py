"""From what a user types to the issuer that can sign them in (RFC 7033, OpenID Connect Discovery 1.0 §2)."""

from urllib.parse import urlsplit

from authwright.protocol.http import Fetch
from authwright.protocol.params import encode
from authwright.remote.documents import RemoteFault, fetch_json

RELATION = "http://openid.net/specs/connect/1.0/issuer"
MAX_IDENTIFIER = 512


def resource_of(identifier: str) -> tuple[str, str]:
    """The resource an identifier stands for, and the host to ask (Discovery §2.1.2). Raises ValueError."""
    text = identifier.strip()
    if not text or len(text) > MAX_IDENTIFIER or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("the identifier is not one that can be looked up")
    if "\\" in text or text.startswith(("=", "@", "!")):
        raise ValueError("the identifier is not one that can be looked up")
    resource = text.partition("#")[0]
    if not resource.startswith(("acct:", "https://", "http://")):
        # With a user and nothing of a URL behind it, it is an account; else the address of a page.
        is_account = "@" in resource and not any(mark in resource for mark in "/?:")
        resource = f"acct:{resource}" if is_account else f"https://{resource}"
    if resource.startswith("acct:"):
        host = resource.rpartition("@")[2]
        if resource.count("@") != 1 or not resource.removeprefix("acct:").partition("@")[0]:
            raise ValueError("the identifier is not one that can be looked up")
    else:
        host = urlsplit(resource).netloc
    parts = urlsplit(f"https://{host}")
    if not parts.hostname or parts.path or parts.query or "@" in host:
        raise ValueError("the identifier is not one that can be looked up")
    return resource, host


async def find_issuer(fetch: Fetch, identifier: str) -> str:
    """The issuer of a user's identifier, as `alice@example.com`. Raises ValueError or RemoteFault.

    Whoever owns the identifier's host says which it is: whether that issuer is to be trusted is the caller's to decide.
    """
    resource, host = resource_of(identifier)
    query = encode((("resource", resource), ("rel", RELATION)))
    # RFC 7033 §4: https, whatever the identifier says.
    content = await fetch_json(fetch, f"https://{host}/.well-known/webfinger?{query}")
    links = content.get("links") if isinstance(content, dict) else None
    for link in links if isinstance(links, list) else ():
        issuer = link.get("href") if isinstance(link, dict) and link.get("rel") == RELATION else None
        if isinstance(issuer, str) and _is_issuer(issuer):
            return issuer
    raise RemoteFault("no_issuer")


def _is_issuer(text: str) -> bool:
    # Discovery §3: https, no query, no fragment.
    parts = urlsplit(text) if text.isascii() and text.isprintable() and " " not in text else None
    return (
        parts is not None
        and parts.scheme == "https"
        and bool(parts.hostname)
        and not {"?", "#", "@", "\\"} & set(text)
    )
