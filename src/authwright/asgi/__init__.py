"""The only place that speaks ASGI: the rest of authwright sees `HttpRequest` and `HttpResponse`."""

from authwright.asgi.provider_app import ProviderApp
from authwright.asgi.types import ASGIApp

__all__ = ["ASGIApp", "ProviderApp"]
