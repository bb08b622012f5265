"""The token exchange grant, put together with the token types we know by ourselves (RFC 8693 §3)."""

from collections.abc import Sequence

from authwright.crypto.handles import Handles
from authwright.provider.accounts import Accounts
from authwright.provider.client_keys import ClientKeys
from authwright.provider.clients import Clients
from authwright.provider.events import ProviderEvents
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.foreign_tokens import ForeignJwts, ForeignTokens, IdTokens
from authwright.provider.grants.token_exchange import TokenExchangeGrant
from authwright.provider.grants.token_exchange_mutate import TokenExchangeMutateGrant, mutate_grants
from authwright.provider.local_tokens import AccessTokens, LocalIdTokens, LocalTokens, RefreshTokens
from authwright.provider.minting import Minting
from authwright.provider.scope_authority import ScopeAuthority
from authwright.provider.settings import Settings, TrustedIssuer
from authwright.provider.signing import Signing
from authwright.stores.protocols import Stores


def token_exchange_grants(
    *,
    settings: Settings,
    policy: ExchangePolicy,
    stores: Stores,
    handles: Handles,
    minting: Minting,
    signing: Signing,
    keys: ClientKeys,
    trusted_issuers: Sequence[TrustedIssuer],
    clients: Clients,
    accounts: Accounts,
    authority: ScopeAuthority | None,
    events: ProviderEvents,
) -> tuple[TokenExchangeGrant | TokenExchangeMutateGrant, ...]:
    """For access, refresh and ID tokens of ours, JWTs and ID tokens of trusted issuers, and the policy's own types.

    With it the grants that change a token in place, one for each name the policy has for them.
    """
    local = LocalTokens(tickets=stores.tickets, handles=handles, minting=minting, events=events)
    foreign = ForeignTokens(settings=settings, keys=keys, trusted_issuers=trusted_issuers)
    exchange = TokenExchangeGrant(
        settings=settings,
        policy=policy,
        validators=(
            AccessTokens(local),
            RefreshTokens(local),
            IdTokens(LocalIdTokens(settings=settings, signing=signing, sessions=stores.sessions), foreign),
            ForeignJwts(foreign),
        ),
        tickets=stores.tickets,
        minting=minting,
        clients=clients,
        accounts=accounts,
        authority=authority,
    )
    mutate = mutate_grants(
        settings=settings,
        policy=policy,
        tokens=local,
        tickets=stores.tickets,
        minting=minting,
        clients=clients,
        accounts=accounts,
        authority=authority,
    )
    return exchange, *mutate
