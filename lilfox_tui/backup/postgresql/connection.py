"""Where a database is: a URL as libpq has it, or the folder of the server's socket; the connection string made of it.

Rules of URLs and connection strings: PostgreSQL, libpq, "Connection Strings". A password is never part of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from lilfox_tui.config.types import SecretRef
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, listed, tr

APPLICATION = "lilfox backup"
DEFAULT_PORT = 5432
CONNECT_TIMEOUT_S = 10
_SCHEMES = ("postgresql", "postgres")
_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "gssencmode")
"""What a URL may say besides of where, who and which."""


class Connection(Struct, frozen=True, kw_only=True):
    """Where to connect to, as the host sees it that runs the client programs."""

    address: str = ""
    """Name, IP address, or the folder of a socket; libpq's own default when empty."""
    port: int = DEFAULT_PORT
    user: str = ""
    """libpq's own default (the account's name) when empty."""
    database: str = ""
    parameters: dict[str, str] = {}
    """``sslmode`` and the like, as the URL had them."""
    run_as: str = ""
    """The account on the host that runs the client programs; the login's own when empty."""
    password: SecretRef | None = None

    @property
    def socket(self) -> bool:
        """Whether it is reached through a socket of the host."""
        return not self.address or self.address.startswith("/")

    @property
    def server(self) -> str:
        """For people: ``db-1:5432``, ``socket /run/postgresql:5432``."""
        if self.socket:
            return f"socket {self.address}:{self.port}" if self.address else f"socket:{self.port}"
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read_url(url: str, *, run_as: str = "", password: SecretRef | None = None) -> Connection:
    """The connection that ``url`` names: ``postgresql://USER@HOST:PORT/DB``, or the folder of a socket.

    Raises UsageError, which never repeats the URL, where it holds a password, names several servers or is no such URL.
    """
    if "\0" in url or "\0" in run_as:
        raise UsageError(tr("a NUL byte can be part of no address"))
    if run_as.startswith("-"):
        raise UsageError(tr("as: {name} is no account's name", name=run_as))
    if url.startswith("/"):
        return Connection(address=url.rstrip("/") or "/", run_as=run_as, password=password)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_url(tr("its host or port is not one")) from None
    if parts.scheme not in _SCHEMES or not url.startswith(f"{parts.scheme}://"):
        raise _no_url(tr("it begins with neither postgresql:// nor /"))
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in said:
        raise UsageError(
            tr("the database's URL holds a password, which others would see"),
            tr(
                "Take it out of the URL; beside it write password: env:NAME (or file:PATH, cmd:ARGV), "
                "or set PGPASSWORD."
            ),
        )
    hosts = parts.netloc.rpartition("@")[2]
    if parts.fragment or "," in hosts or "," in said.get("host", ""):
        raise _no_url(tr("one server only can be named"))
    unknown = sorted(set(said) - {"host", "port", "user", "dbname", *_PARAMETERS})
    if unknown:
        raise _no_url(tr("{names}: not used here", names=listed(unknown)))
    return Connection(
        address=said.get("host") or unquote(_address(hosts)),
        port=port or _port(said.get("port")),
        user=said.get("user") or unquote(parts.username or ""),
        database=said.get("dbname") or unquote(parts.path.removeprefix("/")),
        parameters={name: value for name, value in said.items() if name in _PARAMETERS},
        run_as=run_as,
        password=password,
    )


def _address(netloc: str) -> str:
    """The host of ``HOST:PORT`` as it is written (urlsplit makes it lower case, which a socket's folder is not)."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise _no_url(tr("its host or port is not one"))
    return int(text)


def _no_url(why: Message) -> UsageError:
    return UsageError(
        tr("the database's URL cannot be used: {why}", why=why),
        tr("Write postgresql://USER@HOST:PORT/DATABASE, or the folder of the server's socket: /run/postgresql"),
    )


def conninfo(
    connection: Connection, database: str, *, passfile: str = "", settings: Mapping[str, str] | None = None
) -> str:
    """The connection string for ``database``, whatever its name is. ``settings`` are set when the session begins.

    Given as one word to ``-d``, it is the only thing that the programs expand: a database called ``host=evil`` stays a
    name. Raises UsageError for a NUL byte.
    """
    words = {
        "host": connection.address,
        "port": str(connection.port),
        "user": connection.user,
        "dbname": database,
        **connection.parameters,
        "passfile": passfile,
        "application_name": APPLICATION,
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "options": _options(settings or {}),
    }
    if any("\0" in word for word in words.values()):
        raise UsageError(tr("a NUL byte can be part of no address"))
    return " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _options(settings: Mapping[str, str]) -> str:
    """``-c name=value`` words, blanks and backslashes of which libpq wants escaped."""
    words = (f"{name}={value}".replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items())
    return " ".join(f"-c {word}" for word in words)
