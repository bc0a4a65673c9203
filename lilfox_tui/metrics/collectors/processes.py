"""Processes: /proc/PID/stat, and two lines each of /proc/PID/status and, where it may be read, /proc/PID/io
(proc_pid_stat(5), proc_pid_status(5), proc_pid_io(5)).

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

WHEN_FOCUSED = REPEATS = True
EVERY_S = 3.0
"""Reading them costs a host more than all its other numbers; over a shorter time their usage would be noise."""
_TICKS_PER_S = 100.0
_STAT = re.compile(r"/proc/(\d+)/stat:\d+ \((.*)\) (\S) (\d.*|-.*)")
_STATUS = re.compile(r"/proc/(\d+)/(?:status:(?=[UV])|io:(?=[rw]))(Uid|VmRSS|read_bytes|write_bytes):\s*(.*)")
_FLAGS, _UTIME, _STIME, _STARTTIME = 5, 10, 11, 18
"""Places after the state; fields 9, 14, 15 and 22 of the man page."""
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD (include/linux/sched.h, unchanged since Linux 2.6.27)."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``top``: how many processes to keep, by CPU, by memory and by I/O."""

    top: Annotated[int, Meta(ge=1, le=1000)] = 50


def script(options: Options) -> str:
    """Print a line for each process: ``p PID STATE FLAGS UTIME STIME STARTTIME UID RSS READ WRITTEN NAME``, ``-`` is
    unknown. Where there is no awk, the lines of the files that have these numbers, each preceded by its file's name.
    The names of all files together would be too long for one command on a host with very many processes."""
    return _SCRIPT


def read_here(options: Options) -> str | None:
    """Return the text of ``script``, read without a process; the owner of /proc/PID and the pages of ``stat`` replace
    ``status``. The kernel's own threads have no I/O to read."""
    lines = []
    mine = os.geteuid()
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
        if pages != "0" and mine in (0, owner):
            lines += _io_here(pid)
    return "\n".join(lines)


def _io_here(pid: str) -> list[str]:
    """The lines of /proc/PID/io that ``script`` prints; none if it may not be read."""
    try:
        file = os.open(f"/proc/{pid}/io", os.O_RDONLY)
        try:
            text = os.read(file, 4096).decode()
        finally:
            os.close(file)
    except OSError:
        return []
    return [f"/proc/{pid}/io:{line}" for line in text.split("\n") if line.startswith(("read_bytes:", "write_bytes:"))]


_SCRIPT = r"""
lilfox_lines() {
    grep -sE '^(Uid:|VmRSS:|[0-9]+ \()' /proc/[0-9]*/stat /proc/[0-9]*/status
    grep -sE '^(read|write)_bytes:' /proc/[0-9]*/io /dev/null
}
awk 'BEGIN { exit }' </dev/null || { lilfox_lines; exit; }
lilfox_lines | awk '
function shown(value) { return value == "" ? "-" : value }
{
    colon = index($0, ":"); n = split(substr($0, 1, colon - 1), part, "/"); rest = substr($0, colon + 1)
    pid = part[n - 1]
    if (part[n] == "stat") {
        if (!match(rest, /\) [^ ] [-0-9 ]*$/)) { print; next }
        open = index(rest, "("); name[pid] = substr(rest, open + 1, RSTART - open - 1)
        split(substr(rest, RSTART + 2), word, " ")
        numbers[pid] = word[1] " " word[7] " " word[12] " " word[13] " " word[20]; order[++count] = pid
    } else {
        split(rest, word, /[ \t]+/)
        if (word[1] == "Uid:") uid[pid] = word[3]
        else if (word[1] == "VmRSS:") memory[pid] = word[2]
        else if (word[1] == "read_bytes:") read[pid] = word[2]
        else if (word[1] == "write_bytes:") written[pid] = word[2]
    }
}
END {
    for (i = 1; i <= count; i++) {
        pid = order[i]
        print "p " pid " " numbers[pid] " " shown(uid[pid]) " " shown(memory[pid]) " " shown(read[pid]) " " \
            shown(written[pid]) " " name[pid]
    }
}'
"""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return of each process ``process_cpu_seconds_total``, then ``process_io_bytes_total`` where it is known, then
    ``process_resident_memory_bytes``, by command, kernel (a thread of the kernel), pid, started (ticks since boot),
    state and uid (empty when unknown). The memory of a kernel thread is 0."""
    lines = text.get("script", "").split("\n")
    status = dict(filter(None, map(_status, lines)))
    samples: list[Sample] = []
    bad: list[Message] = []
    for line in lines:
        try:
            if line.startswith("p "):
                samples += _process(line)
                continue
            stat = _stat(line)
            if stat is not None:
                resident, uids = status.get((stat.pid, "VmRSS"), "0 kB"), status.get((stat.pid, "Uid"), "")
                read, written = (status.get((stat.pid, name)) for name in ("read_bytes", "write_bytes"))
                samples += _samples(stat, resident, uids, read, written)
            elif line and "/status:" not in line and "/io:" not in line:
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
    kernel: bool


@lru_cache(maxsize=_KEPT)
def _stat(line: str) -> _Stat | None:
    """Parse a line of ``stat``; None if it is none. Raises ValueError and IndexError."""
    if (match := _STAT.fullmatch(line)) is None:
        return None
    pid, command, state, rest = match.groups()
    fields = rest.split(" ", _STARTTIME + 1)
    cpu_s = (count(fields[_UTIME]) + count(fields[_STIME])) / _TICKS_PER_S
    kernel = bool(int(count(fields[_FLAGS])) & _KERNEL_THREAD)
    return _Stat(pid, command, state, cpu_s, str(int(count(fields[_STARTTIME]))), kernel)


@lru_cache(maxsize=_KEPT)
def _samples(stat: _Stat, resident: str, uids: str, read: str | None, written: str | None) -> tuple[Sample, ...]:
    """The samples of a process, given its ``VmRSS`` and ``Uid``, and its I/O if known. Raises ValueError and
    IndexError."""
    memory = count(resident.split()[0]) * 1024
    words = uids.split()
    uid = words[1] if len(words) > 1 and words[1].isdecimal() else ""
    labels = (
        ("command", stat.command), ("kernel", "yes" if stat.kernel else "no"), ("pid", stat.pid),
        ("started", stat.started), ("state", stat.state), ("uid", uid),
    )  # fmt: skip
    io = () if read is None or written is None else (
        Sample("process_io_bytes_total", count(read) + count(written), labels),
    )  # fmt: skip
    return (
        Sample("process_cpu_seconds_total", stat.cpu_s, labels),
        *io,
        Sample("process_resident_memory_bytes", memory, labels),
    )


@lru_cache(maxsize=_KEPT)
def _process(line: str) -> tuple[Sample, ...]:
    """The samples of a line ``p``. Raises ValueError and IndexError."""
    _p, pid, state, flags, user, system, started, uid, memory, read, written, name = line.split(" ", 11)
    kernel = bool(int(count(flags)) & _KERNEL_THREAD)
    cpu_s = (count(user) + count(system)) / _TICKS_PER_S
    stat = _Stat(str(int(count(pid))), name, state, cpu_s, str(int(count(started))), kernel)
    known = "-" not in (read, written)
    resident = "0 kB" if memory == "-" else f"{memory} kB"
    return _samples(stat, resident, f"- {uid}", read if known else None, written if known else None)


@lru_cache(maxsize=4 * _KEPT)
def _status(line: str) -> tuple[tuple[str, str], str] | None:
    """Parse a line of ``status`` into pid and name, and value."""
    match = _STATUS.fullmatch(line)
    return None if match is None else ((match[1], match[2]), match[3])
