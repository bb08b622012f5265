"""Numbered migrations: `sql/<engine>/0001_name.sql`, applied in order, each once, remembered with a checksum."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationMismatch(Exception):
    """The database was made by other migration files than these; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Hex of SHA-256 over the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> tuple[str, ...]:
        """Its statements one by one; each ends with a semicolon at the end of a line."""
        return tuple(part.strip() for part in re.split(r";[ \t]*\n", self.sql) if part.strip())


@cache
def migrations(engine: str) -> tuple[Migration, ...]:
    """All steps for "sqlite" or "postgres", in order."""
    found = []
    for file in files("authwright.stores").joinpath("sql", engine).iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            text = file.read_text("utf-8").replace("\r\n", "\n")
            found.append(Migration(number=int(match[1]), name=file.name.removesuffix(".sql"), sql=text))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationMismatch(f"the {engine} migrations are not numbered 1, 2, 3 …")
    return tuple(found)


def outstanding(known: Sequence[Migration], applied: Mapping[int, str]) -> tuple[Migration, ...]:
    """What is left to run, given the checksums of what ran. Raises MigrationMismatch when one differs.

    Numbers above ours are a newer version's, which may be running beside this one; they are left alone.
    """
    for migration in known:
        checksum = applied.get(migration.number)
        if checksum is not None and checksum != migration.checksum:
            raise MigrationMismatch(f"migration {migration.name} was applied with other contents")
    return tuple(migration for migration in known if migration.number not in applied)
