"""How a host reaches a server: the connection URL, the password, the client programs and their environment."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from msgspec import Struct

from lilfox_tui.backends.postgresql.session import as_account, connection_string, options, psql_argv
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core import files
from lilfox_tui.core.errors import HostError, LilFoxError, UsageError
from lilfox_tui.core.files import refuse
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import clean, whole
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost

# Where a database is: a URL as libpq has it, or the folder of the server's socket; the connection string made of it.
#
# Rules of URLs and connection strings: PostgreSQL, libpq, "Connection Strings". A password is never part of either.


APPLICATION = "lilfox backup"
DEFAULT_PORT = 5432
CONNECT_TIMEOUT_S = 10
_SCHEMES = ("postgresql", "postgres")
_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "gssencmode")
"""What a URL may say besides of where, who and which."""


class Connection(Struct, frozen=True, kw_only=True):
    """How to connect to a server, from the host that runs the client programs."""

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
        """Whether the connection uses a Unix socket on the host."""
        return not self.address or self.address.startswith("/")

    @property
    def server(self) -> str:
        """The server, for display: ``db-1:5432``, ``socket /run/postgresql:5432``."""
        if self.socket:
            return f"socket {self.address}:{self.port}" if self.address else f"socket:{self.port}"
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def url_of(connection: Connection, database: str) -> str:
    """The URL of ``database`` on the server of a connection, as :func:`read_url` takes it."""
    said = dict(connection.parameters)
    address = connection.address
    if connection.socket:
        said |= {"host": address} if address else {}
        address = ""
    user = f"{quote(connection.user, safe='')}@" if connection.user else ""
    port = f":{connection.port}" if connection.port != DEFAULT_PORT else ""
    query = f"?{urlencode(said, safe='/')}" if said else ""
    place = f"[{address}]" if ":" in address else quote(address, safe="")
    return f"postgresql://{user}{place}{port}/{quote(database, safe='')}{query}"


def read_url(url: str, *, run_as: str = "", password: SecretRef | None = None) -> Connection:
    """Parse ``url``: ``postgresql://USER@HOST:PORT/DB``, or the folder of a socket.

    Raises UsageError, which never repeats the URL, where it holds a password, names several servers or is no such URL.
    """
    if "\0" in url or "\0" in run_as:
        raise UsageError(tr("an address cannot contain a NUL byte"))
    if run_as.startswith("-"):
        raise UsageError(tr("as: {name} is not an account name", name=run_as))
    if url.startswith("/"):
        return Connection(address=url.rstrip("/") or "/", run_as=run_as, password=password)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_url(tr("its host or port is invalid")) from None
    if parts.scheme not in _SCHEMES or not url.startswith(f"{parts.scheme}://"):
        raise _no_url(tr("it begins with neither postgresql:// nor /"))
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in said:
        raise UsageError(
            tr("the database URL contains a password, which others could see"),
            tr(
                "Remove it from the URL; set password: env:NAME (or file:PATH, cmd:ARGV) beside the URL, or set "
                "PGPASSWORD."
            ),
        )
    hosts = parts.netloc.rpartition("@")[2]
    if parts.fragment or "," in hosts or "," in said.get("host", ""):
        raise _no_url(tr("it must name a single server"))
    unknown = sorted(set(said) - {"host", "port", "user", "dbname", *_PARAMETERS})
    if unknown:
        raise _no_url(tr("it has unsupported parameters: {names}", names=listed(unknown)))
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
    """Return the host of ``HOST:PORT`` as written (urlsplit lowercases it, which breaks a socket's folder)."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise _no_url(tr("its host or port is invalid"))
    return int(text)


def _no_url(why: Message) -> UsageError:
    return UsageError(
        tr("the database URL cannot be used: {why}", why=why),
        tr("Write postgresql://USER@HOST:PORT/DATABASE, or the folder of the server's socket: /run/postgresql"),
    )


def conninfo(
    connection: Connection, database: str, *, passfile: str = "", settings: Mapping[str, str] | None = None
) -> str:
    """Return the connection string for ``database``, whatever its name is. ``settings`` apply from the start of the
    session.

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
        "options": options(settings or {}),
    }
    if any("\0" in word for word in words.values()):
        raise UsageError(tr("an address cannot contain a NUL byte"))
    return connection_string(words)


# The caller's own password: PGPASSWORD, or the line of PGPASSFILE that fits (libpq, "The Password File").


_MOST_BYTES = 1 << 20


def callers_password(connection: Connection, environment: Mapping[str, str]) -> str | None:
    """Return the password for ``connection`` from the caller's environment or password file; None if neither has one
    (libpq then reads ``~/.pgpass`` on the host).

    Raises LilFoxError where PGPASSFILE cannot be used: libpq itself would pass it over in silence.
    """
    if password := environment.get("PGPASSWORD"):
        return password
    if not (path := environment.get("PGPASSFILE")):
        return None
    for fields in _lines(Path(path)):
        *place, password = fields
        if all(field in ("*", wanted) for field, wanted in zip(place, _wanted(connection), strict=True)):
            return password
    return None


def _wanted(connection: Connection) -> tuple[str, str, str, str]:
    """Return the fields that a line must match: a socket in the default folder counts as localhost."""
    address = (
        "localhost" if connection.address in ("", "/run/postgresql", "/var/run/postgresql") else connection.address
    )
    return address, str(connection.port), connection.database or connection.user, connection.user


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        with files.opened(path) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise LilFoxError(tr("PGPASSFILE {path}: not a regular file", path=path))
            if found.st_mode & 0o077:
                raise LilFoxError(
                    tr("PGPASSFILE {path}: other users can read or write it, so PostgreSQL ignores it", path=path),
                    tr("run: chmod 600 {path}", path=path),
                )
            text = files.content(descriptor, _MOST_BYTES).decode("utf-8", "surrogateescape")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LilFoxError(tr("PGPASSFILE {path}: cannot be read: {reason}", path=path, reason=reason)) from None
    for line in text.split("\n"):
        if line and not line.startswith("#") and len(fields := _fields(line)) == 5:
            yield fields


def _fields(line: str) -> list[str]:
    fields, escaped = [""], False
    for character in line:
        if escaped:
            fields[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ":" and len(fields) < 5:
            fields.append("")
        else:
            fields[-1] += character
    return fields


# The client programs of PostgreSQL that a host has, and those that fit a server.
#
# Debian keeps every major in a folder of its own and puts a wrapper into the PATH that picks one by itself
# (pg_wrapper(1)); the folders are looked at first, and a wrapper is never used.


_FIND = r"""
echo "account $(id -un)"
look() {
    for program in pg_dump psql; do [ -x "$1/$program" ] || return; done
    real=$(readlink -f "$1/pg_dump")
    case $real in */pg_wrapper) return ;; esac
    said=$("$1/pg_dump" --version 2>/dev/null) && echo "found ${said##* (PostgreSQL) } $1"
}
if [ -n "$1" ]; then look "$1"; exit 0; fi
for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /usr/local/pgsql/bin; do
    look "$folder"
done
IFS=:
for folder in $PATH; do case $folder in /*) look "$folder" ;; esac; done
exit 0
"""
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")
_GUARDED = {14: 25, 15: 20, 16: 16, 17: 12, 18: 6}
r"""Major → first minor that is safe: it knows \restrict (CVE-2025-8714) and reads no backquotes after \unrestrict
(CVE-2026-18408; 15.20 and 17.12 were tried, the others are of the same day). Nothing older than 14 is kept up."""


class ClientPrograms(Struct, frozen=True, order=True):
    """The client programs of one version. ``version`` is (major, minor)."""

    version: tuple[int, int]
    folder: str

    @property
    def major(self) -> int:
        """The major version: 15 of 15.20."""
        return self.version[0]

    @property
    def text(self) -> str:
        """The version as text: ``15.20``."""
        return ".".join(map(str, self.version))

    def path(self, program: str) -> str:
        """Return the path of ``pg_dump``, ``pg_restore``, ``pg_dumpall`` or ``psql``."""
        return f"{self.folder}/{program}"

    @property
    def guards_scripts(self) -> bool:
        r"""Whether its psql can be kept from running a dump's own meta-commands: it knows \restrict, which nothing in
        the script can end."""
        major, minor = self.version
        return major > max(_GUARDED) or minor >= _GUARDED.get(major, minor + 1)


class HostClients(Struct, frozen=True, kw_only=True):
    """The client programs of a host. ``account`` is the prefix that runs a command as the right account."""

    host: str
    programs: tuple[ClientPrograms, ...]
    """Newest first; of the same version the first found."""
    account: tuple[str, ...] = ()
    by_sudo: bool = False

    @property
    def newest(self) -> ClientPrograms:
        """The newest programs: psql of any version works with any server."""
        return self.programs[0]

    def for_server(self, major: int) -> ClientPrograms:
        """Return the programs of the server's major version, else the next newer ones, which can dump it too. Raises
        BackupError if all are older, because they refuse (``aborting because of server version mismatch``)."""
        same_or_newer = [each for each in self.programs if each.major >= major]
        if not same_or_newer:
            raise BackupError(
                tr("{host} has client programs up to PostgreSQL {newest}, but the server is {major}: pg_dump "
                   "refuses to dump it",
                   host=self.host, newest=self.newest.text, major=major),
                tr("Install postgresql-client-{major} on the host, or set binaries: to its folder.", major=major),
            )  # fmt: skip
        nearest = min(each.major for each in same_or_newer)
        return next(each for each in same_or_newer if each.major == nearest)


async def find_clients(host: Host, *, folder: str = "", run_as: str = "") -> HostClients:
    """Return the client programs of ``host`` (only those in ``folder``, if given), and how to run them as ``run_as``.

    Raises BackupError where there are none, HostError.
    """
    done = await host.run_script(_FIND, [folder])
    login, programs = "", set[ClientPrograms]()
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        what, _, rest = line.partition(" ")
        if what == "account":
            login = rest.strip()
        elif what == "found" and (version := _VERSION.match(rest)):
            place = rest[rest.index("/") :] if "/" in rest else folder
            programs.add(ClientPrograms((whole(version[1]), whole(version[2] or "0")), place))
    if not programs:
        raise BackupError(
            tr("pg_dump and psql were not found in {place} on {host}", host=host.name, place=clean(folder))
            if folder
            else tr("pg_dump and psql were not found on {host}", host=host.name),
            tr("Install postgresql-client of the server's version on the host, or set binaries: to its folder."),
        )
    other = bool(run_as) and run_as != login
    return HostClients(
        host=host.name,
        programs=tuple(sorted(programs, reverse=True)),
        account=as_account(run_as) if other else (),
        by_sudo=other,
    )


# Client programs on a host with what they need to get in: as whom, with which environment and which password.
#
# The programs see nothing of the caller's environment (PGOPTIONS, PGSERVICEFILE, LD_PRELOAD): it is emptied first. A
# password lies, while it is needed, in a file of mode 0600 in a folder of its own on that host; who holds it there is a
# process that takes it away when this one ends, however that happens.


CLEAN = ("env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C")
_HOLD_TIMEOUT_S = 30.0
_TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_HOLD = r"""
umask 077
folder=$(mktemp -d "/tmp/lilfox-pass-XXXXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
while IFS= read -r line; do
    tick=${line%% *}
    case ${line#* } in
        end) rm -rf "$folder" ;;
        *) printf '%s\n' "${line#* }" >"$folder/pgpass" ;;
    esac
    printf '%s/pgpass\n@@LILFOX-END@@ %s\n' "$folder" "$tick"
done
"""


class ServerAccess:
    """Access to one server's databases from one host. Made by :func:`open_server_access`."""

    def __init__(self, host: Host, connection: Connection, clients: HostClients, passfile: str) -> None:
        self.host = host
        self.connection = connection
        self.clients = clients
        self._passfile = passfile

    @property
    def sudo(self) -> bool:
        """Whether to use sudo; pass it to the host's calls together with :meth:`argv`."""
        return self.clients.by_sudo

    def argv(self, program: str, *words: str) -> list[str]:
        """Return the argv that runs a client program (its path from ``clients``) as the right account in a clean
        environment."""
        return [*self.clients.account, *CLEAN, program, *words]

    def conninfo(self, database: str = "", settings: Mapping[str, str] | None = None) -> str:
        """Return the connection string for ``-d``. ``database``: the connection's own when not given."""
        return conninfo(
            self.connection, database or self.connection.database, passfile=self._passfile, settings=settings
        )

    def psql(
        self,
        database: str,
        settings: Mapping[str, str],
        *words: str,
        rows: Literal["", "plain"] = "",
        stops: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the words that run the newest psql (see :func:`psql_argv`), to be passed to :meth:`argv`."""
        program, conninfo = self.clients.newest.path("psql"), self.conninfo(database, settings)
        return psql_argv(program, conninfo, *words, rows=rows, stops=stops, variables=variables)

    def script(self, script: str) -> str:
        """Return ``script`` (POSIX sh) for ``Host.loop``, run as the right account in a clean environment."""
        return "exec " + shlex.join([*self.clients.account, *CLEAN, "sh", "-c", script])


@asynccontextmanager
async def open_server_access(
    host: Host, connection: Connection, *, binaries: str = "", clients: HostClients | None = None
) -> AsyncIterator[ServerAccess]:
    """Find the client programs (only in ``binaries``, if given) unless they are passed as ``clients``, and make the
    password available to them.

    Nothing has been asked of the server yet. Raises BackupError where no client programs are, HostError, LilFoxError
    for a secret that cannot be read, NotTrusted for a file of the connection that others can write.
    """
    if clients is None:
        clients = await find_clients(host, folder=binaries, run_as=connection.run_as)
    await asyncio.to_thread(_refuse_files, host, connection, clients)
    access = ServerAccess(host, connection, clients, "")
    password = await resolve(connection.password) if connection.password else callers_password(connection, os.environ)
    if password is None:
        yield access
        return
    async with _held(access, password) as path:
        yield ServerAccess(host, connection, clients, path)


def _refuse_files(host: Host, connection: Connection, clients: HostClients) -> None:
    """Raise NotTrusted if others can write the connection's TLS files. Skips the check if they are on another host, or
    if the programs run as another account, which may own them."""
    if not isinstance(host, LocalHost) or clients.account:
        return
    for name in _TLS_FILES:
        path = connection.parameters.get(name, "")
        if path and (name, path) != ("sslrootcert", "system"):
            refuse(Path(path))


@asynccontextmanager
async def _held(access: ServerAccess, password: str) -> AsyncIterator[str]:
    if "\n" in password or "\r" in password or "\0" in password:
        raise BackupError(
            tr("the database password contains a line break or NUL byte, which a password file cannot hold")
        )
    line = "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:")
    async with access.host.loop(access.script(_HOLD), sudo=access.sudo) as holder:
        answer = await holder.ask(line, timeout_s=_HOLD_TIMEOUT_S)
        try:
            yield answer.decode().strip()
        finally:
            with suppress(HostError):  # the holder itself takes the file away when it is left
                await holder.ask("end", timeout_s=_HOLD_TIMEOUT_S)
