"""The client programs of PostgreSQL that a host has, and those that fit a server.

Debian keeps every major in a folder of its own and puts a wrapper into the PATH that picks one by itself
(pg_wrapper(1)); the folders are looked at first, and a wrapper is never used.
"""

from __future__ import annotations

import re

from msgspec import Struct

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean
from lilfox_tui.told import whole

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


class Programs(Struct, frozen=True, order=True):
    """The programs of one version. ``version`` is (major, minor)."""

    version: tuple[int, int]
    folder: str

    @property
    def major(self) -> int:
        """15 of 15.20."""
        return self.version[0]

    @property
    def text(self) -> str:
        """``15.20``"""
        return ".".join(map(str, self.version))

    def path(self, program: str) -> str:
        """Of ``pg_dump``, ``pg_restore``, ``pg_dumpall``, ``psql``."""
        return f"{self.folder}/{program}"

    @property
    def guards_scripts(self) -> bool:
        r"""Whether its psql can be kept from running a dump's own meta-commands: it knows \restrict, and nothing in the
        script closes that."""
        major, minor = self.version
        return major > max(_GUARDED) or minor >= _GUARDED.get(major, minor + 1)


class Clients(Struct, frozen=True, kw_only=True):
    """What a host has. ``account`` is what goes before a command so that the right account runs it."""

    host: str
    programs: tuple[Programs, ...]
    """Newest first; of the same version the first found."""
    account: tuple[str, ...] = ()
    by_sudo: bool = False

    @property
    def newest(self) -> Programs:
        """psql of any version talks to any server."""
        return self.programs[0]

    def for_server(self, major: int) -> Programs:
        """Those of the server's own major, else the nearest newer ones, which can dump it. Raises BackupError where all
        are older: they refuse (``aborting because of server version mismatch``)."""
        same_or_newer = [each for each in self.programs if each.major >= major]
        if not same_or_newer:
            raise BackupError(
                tr("{host} has client programs up to PostgreSQL {newest}, the server is {major}: pg_dump refuses it",
                   host=self.host, newest=self.newest.text, major=major),
                tr("Install postgresql-client-{major} there, or name their folder with binaries:", major=major),
            )  # fmt: skip
        nearest = min(each.major for each in same_or_newer)
        return next(each for each in same_or_newer if each.major == nearest)


async def find_clients(host: Host, *, folder: str = "", run_as: str = "") -> Clients:
    """The client programs of ``host`` (of ``folder`` only, where given), and how they are run as ``run_as``.

    Raises BackupError where there are none, HostError.
    """
    done = await host.run_script(_FIND, [folder])
    login, programs = "", set[Programs]()
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        what, _, rest = line.partition(" ")
        if what == "account":
            login = rest.strip()
        elif what == "found" and (version := _VERSION.match(rest)):
            place = rest[rest.index("/") :] if "/" in rest else folder
            programs.add(Programs((whole(version[1]), whole(version[2] or "0")), place))
    if not programs:
        raise BackupError(
            tr("{host} has no pg_dump and psql in {place}", host=host.name, place=clean(folder))
            if folder
            else tr("{host} has no pg_dump and psql", host=host.name),
            tr("Install postgresql-client of the server's version there, or name their folder with binaries:"),
        )
    other = bool(run_as) and run_as != login
    return Clients(
        host=host.name,
        programs=tuple(sorted(programs, reverse=True)),
        account=("runuser", "-u", run_as, "--") if other else (),
        by_sudo=other,
    )
