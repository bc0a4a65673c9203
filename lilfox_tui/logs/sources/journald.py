"""The systemd journal, on this machine or another, read with journalctl; filters are pushed down as matches."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import CommandUnknown, HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.hosts.base import Completed, Host, wait_until_reconnected
from lilfox_tui.hosts.process import last_words
from lilfox_tui.hosts.shell_words import NOT_FOUND
from lilfox_tui.logs.filter.model import EVERYTHING, And, FieldMatch, Filter, number, severities, span
from lilfox_tui.logs.filter.needles import Needles, needles
from lilfox_tui.logs.record import RAW_LIMIT, Format, LogRecord, Severity, load_format, microseconds
from lilfox_tui.logs.source import (
    AtBeginning,
    AtEnd,
    AtPlace,
    AtTime,
    RecordPage,
    SourceNotice,
    SourceSettings,
    SourceStatus,
    Start,
    in_pieces,
    paced,
)
from lilfox_tui.logs.structured import SYSLOG

# The part of a filter that journalctl can search by itself: priorities and exact fields (journalctl(1)).
#
# Never loses a match: a record's level is its PRIORITY, but what a program prints comes as 6 whatever it says, and its
# words tell the level (``formats/journald.py``), so 6 is always asked for; a record without is no match where a level
# is. ``FIELD=value`` is exact, byte by byte, as our ``=`` is for text. A text or a pattern is not pushed: ``--grep``
# looks into MESSAGE alone, we look into the whole record; ``narrowed`` drops what cannot match. Time is asked for by
# what ``span`` of ``logs/filter/model.py`` gives.


PRINTED = 6
"""The priority of what a service writes to its stdout and stderr (systemd.exec(5), SyslogLevel=)."""
_FIELD = re.compile(r"_?[A-Z][A-Z0-9_]{0,63}")
"""systemd.journal-fields(7). Those that begin with two underscores cannot be asked for."""
_NOT_EXACT = re.compile("[\0\n\ufffd\ud800-\udfff]")


def to_matches(where: Filter) -> list[str]:
    """Return journalctl arguments that keep every match of ``where``, for instance ``--priority=0..6``, ``_PID=x``."""
    return [*_priorities(where), *dict.fromkeys(_fields(where))]


def _priorities(where: Filter) -> list[str]:
    wanted = severities(where)
    if Severity.UNKNOWN in wanted or not wanted:
        return []
    numbers = sorted({PRINTED, *(priority for priority, severity in enumerate(SYSLOG) if severity in wanted)})
    return [f"--priority={numbers[0]}..{numbers[-1]}"]


def _fields(where: Filter) -> list[str]:
    """Return field matches. journalctl combines values of one field with OR and different fields with AND, so they
    select at least every match."""
    match where:
        case And(parts):
            return [argument for part in parts for argument in _fields(part)]
        case FieldMatch("module", "=", value) if _is_exact(value):
            return [f"_SYSTEMD_UNIT={value}"]
        case FieldMatch(name, "=", value) if _FIELD.fullmatch(name) and _is_exact(value):
            return [f"{name}={value}"]
    return []


def _is_exact(value: str) -> bool:
    """Return whether journalctl can match the value exactly: it is not a number, which may be a byte of a binary field,
    and has no character that may stand for another one."""
    return bool(value) and number(value) is None and not _NOT_EXACT.search(value)


# A command that prints records line by line, narrowed on its host by grep: lines that hold a needle are all that cross
# the wire. Who reads them still holds each against the whole filter.


_NARROW = r"""
LC_ALL=C; export LC_ALL
live=$1 fold=$2 needles=$3 begun=$4; shift 4
each=
printf 'a\n' | grep -aF --line-buffered -e a >/dev/null 2>&1 && each=--line-buffered
if [ "$(printf 'a\nB\n' | grep -aFi -e 'x
b' 2>/dev/null)" != B ] || { [ "$live" = live ] && [ -z "$each" ]; }; then exec "$@"; fi
printf '%s\n' "$begun"
exec 3>&1
told() { "$@" 3>&-; echo "$?" >&4; }
found() { grep -aF $each $fold -e "$needles" >&3; [ "$?" -le 1 ] || echo grep >&4; }
ended=$({ told "$@" | found; } 4>&1)
[ "$ended" = 0 ]
"""
BEGUN = b"-- narrowed --"
"""The first line, so that who follows knows of a host that answers before anything matches."""


def narrowed(argv: Sequence[str], wanted: Needles, *, live: bool) -> list[str]:
    """Return ``argv`` with its output reduced to lines that contain one of ``wanted``. With ``live``, each line is
    passed on at once if the host's grep can do that (GNU, BSD); if it cannot (BusyBox), or without grep, the whole
    output is passed on.

    It ends with 0 if ``argv`` has, otherwise with 1 and the same words on stderr."""
    needles = "\n".join(map(os.fsdecode, wanted.any_of))
    fold = "-i" if wanted.ignore_case else ""
    return ["sh", "-c", _NARROW, "sh", "live" if live else "page", fold, needles, BEGUN.decode(), *argv]


# The journal of systemd, on this machine or another, as ``journalctl -o json`` gives it (journalctl(1)).
#
# A record's place is its cursor. Entries come in journalctl's order, which is that of their reception. Of a filter,
# journalctl is asked for what it knows (``to_matches``), and grep on the host drops what cannot match.


AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before journalctl is started again after the link was lost."""
SEARCH_S = 2.0
"""A page that finds little comes back after so long, to be shown and gone on with."""
_LINE_LIMIT = 8 * 1024 * 1024
"""Bytes of one entry that are read: the journal takes up to 768 MiB (a core dump's text)."""
_MILESTONE = b"000;b="
"""Part of the cursor of one entry in 4096 (``i=`` is its number there, in hexadecimal; then comes the boot): such an
entry comes whatever is searched for, and tells how far the search is."""
_NOT_ALL = (b"not seeing messages from other users", b"insufficient permissions")


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Each option narrows what is read; "" means everything. ``boot`` is as in journalctl: 0 the current one, -1 the
    one before, or an id."""

    kind: str = "journald"
    unit: str = ""
    identifier: str = ""
    """The name a program gives itself (SYSLOG_IDENTIFIER)."""
    boot: str = ""
    since: Seconds | None = None
    """How far back it goes."""


def open_source(name: str, options: Options, setting: SourceSettings) -> JournaldSource:
    """Return a source for the journal; runs no command yet."""
    return JournaldSource(name, options, setting)


class _Access(Struct, frozen=True):
    """How this user can read the journal, as found by the first check."""

    sudo: bool
    whole: bool
    """False: only the user's own entries are seen."""


class JournaldSource:
    """See :class:`LogSource`."""

    def __init__(self, name: str, options: Options, setting: SourceSettings) -> None:
        self.name = name
        self._options, self._setting = options, setting
        self.host: Host = setting.host
        self._format: Format = load_format("journald")
        self._status: Feed[SourceStatus] = Feed()
        self._access: _Access | None = None
        self._looking = asyncio.Lock()

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; the description states if this user can see only part of the journal."""
        return self._status

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`. Raises LilFoxError: no journalctl, no permission, no such unit."""
        if isinstance(start, AtBeginning if older else AtEnd):
            return RecordPage((), None)
        try:
            access = await self._looked()
            page, looked_at = await self._page(access, start, older=older, limit=limit, where=where)
            if not looked_at and where == EVERYTHING and isinstance(start, AtBeginning | AtEnd):
                await self._refuse_unknown_unit()
        except LilFoxError as error:
            self._status.fail(error)
            raise
        self._good(access)
        return page

    async def _page(
        self, access: _Access, start: Start, *, older: bool, limit: int, where: Filter
    ) -> tuple[RecordPage, int]:
        """Return the page, and the number of entries that journalctl printed for it."""
        argv = self._argv(where, start, older=older)
        argv += ["--reverse"] if older else []
        found: list[LogRecord] = []
        looked_at = 0
        more: Start | None = None
        deadline = time.monotonic() + SEARCH_S
        argv = self._narrowed(argv, where, live=False)
        async with aclosing(self._lines(argv, sudo=access.sudo, live=False)) as blocks:
            async for lines in blocks:
                for line, size in lines:
                    record = self._record(line, size)
                    looked_at += 1
                    if len(found) == limit:
                        more = AtPlace(found[-1].place)
                        break
                    if record is not None and where.matches(record):
                        found.append(record)
                    last = record.place if record is not None else ""
                    if last and time.monotonic() > deadline:
                        more = AtPlace(last)
                        break
                if more is not None:
                    break
        return RecordPage(tuple(reversed(found)) if older else tuple(found), more), looked_at

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """See :meth:`LogSource.follow`. After a lost connection it continues after the last entry read."""
        access = await self._looked()
        if isinstance(start, AtEnd):
            start = await self._newest(access)
        read_last = ""
        tries = 0
        while True:
            try:
                async with aclosing(self._followed(access, start, where, read_last)) as batches:
                    async for batch, place in batches:
                        self._good(access)
                        if place:
                            start, read_last, tries = AtPlace(place), place, 0
                        if batch:
                            yield batch
                why: LilFoxError = LilFoxError(tr("journalctl exited on {host}", host=self.host.name))
            except (HostUnreachable, CommandUnknown) as error:
                why = error
            except HostError as error:
                if not read_last:
                    self._status.fail(error)
                    raise
                why = error
            pause_s = AGAIN_S[min(tries, len(AGAIN_S) - 1)]
            tries += 1
            self._status.fail(why, next_try=datetime.fromtimestamp(time.time() + pause_s, UTC))
            await wait_until_reconnected(self.host, pause_s)

    async def close(self) -> None:
        """Do nothing: no process is kept between queries."""

    async def _followed(
        self, access: _Access, start: Start, where: Filter, read_last: str
    ) -> AsyncGenerator[tuple[list[LogRecord | SourceNotice], str], None]:
        """Yield batches of matches, each with the place of the last entry received (or "").

        The entry that was ``read_last`` before an outage is asked for again: if it is gone, others may be too."""
        known = read_last
        argv = self._argv(where, start, older=False, with_itself=bool(known))
        argv = self._narrowed([*argv, "--follow", "--no-tail"], where, live=True)
        async with aclosing(self._lines(argv, sudo=access.sudo, live=True)) as blocks:
            async for lines in blocks:
                batch: list[LogRecord | SourceNotice] = []
                place = ""
                for line, size in lines:
                    record = self._record(line, size)
                    if record is None:
                        continue
                    place = record.place
                    if known and place != known:
                        batch.append(self._gap())
                    elif known:
                        known = ""
                        continue
                    known = ""
                    if where.matches(record):
                        batch.append(record)
                yield batch, place

    def _argv(self, where: Filter, start: Start, *, older: bool, with_itself: bool = False) -> list[str]:
        options = self._options
        argv = ["journalctl", "--output=json", "--all", "--no-pager"]
        argv += [f"--unit={options.unit}"] if options.unit else []
        argv += [f"--identifier={options.identifier}"] if options.identifier else []
        argv += [f"--boot={options.boot}"] if options.boot else []
        since_us, until_us = span(where)
        until_us = None if until_us is None else until_us - 1
        oldest = [] if since_us is None else [since_us]
        if options.since is not None:
            oldest.append(microseconds(datetime.now(UTC)) - int(options.since * 1e6))
        if isinstance(start, AtTime) and older:
            until_us = start.time_us - 1 if until_us is None else min(until_us, start.time_us - 1)
        elif isinstance(start, AtTime):
            oldest.append(start.time_us)
        if oldest:
            argv.append(f"--since=@{_seconds(max(oldest))}")
        if until_us is not None:
            argv.append(f"--until=@{_seconds(until_us)}")
        if isinstance(start, AtPlace):
            argv.append(f"--{'' if with_itself else 'after-'}cursor={start.place}")
        return argv + to_matches(where)

    def _narrowed(self, argv: list[str], where: Filter, *, live: bool) -> list[str]:
        wanted = needles(where, self._format.LEVEL_WORDS)
        if wanted is None:
            return argv
        return narrowed(argv, Needles((*wanted.any_of, _MILESTONE), wanted.ignore_case), live=live)

    async def _lines(self, argv: list[str], *, sudo: bool, live: bool) -> AsyncGenerator[list[tuple[bytes, int]], None]:
        """Yield complete lines as they arrive, with their sizes; lines that are too long are truncated."""
        rest, cut = bytearray(), 0
        printed = self.host.stream(argv, sudo=sudo)
        async with aclosing(in_pieces(paced(printed) if live else printed)) as blocks:
            async for block in blocks:
                end = block.find(b"\n")
                kept = block[: end if end >= 0 else len(block)][: _LINE_LIMIT - len(rest)]
                rest += kept
                cut += (end if end >= 0 else len(block)) - len(kept)
                if end < 0:
                    continue
                *others, half = block[end + 1 :].split(b"\n")
                yield [(bytes(rest), len(rest) + cut), *((line, len(line)) for line in others)]
                rest, cut = bytearray(half), 0

    def _record(self, line: bytes, size: int) -> LogRecord | None:
        """Return the record for a line of output; None for a line that is not an entry (``-- No entries --``)."""
        entry = self._format.parse(line, self._setting.zone)
        cursor = entry.fields.get("__CURSOR") if entry is not None else None
        if entry is None or not isinstance(cursor, str):
            return None
        return LogRecord(source=self.name, place=cursor, entry=entry, raw=line[:RAW_LIMIT], size_bytes=size)

    async def _newest(self, access: _Access) -> Start:
        """Return the place of the newest entry; the beginning if the journal has no entries."""
        argv = [*self._argv(EVERYTHING, AtEnd(), older=True), "--lines=1"]
        done = await self.host.run(argv, sudo=access.sudo)
        line = done.stdout.rstrip(b"\n")
        record = self._record(line, len(line))
        return AtBeginning() if record is None else AtPlace(record.place)

    async def _looked(self) -> _Access:
        """Return how this user can read the journal, with sudo if that is allowed and needed; runs journalctl the first
        time, and raises LilFoxError if it fails."""
        async with self._looking:
            if self._access is not None:
                return self._access
            done = await self._look(sudo=False)
            sudo = self._setting.sudo and any(words in done.stderr for words in _NOT_ALL)
            if sudo:
                done = await self._look(sudo=True)
            if not done.ok:
                raise self._refused(done)
            self._access = _Access(sudo, not any(words in done.stderr for words in _NOT_ALL))
            return self._access

    async def _look(self, *, sudo: bool) -> Completed:
        return await self.host.run(["journalctl", "--lines=1", "--output=json", "--no-pager"], sudo=sudo)

    def _refused(self, done: Completed) -> HostError:
        host = self.host.name
        if done.exit_status == NOT_FOUND:
            return HostError(
                host, tr("There is no journalctl on {host}", host=host),
                tr("This host has no systemd journal; read its log files instead."),
            )  # fmt: skip
        if any(words in done.stderr for words in _NOT_ALL):
            return HostError(
                host, tr("The journal on {host} is not readable by this user", host=host),
                tr("Add the user to the systemd-journal group on the host, or set sudo: true for this host."),
            )  # fmt: skip
        words = last_words(done.stderr)
        return HostError(host, tr("journalctl failed on {host}: {words}", host=host, words=words))

    async def _refuse_unknown_unit(self) -> None:
        """Raise an error if the unit does not exist; called when there are no entries at all."""
        unit = self._options.unit
        if not unit or any(char in unit for char in "*?["):
            return
        done = await self.host.run(["systemctl", "show", "--property=LoadState", "--", unit])
        if done.ok and done.stdout.strip() == b"LoadState=not-found":
            host = self.host.name
            raise HostError(
                host, tr("{host} has no unit {unit}, and its journal has no entries for it", host=host, unit=unit),
                tr("Run systemctl list-units --all on the host to see the names."),
            )  # fmt: skip

    def _gap(self) -> SourceNotice:
        text = tr("The journal on {host} no longer contains the last entry read: some entries may be missing here",
                           host=self.host.name)  # fmt: skip
        return SourceNotice(self.name, microseconds(datetime.now(UTC)), text)

    def _good(self, access: _Access) -> None:
        options = self._options
        words = ["journald", options.unit, options.identifier, options.boot and f"boot {options.boot}"]
        description = " ".join(word for word in words if word)
        if not access.whole:
            description = _(
                "{source} (only this user's entries: the user is not in the systemd-journal group)", source=description
            )
        status = SourceStatus(description=description, format="journald")
        if status != self._status.value:
            self._status.publish(status)


def _seconds(time_us: int) -> str:
    """Format a time as journalctl takes it after @."""
    return f"{time_us // 10**6}.{time_us % 10**6:06}"
