"""Processes: /proc/PID/stat and two lines of /proc/PID/status (proc_pid_stat(5), proc_pid_status(5)).

Only names of programs, never their arguments, which may hold secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count
from lilfox_tui.metrics.model import Sample

WHEN_FOCUSED = True
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
    status = dict(_status(lines))
    samples: list[Sample] = []
    bad: list[Message] = []
    for line in lines:
        if (match := _STAT.fullmatch(line)) is None:
            if line and "/status:" not in line:
                bad.append(bad_line("/proc/PID/stat", line))
            continue
        pid, command, state, rest = match.groups()
        fields = rest.split(" ", _STARTTIME + 1)
        try:
            cpu = (count(fields[_UTIME]) + count(fields[_STIME])) / _TICKS_PER_S
            started = str(int(count(fields[_STARTTIME])))
            memory = status.get((pid, "VmRSS"), "0 kB").split()
            resident = count(memory[0]) * 1024
        except (ValueError, IndexError):
            bad.append(bad_line("/proc/PID/stat", line))
            continue
        uids = status.get((pid, "Uid"), "").split()
        uid = uids[1] if len(uids) > 1 and uids[1].isdecimal() else ""
        labels = (("command", command), ("pid", pid), ("started", started), ("state", state), ("uid", uid))
        samples.append(Sample("process_cpu_seconds_total", cpu, labels))
        samples.append(Sample("process_resident_memory_bytes", resident, labels))
    return checked(samples, bad)


def _status(lines: list[str]) -> Iterator[tuple[tuple[str, str], str]]:
    for line in lines:
        if (match := _STATUS.fullmatch(line)) is not None:
            yield (match[1], match[2]), match[3]
