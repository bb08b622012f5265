"""`authwright init`: a configuration to begin with and the key it needs."""

import os
from pathlib import Path

import click

from authwright.crypto.seal import RootKeys
from authwright.server.config_file import ConfigurationError

CONFIGURATION = """\
# The configuration of an authwright provider. `authwright serve` reads it.
# Every key can be overridden by the environment: AUTHWRIGHT__STORE__URL sets store.url.
# Any string may be "env:NAME" or "file:PATH", so that secrets need not stand here.
# Relative paths count from this file.

# The address clients and browsers know the provider by, exact. http is for loopback only.
issuer = "http://localhost:9000"

[store]
url = "sqlite:authwright.db"        # or postgresql://user:password@host/database
key_file = "authwright.key"         # the key-encryption key; back it up, and keep it out of version control

[log]
level = "info"                      # debug, info, warning or error; none of them shows a secret
format = "text"                     # or json

[keys]
algorithms = ["ES256", "RS256"]     # signing keys to keep; the first is the default

[tokens]                            # seconds
access_token_lifetime = 600
refresh_token_lifetime = 2592000

[http]
trusted_proxies = []                # addresses of reverse proxies whose forwarded headers count

[management]
port = 0                            # /livez, /readyz and /metrics on this port; 0 = off

# A web application that signs users in.
# [[clients]]
# client_id = "web"
# client_secret = "env:WEB_CLIENT_SECRET"
# client_name = "Web app"
# redirect_uris = ["http://localhost:9001/auth/callback"]
# post_logout_redirect_uris = ["http://localhost:9001/auth/logout/callback"]
# grant_types = ["authorization_code", "refresh_token"]
# scope = "openid profile email offline_access"

# A service that calls an API on its own behalf.
# [[clients]]
# client_id = "machine"
# client_secret_file = "machine.secret"
# grant_types = ["client_credentials"]
# scope = "read"

# [[users]]
# username = "alice"
# password = "env:ALICE_PASSWORD"   # or password_hash = "$argon2id$…"
# [users.claims]
# name = "Alice Example"
# email = "alice@example.com"

# An API that tokens are for.
# [[resources]]
# uri = "https://api.example.com"
# scopes = ["read", "write"]
"""


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path("."))
def init(directory: Path) -> None:
    """Write authwright.toml and a new key into DIRECTORY. It is made when it is missing."""
    configuration, key = directory / "authwright.toml", directory / "authwright.key"
    for path in (configuration, key):
        if path.exists() or path.is_symlink():
            raise ConfigurationError(f"{path}: is there already and is not overwritten")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write_new(key, f"# authwright key-encryption key; newest first\n{RootKeys.generate_line()}\n", 0o600)
        _write_new(configuration, CONFIGURATION, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or directory}: cannot be written: {error.strerror}"
        ) from None
    click.echo(_next_steps(configuration, key))


def _write_new(path: Path, text: str, mode: int) -> None:
    # Created with its mode, so that the key is at no moment readable by others.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _next_steps(configuration: Path, key: Path) -> str:
    option = "" if configuration.parent == Path(".") else f" --config {configuration}"
    return (
        f"Wrote {configuration} and {key}.\n"
        "\n"
        "Next:\n"
        f"  1. Add a client and a user: uncomment the examples in {configuration}.\n"
        f"  2. Back up {key}. Without it the signing keys in the store cannot be opened.\n"
        f"  3. Start the provider:  authwright serve{option}\n"
        "  4. Look at it:          curl http://localhost:9000/.well-known/openid-configuration"
    )
