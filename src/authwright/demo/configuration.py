"""The demo's provider: a configuration like anyone's, written anew at each start for the ports it was given."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from authwright.crypto.seal import RootKeys
from authwright.demo.consent_services import BASE_SCOPE
from authwright.server.config_file import ConfigurationError

WEB_SECRET = "web-demo-secret"
MACHINE_SECRET = "machine-demo-secret"
USERNAME, PASSWORD = "alice", "alice-demo"

_CONFIGURATION = """\
# Written by `authwright demo` at each start: your changes here do not last.
# For a configuration of your own: authwright init
issuer = "{issuer}"

[store]
url = "sqlite:authwright.db"
key_file = "authwright.key"

[[clients]]                                 # the sample app
client_id = "web"
client_secret = "{web_secret}"
client_name = "Sample app"
redirect_uris = ["{app}/auth/callback"]
post_logout_redirect_uris = ["{app}/auth/logout/callback", "{app}/"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile email offline_access orders:read"

[[clients]]                                 # a service without users
client_id = "machine"
client_secret = "{machine_secret}"
client_name = "Sample service"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
scope = "orders:read"
allowed_consent_services = ["photos", "payroll", "calendar"]

[[users]]
username = "{username}"
password = "{password}"
[users.claims]
sub = "u-alice"
name = "Alice Example"
email = "alice@example.com"
email_verified = true

[[resources]]                               # the sample app's own API
uri = "{app}/api"
scopes = ["orders:read"]

[token_exchange]                            # scopes that services decide when a token is exchanged
base_scope = "{base_scope}"

[[consent_services]]                        # slow
name = "photos"
authority = "{app}/services/photos"

[[consent_services]]                        # says no
name = "payroll"
authority = "{app}/services/payroll"

[[consent_services]]                        # down
name = "calendar"
authority = "{app}/services/calendar"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the two of them are."""

    port: int
    app_port: int

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def app(self) -> str:
        return f"http://localhost:{self.app_port}"


def write_configuration(directory: Path, addresses: Addresses) -> Path:
    """Write the configuration, and a key when there is none yet; the configuration's path."""
    file = directory / "authwright.toml"
    text = _CONFIGURATION.format(
        issuer=addresses.issuer,
        app=addresses.app,
        web_secret=WEB_SECRET,
        machine_secret=MACHINE_SECRET,
        base_scope=BASE_SCOPE,
        username=USERNAME,
        password=PASSWORD,
    )
    with _faults_named(directory):
        directory.mkdir(parents=True, exist_ok=True)
        _make_key(directory / "authwright.key")
        file.write_text(text, "utf-8")
    return file


def sample_app_keys(directory: Path) -> str:
    """The text of the sample app's own key file, made when there is none yet."""
    with _faults_named(directory):
        _make_key(directory / "sample-app.key")
        return (directory / "sample-app.key").read_text("utf-8")


def _make_key(path: Path) -> None:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{RootKeys.generate_line()}\n")


@contextmanager
def _faults_named(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or directory
        raise ConfigurationError(f"--dir: {where} cannot be used: {error.strerror}") from None
