"""The provider: authorize, token, userinfo, introspection, revocation, logout, discovery. Knows HttpRequest, not ASGI."""
