"""Processes: /proc/PID/stat and two lines of /proc/PID/status (proc_pid_stat(5), proc_pid_status(5)).

Only names of programs, never their arguments, which may hold secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count
from lilfox_tui.metrics.model import Sample

WHEN_FOCUSED = True
EVERY_S = 2.0
"""Reading them costs a host more than all its other numbers; over a shorter time their usage would be noise."""
_TICKS_PER_S = 100.0
_STAT = re.compile(r"/proc/(\d+)/stat:\d+ \((.*)\) (\S) (\d.*|-.*)")
_STATUS = re.compile(r"/proc/(\d+)/status:(Uid|VmRSS):\s*(.*)")
_UTIME, _STIME, _STARTTIME = 10, 11, 18
"""Places after the state; fields 14, 15 and 22 of the man page."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``top``: how many processes to keep, by CPU and by memory."""

    top: Annotated[int, Meta(ge=1, le=1000)] = 50


def script(options: Options) -> str:
    """Run one grep over all processes; each line is preceded by its file's name."""
    return r"grep -sE '^(Uid:|VmRSS:|[0-9]+ \()' /proc/[0-9]*/stat /proc/[0-9]*/status"


def read_here(options: Options) -> str | None:
    """Return the text of ``script``, read without a process; the owner of /proc/PID and the pages of ``stat`` replace
    ``status``."""
    lines = []
    page_kb = os.sysconf("SC_PAGESIZE") // 1024
    for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - a third of pathlib's time
        try:
            file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
            try:
                stat = os.read(file, 4096).decode("utf-8", "surrogateescape").rstrip("\n")
                owner = os.fstat(file).st_uid
            finally:
                os.close(file)
            pages = stat[stat.rindex(")") :].split(" ")[22]
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
        shown = stat.replace("\n", "?")
        lines.append(
            f"/proc/{pid}/stat:{shown}\n/proc/{pid}/status:Uid:\t{owner}\t{owner}\n"
            f"/proc/{pid}/status:VmRSS:\t{int(pages) * page_kb} kB"
        )
    return "\n".join(lines)


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``process_cpu_seconds_total`` and ``process_resident_memory_bytes`` by command, pid, started (ticks since
    boot), state and uid (empty when unknown). The memory of a kernel thread is 0."""
    lines = text.get("script", "").split("\n")
    status = dict(filter(None, map(_status, lines)))
    samples: list[Sample] = []
    bad: list[Message] = []
    for line in lines:
        try:
            stat = _stat(line)
            if stat is not None:
                resident, uids = status.get((stat.pid, "VmRSS"), "0 kB"), status.get((stat.pid, "Uid"), "")
                samples += _samples(stat, resident, uids)
            elif line and "/status:" not in line:
                bad.append(bad_line("/proc/PID/stat", line))
        except (ValueError, IndexError):
            bad.append(bad_line("/proc/PID/stat", line))
    return checked(samples, bad)


# Most processes do nothing between two samples: of an equal line, what was parsed of it is kept.


_KEPT = 2048


class _Stat(NamedTuple):
    pid: str
    command: str
    state: str
    cpu_s: float
    started: str


@lru_cache(maxsize=_KEPT)
def _stat(line: str) -> _Stat | None:
    """Parse a line of ``stat``; None if it is none. Raises ValueError and IndexError."""
    if (match := _STAT.fullmatch(line)) is None:
        return None
    pid, command, state, rest = match.groups()
    fields = rest.split(" ", _STARTTIME + 1)
    cpu_s = (count(fields[_UTIME]) + count(fields[_STIME])) / _TICKS_PER_S
    return _Stat(pid, command, state, cpu_s, str(int(count(fields[_STARTTIME]))))


@lru_cache(maxsize=_KEPT)
def _samples(stat: _Stat, resident: str, uids: str) -> tuple[Sample, Sample]:
    """The samples of a process, given its ``VmRSS`` and ``Uid``. Raises ValueError and IndexError."""
    memory = count(resident.split()[0]) * 1024
    words = uids.split()
    uid = words[1] if len(words) > 1 and words[1].isdecimal() else ""
    labels = (
        ("command", stat.command), ("pid", stat.pid), ("started", stat.started), ("state", stat.state), ("uid", uid),
    )  # fmt: skip
    return (
        Sample("process_cpu_seconds_total", stat.cpu_s, labels),
        Sample("process_resident_memory_bytes", memory, labels),
    )


@lru_cache(maxsize=2 * _KEPT)
def _status(line: str) -> tuple[tuple[str, str], str] | None:
    """Parse a line of ``status`` into pid and name, and value."""
    match = _STATUS.fullmatch(line)
    return None if match is None else ((match[1], match[2]), match[3])
