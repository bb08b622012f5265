"""HTTP to the outside, behind a guard; the only importer of httpx2 and its connection layer httpcore2."""

from authwright.http_client.guard import OutboundFailed, OutboundRefused
from authwright.http_client.guarded_client import GuardedClient

__all__ = ["GuardedClient", "OutboundFailed", "OutboundRefused"]
