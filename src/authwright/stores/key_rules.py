"""The rule all key stores share: at most one active key for each algorithm."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from authwright.records import KeyState, SigningKeyRecord


def one_active(records: Iterable[SigningKeyRecord]) -> bool:
    """Whether no algorithm has two active keys."""
    active = [record.algorithm for record in records if record.state is KeyState.ACTIVE]
    return len(active) == len(set(active))


def changed_keys(
    stored: Mapping[str, SigningKeyRecord], changes: Sequence[tuple[SigningKeyRecord, SigningKeyRecord]]
) -> dict[str, SigningKeyRecord] | None:
    """All keys by `kid` as they would be after the changes, without those that are gone; None when they may not be."""
    then = dict(stored)
    for before, after in changes:
        current = then.get(before.kid)
        if current is None or current.version != before.version:
            return None
        then[before.kid] = msgspec.structs.replace(after, kid=before.kid, version=before.version + 1)
    kept = {kid: record for kid, record in then.items() if record.state is not KeyState.GONE}
    return kept if one_active(kept.values()) else None
