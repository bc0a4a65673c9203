"""Client programs on a host with what they need to get in: as whom, with which environment and which password.

The programs see nothing of the caller's environment (PGOPTIONS, PGSERVICEFILE, LD_PRELOAD): it is emptied first. A
password lies, while it is needed, in a file of mode 0600 in a folder of its own on that host; who holds it there is a
process that takes it away when this one ends, however that happens.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.clients import Clients, find_clients
from lilfox_tui.backup.postgresql.connection import Connection, conninfo
from lilfox_tui.backup.postgresql.passfile import callers_password
from lilfox_tui.config.secrets import resolve
from lilfox_tui.errors import HostError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.i18n import tr
from lilfox_tui.trusted_file import refuse

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


class Access:
    """A way to one server's databases from one host. Made by :func:`opened`."""

    def __init__(self, host: Host, connection: Connection, clients: Clients, passfile: str) -> None:
        self.host = host
        self.connection = connection
        self.clients = clients
        self._passfile = passfile

    @property
    def sudo(self) -> bool:
        """To be given to the host's calls together with :meth:`argv`."""
        return self.clients.by_sudo

    def argv(self, program: str, *words: str) -> list[str]:
        """What to run for a client program (its path from ``clients``): the right account, a clean environment."""
        return [*self.clients.account, *CLEAN, program, *words]

    def conninfo(self, database: str = "", settings: dict[str, str] | None = None) -> str:
        """The word after ``-d``. ``database``: the connection's own when not given."""
        return conninfo(
            self.connection, database or self.connection.database, passfile=self._passfile, settings=settings
        )

    def script(self, script: str) -> str:
        """``script`` (POSIX sh) for ``Host.loop``, run as the right account in a clean environment."""
        return "exec " + shlex.join([*self.clients.account, *CLEAN, "sh", "-c", script])


@asynccontextmanager
async def opened(
    host: Host, connection: Connection, *, binaries: str = "", clients: Clients | None = None
) -> AsyncIterator[Access]:
    """Finds the client programs (in ``binaries`` only, where it is given), unless somebody has just found ``clients``,
    and keeps the password in reach of them.

    Nothing has been asked of the server yet. Raises BackupError where no client programs are, HostError, LilFoxError
    for a secret that cannot be read, NotTrusted for a file of the connection that others can write.
    """
    if clients is None:
        clients = await find_clients(host, folder=binaries, run_as=connection.run_as)
    await asyncio.to_thread(_refuse_files, host, connection, clients)
    access = Access(host, connection, clients, "")
    password = await resolve(connection.password) if connection.password else callers_password(connection, os.environ)
    if password is None:
        yield access
        return
    async with _held(access, password) as path:
        yield Access(host, connection, clients, path)


def _refuse_files(host: Host, connection: Connection, clients: Clients) -> None:
    """Whose certificates are believed. Those of another host, and those that another account reads and may own, are
    for their owners to keep. Raises NotTrusted."""
    if not isinstance(host, LocalHost) or clients.account:
        return
    for name in _TLS_FILES:
        path = connection.parameters.get(name, "")
        if path and (name, path) != ("sslrootcert", "system"):
            refuse(Path(path))


@asynccontextmanager
async def _held(access: Access, password: str) -> AsyncIterator[str]:
    if "\n" in password or "\r" in password or "\0" in password:
        raise BackupError(tr("the database's password holds a line break, which no password file can"))
    line = "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:")
    async with access.host.loop(access.script(_HOLD), sudo=access.sudo) as holder:
        answer = await holder.ask(line, timeout_s=_HOLD_TIMEOUT_S)
        try:
            yield answer.decode().strip()
        finally:
            with suppress(HostError):  # the holder itself takes the file away when it is left
                await holder.ask("end", timeout_s=_HOLD_TIMEOUT_S)
