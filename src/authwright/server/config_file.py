"""Reading TOML and environment variables into frozen types, with errors an operator can act on.

A type is a `Section`: a frozen struct whose fields are the keys. What msgspec cannot say about a key (that it is a
secret, its choices, its bounds) is a `Key` in its annotation.
"""

import difflib
import json
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

PREFIX = "AUTHWRIGHT__"
S = TypeVar("S", bound="Section")


class ConfigurationError(Exception):
    """A mistake of the operator's, as one line: file or variable, key, what was found, what is allowed."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the configuration."""

    def __repr__(self) -> str:
        # Any table may hold a secret, so none is shown.
        return f"{type(self).__name__}(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a key takes beyond its type."""

    secret: bool = False
    """Its value is never shown, and `<KEY>_FILE` in the environment names a file that holds it."""
    allowed: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    lacks: tuple[tuple[str, str], ...] = ()
    """Some of `later`, each with what it waits for."""
    """Values the contract knows that this version does not offer."""
    unavailable: bool = False
    """Nothing but the default works in this version."""
    least: int | None = None
    most: int | None = None


PLAIN = Key()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was read and where each part came from."""

    file: Path
    content: Mapping[str, Any]
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    """Path of a key to the environment variable that set it."""

    @classmethod
    def of(cls, file: Path, environment: Mapping[str, str]) -> "Source":
        """The file, parsed. Raises ConfigurationError when it is missing, unreadable or no TOML."""
        try:
            text = file.read_bytes().decode("utf-8")
        except FileNotFoundError:
            raise ConfigurationError(
                f"{file}: there is no such file; `authwright init` writes one, or name another with --config"
            ) from None
        except OSError as error:
            raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{file}: is not UTF-8 text") from None
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            # The parser's message may quote the line's text only as single characters, never a whole value.
            raise ConfigurationError(f"{file}: is not TOML: {_one_line(str(error))}") from None
        return cls(file=file, content=content, environment=environment, variables={})

    def error(self, path: str, problem: str) -> ConfigurationError:
        """`problem` at `path`, with the file or the variable in front."""
        variable = next((name for key, name in self.variables.items() if _covers(key, path)), None)
        where = f"environment variable {variable}" if variable else str(self.file)
        return ConfigurationError(f"{where}: {path}: {_one_line(problem)}" if path else f"{where}: {problem}")

    def read_file(self, written: str, path: str) -> str:
        """The text of a file named at `path`, without the line's end. Raises ConfigurationError."""
        target = self.file.parent / written
        try:
            text = target.read_text("utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise self.error(path, f"the file {target} cannot be read: {reason}") from None
        if not text.strip():
            raise self.error(path, f"the file {target} is empty")
        return text.rstrip("\r\n")


def with_environment(source: Source, section: type[Section], environment: Mapping[str, str]) -> Source:
    """`source` with every `AUTHWRIGHT__SECTION__KEY` variable laid over it. Raises ConfigurationError."""
    content, variables = _copied(source.content), dict(source.variables)
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        parts = [part.lower() for part in name.removeprefix(PREFIX).split("__")]
        path, _value = _override(source, name, section, content, parts, environment[name])
        variables[path] = name
    return replace(source, content=content, variables=variables)


def read_table(section: type[S], source: Source) -> S:
    """The whole of `source` as `section`. Raises ConfigurationError for the first mistake."""
    return _read_section(section, source.content, "", source)


def _read_section(section: type[S], table: Mapping[str, Any], path: str, source: Source) -> S:
    known = _fields(section)
    for name in table:
        if name not in known:
            raise _unknown(source, section, path, name)
    values: dict[str, Any] = {}
    for name, (annotation, key, required, default) in known.items():
        at = f"{path}.{name}" if path else name
        if name in table:
            value = _read_value(annotation, key, table[name], at, source)
            if key.unavailable and value != default:
                raise source.error(
                    at, f"is not available in this version; leave it out (default: {shown(default)})"
                )
            values[name] = value
        elif required:
            raise source.error(at, "is missing; it has no default")
    return section(**values)


def _read_value(annotation: Any, key: Key, value: Any, path: str, source: Source) -> Any:
    annotation, key = _unwrapped(annotation, key)
    if isinstance(value, str) and value.startswith(("env:", "file:")):
        key = replace(key, secret=True)
        value = _resolved(value, path, source)
        if annotation is not str:
            value = _parsed(annotation, value, path, source)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        if not isinstance(value, dict):
            raise _wrong_type(source, path, "a table", value, key)
        return _read_section(annotation, value, path, source)
    origin = get_origin(annotation)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong_type(source, path, "a list", value, key)
        member = get_args(annotation)[0]
        return tuple(
            _read_value(member, PLAIN, item, f"{path}[{index}]", source) for index, item in enumerate(value)
        )
    if origin in (Mapping, typing.get_origin(Mapping[str, Any])):
        if not isinstance(value, dict):
            raise _wrong_type(source, path, "a table", value, key)
        return {name: _read_json(item, f"{path}.{name}", source) for name, item in value.items()}
    return _checked_scalar(annotation, key, value, path, source)


def _checked_scalar(annotation: Any, key: Key, value: Any, path: str, source: Source) -> Any:
    if annotation is float and type(value) is int:
        value = float(value)
    # TOML's true is Python's True, which is an int too.
    if isinstance(value, bool) != (annotation is bool) or not isinstance(value, annotation):
        raise _wrong_type(source, path, _NOUNS[annotation], value, key)
    if key.later and value in key.later:
        raise source.error(
            path,
            f"{value!r} is not available in this version{_because(key, value)};"
            f" allowed: {_choices(key.allowed)}",
        )
    if key.allowed and value not in key.allowed:
        found = "a value that is not shown" if key.secret else repr(value)
        hint = "" if key.secret else _did_you_mean(str(value), key.allowed)
        raise source.error(path, f"found {found}; allowed: {_choices(key.allowed)}{hint}")
    if key.least is not None and key.most is not None and not key.least <= value <= key.most:
        raise source.error(path, f"found {value}; allowed: {key.least} to {key.most}")
    return value


def _because(key: Key, value: Any) -> str:
    lacks = dict(key.lacks)
    return f": {lacks[value]}" if value in lacks else ""


def _read_json(value: Any, path: str, source: Source) -> Any:
    """A free value, such as a user's claim, with its references resolved."""
    if isinstance(value, str):
        return _resolved(value, path, source) if value.startswith(("env:", "file:")) else value
    if isinstance(value, dict):
        return {name: _read_json(item, f"{path}.{name}", source) for name, item in value.items()}
    if isinstance(value, list):
        return [_read_json(item, f"{path}[{index}]", source) for index, item in enumerate(value)]
    if not isinstance(value, (bool, int, float)):
        raise source.error(path, f"found {shown(value)}; dates are written as strings here")
    return value


def _resolved(value: str, path: str, source: Source) -> str:
    scheme, _, name = value.partition(":")
    if scheme == "file":
        return source.read_file(name, path)
    if name not in source.environment:
        raise source.error(path, f"names the environment variable {name!r}, which is not set")
    return source.environment[name]


def _override(
    source: Source, variable: str, section: type[Section], table: dict[str, Any], parts: list[str], text: str
) -> tuple[str, Any]:
    """Lay one variable over `table`; the path of the key it set, and the value."""
    path = ""
    here: Any = section
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        known = _fields(here)
        name, content = part, text
        if name not in known and last and name.endswith("_file"):
            # Secrets may come as files, as container platforms hand them out.
            bare = name.removesuffix("_file")
            if bare in known and known[bare][1].secret:
                name, content = bare, f"file:{Path(text).absolute()}"
        if name not in known:
            raise _unknown(replace(source, variables={"": variable}), here, path, name)
        annotation, _ = _unwrapped(known[name][0], PLAIN)
        path = f"{path}.{name}" if path else name
        named = replace(source, variables={path: variable})
        if last:
            value = content if content.startswith("file:") else _parsed(annotation, content, path, named)
            table[name] = value
            return path, value
        if isinstance(annotation, type) and issubclass(annotation, Section):
            here, table = annotation, table.setdefault(name, {})
            continue
        return _override_item(named, variable, annotation, table, name, path, parts[depth + 1 :], text)
    raise AssertionError("a variable has at least one part")


def _override_item(
    source: Source,
    variable: str,
    annotation: Any,
    table: dict[str, Any],
    name: str,
    path: str,
    rest: list[str],
    text: str,
) -> tuple[str, Any]:
    """A key inside one of a list of tables (`CLIENTS__0__SCOPE`) or in a free table (`CLAIMS__EMAIL`)."""
    arguments = get_args(annotation)
    if get_origin(annotation) is not tuple:
        if len(rest) == 1 and arguments:
            table.setdefault(name, {})[rest[0]] = text
            return f"{path}.{rest[0]}", text
        raise source.error(path, "has no keys below it")
    items, number = table.get(name, []), rest[0]
    if not number.isdigit() or int(number) >= len(items) or len(rest) < 2:
        raise source.error(
            path, f"has {len(items)} entries; write the number of one of them (from 0), then its key"
        )
    inner, value = _override(source, variable, arguments[0], items[int(number)], rest[1:], text)
    return f"{path}[{number}].{inner}", value


def _parsed(annotation: Any, text: str, path: str, source: Source) -> Any:
    """The text of a variable as what `annotation` takes."""
    if annotation is str:
        return text
    if annotation is bool:
        if text.lower() not in ("true", "false"):
            raise source.error(path, "found something else where true or false is allowed")
        return text.lower() == "true"
    if annotation is int:
        try:
            return int(text)
        except ValueError:
            raise source.error(path, "found something else where a whole number is allowed") from None
    try:
        return json.loads(text)
    except ValueError:
        raise source.error(
            path, "is not JSON; lists and tables are written as JSON in the environment"
        ) from None


def _fields(section: type[Section]) -> dict[str, tuple[Any, Key, bool, Any]]:
    """Each key's annotation, `Key`, whether it is required, and its default."""
    hints = typing.get_type_hints(section, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(section):
        _annotation, key = _unwrapped(hints[field.name], PLAIN)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        found[field.name] = (hints[field.name], key, field.required, default)
    return found


def _unwrapped(annotation: Any, key: Key) -> tuple[Any, Key]:
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return inner, next((extra for extra in extras if isinstance(extra, Key)), key)
    return annotation, key


def _unknown(source: Source, section: type[Section], path: str, name: str) -> ConfigurationError:
    names = tuple(_fields(section))
    at = f"{path}.{name}" if path else name
    return source.error(at, f"is not a key{_did_you_mean(name, names) or '; allowed: ' + ', '.join(names)}")


def _wrong_type(source: Source, path: str, wanted: str, value: Any, key: Key) -> ConfigurationError:
    found = "a value that is not shown, of another type" if key.secret else shown(value)
    return source.error(path, f"found {found}; allowed: {wanted}")


def _did_you_mean(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _choices(allowed: Sequence[str]) -> str:
    return ", ".join(repr(choice) for choice in allowed if choice)


def shown(value: Any) -> str:
    """A value in an error, short and on one line; a table or a list only as what it is, for what may be inside."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "[]"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _covers(key: str, path: str) -> bool:
    return key in ("", path) or path.startswith((f"{key}.", f"{key}["))


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _one_line(text: str) -> str:
    return " ".join(text.split())


_NOUNS: Mapping[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
