"""Log sources: the contract of ``sources/``, what all kinds share, and how they are opened and discovered."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias, cast, runtime_checkable
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.log_formats import LogFormatConfig
from lilfox_tui.config.model import ClusterConfig, Config, HostConfig, LogConfig
from lilfox_tui.core import plugins
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import FileMoved, FileRefused, LilFoxError, NotAllowed, PlaceGone, UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.plugins import LOG_SOURCES
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.filter.model import NOTHING, Filter, of_source
from lilfox_tui.logs.record import LogRecord, define_formats

# What a source of logs is: pages of records in both directions, and what is new.
#
# ``sources/`` holds one file a kind. A kind has ``Options`` (a frozen ``config.model.LogConfig`` with its own keys
# added) and ``open_source(name, options, setting) -> LogSource``; it knows no other kind.


class AtBeginning(Struct, frozen=True):
    """The position of the oldest record."""


class AtEnd(Struct, frozen=True):
    """The position after the newest record."""


class AtTime(Struct, frozen=True):
    """The position at a time: going newer, records of that time and later; going older, those before it."""

    time_us: int


class AtPlace(Struct, frozen=True):
    """The position of a record, by its ``place``: the record itself is not in the page, in either direction."""

    place: str


Start: TypeAlias = AtBeginning | AtEnd | AtTime | AtPlace
UNREADABLE = (FileRefused, FileMoved, PlaceGone)
"""Why one file of a log cannot be read; others go on."""


class RecordPage(Struct, frozen=True):
    """Neighbouring records that match, oldest first in either direction.

    ``more`` is where to go on in the same direction; None when there is nothing further. A page may have fewer records
    than asked for, or none, and still go on: a long search comes back after a while so that it can be shown and ended.
    """

    records: tuple[LogRecord, ...]
    more: Start | None


class SourceNotice(Struct, frozen=True):
    """A message about the source itself that a reader must see at this point: what may be missing, and why."""

    source: str
    time_us: int
    text: Message


class SkippedRecords(Struct, frozen=True):
    """The number of matching records skipped between the previous and the next one, because more arrived than a reader
    could follow."""

    count: int


class SourceStatus(Struct, frozen=True):
    """The status of a source. Sizes in bytes; None is unknown.

    ``zone`` says how times without an offset are read. ``searched_bytes`` is of the search that runs, None when none
    does. ``records`` are all that it holds, or with ``more_records`` those that could be counted without reading all of
    it. ``missed`` counts records that a full queue has dropped.
    """

    description: str
    format: str = ""
    zone: str = ""
    size_bytes: int | None = None
    indexed_bytes: int | None = None
    records: int | None = None
    more_records: bool = False
    searched_bytes: int | None = None
    missed: int = 0


def no_command(argv: Sequence[str]) -> None:
    """Raise NotAllowed; the default for ``refuse``, for sources that run no configured command."""
    raise NotAllowed(tr("{program} is not permitted to run here", program=argv[0]))


class SourceSettings(Struct, frozen=True):
    """The settings with which every source is opened: the host it reads on, the zone of naive times, a format named by
    the user ("" to detect it), whether the host's configuration permits sudo for commands that need it, the function
    that refuses a configured command by raising NotAllowed, how often a file that is followed is looked at (None: as is
    usual on its host), the cluster, by name, of a source that reads from one, and whether the records of files are
    counted in the background, which reads each file once more."""

    host: Host
    zone: tzinfo
    format: str = ""
    sudo: bool = False
    refuse: Callable[[Sequence[str]], None] = no_command
    poll_s: float | None = None
    cluster: tuple[str, ClusterConfig] | None = None
    counts: bool = True


class LogSource(Protocol):
    """An open source. Every call may be cancelled; nothing here blocks the event loop."""

    name: str

    @property
    def status(self) -> Feed[SourceStatus]:
        """The source's status; while it cannot be read, Unavailable with the reason, the start of the outage and the
        next attempt."""
        ...

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """Return up to ``limit`` matching records from ``start`` in one direction. Raises LilFoxError."""
        ...

    def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """Yield matches from ``start`` on, then new ones, in batches; never ends by itself while the source may
        continue. Nothing is repeated, and nothing that the source still holds is left out; a SourceNotice says where
        something may be missing. Use inside ``contextlib.aclosing``. Raises LilFoxError if it cannot go on."""
        ...

    async def close(self) -> None:
        """End everything that was started to read the files."""
        ...


@runtime_checkable
class OnHost(Protocol):
    """A source that is read on a host or through one; when the host's connection is restored, the source can be read
    again."""

    @property
    def host(self) -> Host:
        """The host of the files."""
        ...


@runtime_checkable
class SupportsFollowNewest(Protocol):
    """A source that can skip and count new records when more arrive than anyone can read."""

    def follow_newest(
        self, start: Start, where: Filter, keep: Callable[[], int | None]
    ) -> AsyncGenerator[list[LogRecord | SourceNotice | SkippedRecords], None]:
        """Follow like :meth:`LogSource.follow`; if more records arrive at once than ``keep`` returns (None: all), yield
        only that many of the newest, after a SkippedRecords. ``keep`` is called in a thread."""
        ...


@runtime_checkable
class MultiLogSource(Protocol):
    """A source that consists of several logs, and continues without those that cannot be read."""

    @property
    def refused(self) -> Mapping[str, LilFoxError]:
        """The logs that cannot be read, by name, each with the error."""
        ...


@runtime_checkable
class SupportsSeek(Protocol):
    """A source that is one file, in which a position can be given as a share of the file or as a line number. Each
    method raises LilFoxError."""

    async def at_share(self, share: float) -> Start:
        """Return the position at ``share`` (0 to 1) of the newest file."""
        ...

    async def at_line(self, number: int) -> Start | None:
        """Return the position in front of that line (from 1) of the newest file; None if it is not indexed yet."""
        ...

    async def line_of(self, place: str) -> int | None:
        """Return the line number of a record's ``place``; None if it is not in the newest file, or not indexed yet."""
        ...


# A page of a source, unless the filter leaves that source out: then nothing of it is read.


async def page_of(source: LogSource, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
    """Return a page like :meth:`LogSource.page`. Raises LilFoxError."""
    where = of_source(where, source.name)
    if where == NOTHING:
        return RecordPage((), None)
    return await source.page(start, older=older, limit=limit, where=where)


# Blocks of bytes in pieces that are read without holding up the keyboard.


_PIECE = 64 * 1024
"""About 300 records of JSON: some 2 ms."""


async def in_pieces(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of ``blocks`` in smaller pieces, and let other tasks run after each. Closes ``blocks``."""
    async with aclosing(blocks):
        async for block in blocks:
            for at in range(0, len(block), _PIECE):
                yield block[at : at + _PIECE]
                await asyncio.sleep(0)


# Blocks of a log that is followed, a line each.


PAUSE_S = 0.1
"""To a reader that is at once."""
_GATHERED_BYTES = 32 * 1024
"""Half of what the smallest pipe holds: no writer is made to wait, and one that is ends the next pauses sooner."""
_LEAST_PAUSE_S = 0.01


async def paced(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield ``blocks``. While they come one soon after the other there is a pause after each, so that what comes
    meanwhile is read at once: to be woken for a line costs many times what the line does. Closes ``blocks``."""
    pause_s, taken, since_s, last_s = 0.0, 0, time.monotonic(), float("-inf")
    async with aclosing(blocks):
        async for block in blocks:
            yield block
            now_s, taken = time.monotonic(), taken + len(block)
            if now_s - since_s >= PAUSE_S:
                pause_s = min(PAUSE_S, _GATHERED_BYTES * (now_s - since_s) / max(1, taken))
                taken, since_s = 0, now_s
            if pause_s >= _LEAST_PAUSE_S and now_s - last_s < PAUSE_S:
                await asyncio.sleep(pause_s)
            last_s = time.monotonic()


# From the configuration to open sources: on which host each is read, in which zone its naive times are.


HostOf = Callable[[str | None], Host]
"""The host of that name in the configuration; None: this machine."""
Gate = Callable[[Config, str | None, Sequence[str]], None]
"""Raises NotAllowed where a command of the configuration may not be run on a host (``runbook/run/gate.py``)."""
_LOCALTIME = Path("/etc/localtime")


def open_logs(
    config: Config, logs: Mapping[str, LogConfig], host_of: HostOf, gate: Gate, *, poll_s: float | None = None,
    counts: bool = True,
) -> list[LogSource]:  # fmt: skip
    """Open the sources of ``logs`` (``config.logs``, or discovered ones), in their order. Nothing is read yet.
    ``poll_s`` and ``counts``: see :class:`SourceSettings`.

    The caller closes them, and the hosts after them. Raises UsageError for an unknown kind or format.
    """
    return [open_log(config, name, log, host_of, gate, poll_s=poll_s, counts=counts) for name, log in logs.items()]


def open_log(
    config: Config, name: str, log: LogConfig, host_of: HostOf, gate: Gate, *, poll_s: float | None = None,
    counts: bool = True,
) -> LogSource:  # fmt: skip
    """Open one source. See :func:`open_logs`."""
    _define_formats(config)
    cluster = _cluster_of(config, name, log)
    where = log.host if cluster is None else cluster[1].from_
    host = config.hosts.get(where, HostConfig()) if where is not None else HostConfig(local=True)
    setting = SourceSettings(
        host=host_of(where),
        zone=zone_of(log.zone),
        format=log.format,
        sudo=host.sudo,
        refuse=partial(gate, config, where),
        poll_s=poll_s,
        cluster=cluster,
        counts=counts,
    )
    return cast("LogSource", plugins.load(LOG_SOURCES, log.kind).open_source(name, log, setting))


def _cluster_of(config: Config, name: str, log: LogConfig) -> tuple[str, ClusterConfig] | None:
    """The cluster that a source reads from: the one that it names, or the only one. Raises UsageError."""
    wanted = getattr(log, "cluster", None)
    if wanted is None:
        return None
    known = config.clusters
    chosen = wanted or (next(iter(known)) if len(known) == 1 else "")
    if chosen not in known:
        what = tr("no cluster named {cluster}", cluster=wanted) if wanted else tr("it names no cluster")
        raise UsageError(
            tr("logs.{name}: {what}", name=name, what=what),
            tr("one of: {kinds}", kinds=listed(known) if known else "-"),
        )
    return chosen, known[chosen]


_defined: dict[str, LogFormatConfig] = {}


def _define_formats(config: Config) -> None:
    """Set the formats of ``log_formats:``; what they need is imported only where there are some."""
    if config.log_formats == _defined:
        return
    base = importlib.import_module("lilfox_tui.logs.own_formats")
    define_formats({name: base.format_of(name, setting) for name, setting in config.log_formats.items()})
    _defined.clear()
    _defined.update(config.log_formats)


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name (checked by the loader); this machine's for ""."""
    name = name or os.environ.get("TZ", "").lstrip(":") or _here()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return cast("tzinfo", datetime.now().astimezone().tzinfo)


def _here() -> str:
    """Return the zone name behind /etc/localtime (localtime(5)); "" if it shows none."""
    _folder, found, name = str(_LOCALTIME.resolve()).partition("/zoneinfo/")
    return name if found else ""


# Which logs a host has, for those that the configuration names none of.


LILFOX_FOLDER = "/var/log/lilfox"
"""Where the manual's services write, one file each, in JSON with naive UTC times."""
_WAIT_S = 15.0
_SCRIPT = r"""
shown=0
for file in "$1"/*.log /var/log/nginx/access.log /var/log/nginx/error.log /var/log/apache2/access.log \
    /var/log/apache2/error.log /var/log/postgresql/*.log /var/log/postgresql/*.json /var/log/postgresql/*.csv
do
    [ "$shown" -lt 40 ] && [ -f "$file" ] && [ -r "$file" ] || continue
    case $file in *'
'*) continue ;; esac
    printf 'file %s\n' "$file"
    shown=$((shown + 1))
done
if command -v journalctl >/dev/null 2>&1 && [ -n "$(journalctl --quiet --lines=1 --output=cat 2>/dev/null)" ]; then
    echo journald
else
    for file in /var/log/syslog /var/log/messages; do
        [ -f "$file" ] && [ -r "$file" ] && printf 'file %s\n' "$file"
    done
fi
exit 0
"""


async def find_logs(host: Host, host_name: str | None, *, folder: str = LILFOX_FOLDER) -> dict[str, LogConfig]:
    """Find the readable logs on ``host`` (``host_name`` in the configuration, None: this machine), by name: the
    services' logs in ``folder``, nginx, Apache, PostgreSQL and the journal. Raises HostError."""
    done = await host.run_script(_SCRIPT, [folder], timeout_s=_WAIT_S)
    found: dict[str, LogConfig] = {}
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    paths = [line.removeprefix("file ") for line in lines if line.startswith("file /")]
    for path in paths:
        if not _is_copy(path, paths):
            zone = "UTC" if path.startswith(f"{folder}/") else ""
            found[_free_name(_name_of(path), found)] = file_log(path, zone=zone)
    if "journald" in lines:
        found["journal"] = _options("journald")
    if host_name is None:
        return found
    return {f"{host_name}.{name}": replace(log, host=host_name) for name, log in found.items()}


def file_log(path: str, *, zone: str = "") -> LogConfig:
    """Return the options of a log source for a file on this machine and its rotated files."""
    return _options("file", path=path, zone=zone)


def _options(kind: str, **keys: object) -> LogConfig:
    made = plugins.options_of(LOG_SOURCES, kind)(**keys)
    assert isinstance(made, LogConfig)
    return made


def _is_copy(path: str, paths: list[str]) -> bool:
    """Whether the log is a copy: the ops manual's services write each record to NAME.log and to NAME-daily.log."""
    return path.endswith("-daily.log") and path.removesuffix("-daily.log") + ".log" in paths


def _name_of(path: str) -> str:
    """Return a name for the log: ``backend`` for ``/var/log/lilfox/lilfox-backend.log``, ``nginx-access`` for
    ``/var/log/nginx/access.log``."""
    file = PurePosixPath(path)
    stem = file.stem.removeprefix("lilfox-")
    name = f"{file.parent.name}-{stem}" if file.parent.name in ("nginx", "apache2") else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:60] or "log"


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, 100))) if one not in taken)
