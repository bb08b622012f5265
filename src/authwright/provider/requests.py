"""What is known of a request after each phase; holding the later type is the proof that the earlier checks passed."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from authwright.protocol.client_credentials import ClientCredentials
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import Params
from authwright.records import Client
from authwright.remote.dpop import ProvenKey
from authwright.ticket import Confirmation, SingleUse

P = TypeVar("P")


class TokenRequest(msgspec.Struct, Generic[P], frozen=True):
    """Read and bounded; nobody is believed yet."""

    grant_type: str
    credentials: ClientCredentials
    scope: tuple[str, ...] | None
    """None when none was sent."""
    resource: tuple[str, ...]
    grant: P
    """What the grant's `parse` made of its own parameters."""
    params: Params
    http: HttpRequest


class ClientAuthentication(msgspec.Struct, frozen=True):
    """The client is who it says: it authenticated by `method`, or it is public and `method` is "none"."""

    client: Client
    method: str
    single_use: SingleUse | None = None
    """The assertion's id, not yet claimed: to be claimed before anything is written or given. None = nothing to claim."""

    @property
    def confidential(self) -> bool:
        return self.method != "none"


class AuthenticatedTokenRequest(msgspec.Struct, Generic[P], frozen=True):
    """The only thing a grant sees."""

    issuer: str
    tenant: str
    now: datetime
    authentication: ClientAuthentication
    request: TokenRequest[P]
    confirmation: Confirmation | None = None
    """The key it proves to hold: what is issued is bound to it."""
    proof: ProvenKey | None = None
    """The DPoP proof, not yet claimed, as the assertion in `authentication`."""

    @property
    def client(self) -> Client:
        return self.authentication.client
