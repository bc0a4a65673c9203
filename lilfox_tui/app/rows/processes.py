"""Rows of processes: CPU, memory, I/O, owner, and what tells a command from others; and their order. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from lilfox_tui.app.rendering.columns import GAP, Column, choose, heading, line
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import fit, human_bytes
from lilfox_tui.metrics.model import ProcessTotals, ProcessUsage


class _Interpreter(NamedTuple):
    """A program that runs another one. ``values`` are its options whose value is the next word; after what ``code``
    matches stands code, after what ``named`` matches the name of what is run."""

    values: frozenset[str]
    code: re.Pattern[str]
    named: re.Pattern[str]


_NEVER = re.compile(r"(?!)")
_SHELL = _Interpreter(
    frozenset(("-o", "+o", "-O", "+O", "--rcfile", "--init-file")), re.compile(r"-[a-zA-Z]*c"), _NEVER
)  # fmt: skip
_INTERPRETERS: Mapping[str, _Interpreter] = {
    **dict.fromkeys(("bash", "sh", "dash", "zsh", "ksh"), _SHELL),
    "python": _Interpreter(
        frozenset(("-W", "-X")), re.compile(r"-[a-zA-Z]*c"), re.compile(r"-[a-zA-Z]*m")
    ),
    "perl": _Interpreter(frozenset(), re.compile(r"-[a-zA-Z]*[eE]"), _NEVER),
    "ruby": _Interpreter(frozenset(("-I", "-r")), re.compile(r"-[a-zA-Z]*e"), _NEVER),
    "node": _Interpreter(
        frozenset(("-r", "--require", "--import", "--loader")), re.compile("-p|-p?e|--eval|--print"), _NEVER
    ),
    "java": _Interpreter(
        frozenset((
            "-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens",
            "--add-exports", "--add-reads",
        )),
        _NEVER, re.compile("-jar|-m|--module"),
    ),
}  # fmt: skip
_MODULE_PARTS = 2
"""Of the name of a module: what stands before them is that of a package, and its arguments tell more."""
_NO_NAME = ("/dev/", "/proc/")
"""Folders of scripts whose own name says nothing, such as ``/dev/fd/3``."""


def telling_command(command_line: str) -> tuple[str, str]:
    """What tells a command from others, and the rest of it: ``worker`` and ``--queue mail`` of ``/usr/bin/python3 -u
    /srv/worker --queue mail``. Folders and an interpreter's options are left out; code in the words stays.

    The words are those of the whole line, as /proc does not tell where an argument with blanks ends.
    """
    program, _blank, rest = command_line.partition(" ")
    name = _base(program)
    kind = _INTERPRETERS.get(name.lstrip("-").rstrip("0123456789."))  # a login shell is called -bash
    if kind is None:
        return name, rest
    words = rest.split(" ")
    at = 0
    while at < len(words) and words[at][:1] in ("-", "+") and words[at] not in ("-", "--"):
        word = words[at]
        if kind.code.fullmatch(word):
            return name, " ".join(words[at:])
        if kind.named.fullmatch(word):
            if word.endswith("m") and at + 1 < len(words) and "/" not in words[at + 1]:
                return ".".join(words[at + 1].split(".")[-_MODULE_PARTS:]), " ".join(words[at + 2 :])
            at += 1
            break
        at += 2 if word in kind.values else 1
    at += words[at : at + 1] == ["--"]
    script = words[at] if at < len(words) else ""
    if script in ("", "-") or script.startswith(_NO_NAME):
        return name, rest
    return _base(script), " ".join(words[at + 1 :])


def _base(path: str) -> str:
    return path.rpartition("/")[2] or path


def process_text(each: ProcessUsage) -> str:
    """What tells a process from others, as one text: its command line, or its program's name if that is not known."""
    return " ".join(telling_command(each.command_line)).rstrip() or each.command


def command_cell(each: ProcessUsage) -> Row:
    """What tells a process from others; one without a command line is the kernel's, or not known yet."""
    if not each.command_line:
        return (Piece(f"[{each.command}]", "muted"),)
    name, rest = telling_command(each.command_line)
    return (Piece(name, "name"), Piece(f" {rest}" if rest else ""))


PROCESS_SORTS = ("cpu", "memory", "io")
"""What processes can be sorted by, the highest first."""


def sorted_by(by: str) -> str:
    """What processes are sorted by, as words."""
    titles = {"cpu": _("cpu"), "memory": _("mem"), "io": _("i/o/s")}
    return _("by {column}", column=titles[by])


_IO_FROM = 72
"""Cells of a table from which it has a column for I/O."""


def _columns(width: int) -> list[tuple[Column[ProcessUsage], int]]:
    io = Column[ProcessUsage](lambda: _("i/o/s"), 6, _io, right=True, id="io")
    columns = (
        Column[ProcessUsage](lambda: _("cpu"), 5, lambda each: (Piece(_cpu(each)),), right=True, id="cpu"),
        Column[ProcessUsage](
            lambda: _("mem"), 5, lambda each: (Piece(human_bytes(each.resident_bytes)),), right=True, id="memory"
        ),
        *((io,) if width >= _IO_FROM else ()),
        Column[ProcessUsage](
            lambda: _("pid"), 7, lambda each: (Piece(str(each.pid), "muted"),), priority=3, right=True
        ),
        Column[ProcessUsage](lambda: _("user"), 8, lambda each: (Piece(each.user, "muted"),), priority=2),
        Column[ProcessUsage](lambda: _("command"), 12, command_cell, priority=1, grow=400),
    )
    return choose(columns, width - 2)


def _cpu(each: ProcessUsage) -> str:
    return "-" if each.cpu_percent is None else f"{each.cpu_percent:.0f}%"


def _io(each: ProcessUsage) -> Row:
    """What it reads and writes; ``-`` where that is not known."""
    if not each.io_bytes_s or each.io_bytes_s < 1:
        return (Piece("-" if each.io_bytes_s is None else "0", "muted"),)
    return (Piece(human_bytes(each.io_bytes_s)),)


def process_heading(width: int, sorted_by: str, mark: str) -> Row:
    """The column titles of processes; that of the column ``sorted_by`` has the mark."""
    return heading(_columns(width), 1, sorted_by, mark)


def process_row(each: ProcessUsage, width: int) -> Row:
    """One process: its share of a core, its memory, its I/O, and its command."""
    return (Piece(" "), *line(_columns(width), each))


def others_rows(totals: ProcessTotals | None, processes: Sequence[ProcessUsage], shown: int, width: int) -> list[Row]:
    """What the other processes use together, and how many idle threads of the kernel are not among them: ``processes``
    are those that could be shown, of which the first ones are ``shown``. Nothing if there are no others."""
    if totals is None:
        return []
    seen = processes[:shown]
    idle = max(0, totals.kernel_threads - sum(each.kernel for each in processes))
    count = totals.count - idle - len(seen)
    rows: list[Row] = []
    if count > 0:
        io = None if totals.io_bytes_s is None else totals.io_bytes_s - sum(each.io_bytes_s or 0.0 for each in seen)
        rest = ProcessUsage(
            0, "", "", "", max(0.0, totals.cpu_percent - sum(each.cpu_percent or 0.0 for each in seen)),
            max(0, totals.resident_bytes - sum(each.resident_bytes for each in seen)),
            io_bytes_s=None if io is None else max(0.0, io),
        )  # fmt: skip
        text = ngettext("{count} other process", "{count} other processes", count)
        numbers = [(column, size) for column, size in _columns(width) if column.id]
        used = sum(size + GAP for _column, size in numbers)
        rows.append((Piece(" "), *line(numbers, rest), Piece(" " * GAP + fit(text, width - 2 - used), "muted")))
    if idle:
        text = ngettext("{count} idle kernel thread not shown", "{count} idle kernel threads not shown", idle)
        rows.append((Piece(" " + fit(text, width - 2), "muted"),))
    return rows


_IDLE, _LASTING, _WEIGHT = 2.0, 0.75, 0.2
"""Percent of a core below which usage is noise; a change of its average that counts; and a sample's part in that."""


class SteadyOrder:
    """Sorts processes, one sample after the other. A process that uses less than 2 % of a core moves only if a change
    lasts; otherwise idle processes would change places with each sample. What it is sorted by is also what is shown of
    it. Idle threads of the kernel are left out."""

    def __init__(self) -> None:
        self._taken: Sequence[ProcessUsage] = ()
        self._shown: Sequence[ProcessUsage] = ()
        self._usage: dict[tuple[int, int | None], tuple[float, float]] = {}
        """What a process is sorted by, and its average."""
        self._sorted: dict[str, list[ProcessUsage]] = {}

    def busiest(self, found: Sequence[ProcessUsage], by: str = "cpu") -> list[ProcessUsage]:
        """The processes of a sample with their steady CPU usage, sorted by one of ``PROCESS_SORTS``; of the same usage,
        the one with the most memory comes first."""
        if found is not self._taken:
            self._taken = found
            self._usage = {(each.pid, each.start_ticks): self._next(each) for each in found}
            steady = (self._steady(each) for each in found)
            self._shown = [each for each in steady if not each.kernel or each.cpu_percent or each.io_bytes_s]
            self._sorted.clear()
        if by not in self._sorted:
            self._sorted[by] = sorted(self._shown, key=partial(_rank, by))
        return self._sorted[by]

    def _steady(self, each: ProcessUsage) -> ProcessUsage:
        cpu = self._usage[each.pid, each.start_ticks][0]
        return each if each.cpu_percent is None or each.cpu_percent == cpu else replace(each, cpu_percent=cpu)

    def _next(self, each: ProcessUsage) -> tuple[float, float]:
        now = float(round(each.cpu_percent or 0))
        sorted_by, average = self._usage.get((each.pid, each.start_ticks), (now, now))
        if max(now, sorted_by) >= _IDLE:
            return now, now
        average += _WEIGHT * (now - average)
        return (float(round(average)), average) if abs(average - sorted_by) > _LASTING else (sorted_by, average)


def _rank(by: str, each: ProcessUsage) -> tuple[float, ...]:
    cpu, memory, io = each.cpu_percent or 0.0, float(each.resident_bytes), each.io_bytes_s or 0.0
    if by == "memory":
        return -memory, each.pid
    return (-io, -cpu, -memory, each.pid) if by == "io" else (-cpu, -memory, each.pid)
