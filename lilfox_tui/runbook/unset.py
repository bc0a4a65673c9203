"""Variables of commands that nothing sets: ``rm -rf $DIR/*.tmp`` without ``DIR`` is ``rm -rf /*.tmp``.

What a fence sets ends with it. A variable that another fence sets is refused before anything runs; one that only the
host may set is looked for there by the shell that is about to run the command (``shell.py``), which runs nothing
without it. That shell also runs with ``set -u``: what is set in one branch alone is seen when it is missing. Not so
where the fence takes another file into its shell (``source``, ``eval``), for those are often not written for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.runbook.model import Command, Runbook
from lilfox_tui.runbook.shell_variables import Variables, variables_of

_OF_EVERY_SHELL = re.compile(
    r"BASH\w*|LF_\w+|EPOCH\w+|PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|HOSTNAME|IFS|OPTIND|OPTERR|RANDOM|SRANDOM|SECONDS"
    r"|LINENO|PPID|UID|EUID|GROUPS|DIRSTACK|FUNCNAME|HOSTTYPE|OSTYPE|MACHTYPE|SHLVL|SHELLOPTS|PIPESTATUS|_"
)
"""What every login and bash itself set; another fence that sets one of them sets it anew."""
_OF_OURS = re.compile(r"LF_\w+|BASH_\w+|_")
"""What the shell has by the time when it is used, and not before."""
_SHELLS = re.compile(r"(?:(?:\S*/)?env\s++(?:-S\s++)?)?(?:\S*/)?(?:ba)?sh(?:\s.*)?")


class Needed(Struct, frozen=True):
    """What the shell of a command looks for before it runs. ``strict``: it runs with ``set -u``."""

    names: tuple[str, ...] = ()
    strict: bool = False


class Unset:
    """Of the commands of a runbook."""

    def __init__(self, runbook: Runbook) -> None:
        self._fences: dict[int, list[Command]] = {}
        for step in runbook.steps:
            for command in step.commands:
                self._fences.setdefault(command.fence, []).append(command)
        self._set_in: dict[str, dict[int, int]] = {}
        """Name → fence → the line there that sets it."""
        for fence, commands in self._fences.items():
            for command in filter(_is_bash, commands):
                for name in _variables(command).sets:
                    self._set_in.setdefault(name, {}).setdefault(fence, command.line)

    def needed(self, command: Command) -> Needed:
        """What its shell looks for; nothing of a command whose fence changes nothing."""
        if not self._counts(command):
            return Needed()
        names = tuple(name for name in _variables(command).needs if not _OF_OURS.fullmatch(name))
        strict = not any(_variables(each).foreign for each in [*self._before(command), command])
        return Needed(names, strict)

    def elsewhere(self, command: Command) -> Iterator[tuple[str, int]]:
        """Names that it needs and that another fence sets, each with the line where it does."""
        if not self._counts(command):
            return
        mine, before = _variables(command), [_variables(each) for each in self._before(command)]
        names = mine.needs if any(each.foreign for each in before) else (*mine.needs, *mine.maybe)
        for name in names:
            lines = self._set_in.get(name, {})
            there = [line for fence, line in lines.items() if fence != command.fence]
            if there and not any(name in each.sets for each in before) and not _OF_EVERY_SHELL.fullmatch(name):
                yield name, there[0]

    def nowhere(self, command: Command) -> Iterator[str]:
        """Names that it needs and that nothing in the runbook sets: its host may."""
        if self._counts(command):
            names = (name for name in _variables(command).needs if name not in self._set_in)
            yield from (name for name in names if not _OF_EVERY_SHELL.fullmatch(name))

    def why_not(self, command: Command) -> Message | None:
        """Why it is not run; None where the runbook itself does not stand in its way."""
        for name, line in self.elsewhere(command):
            return tr(
                "line {line}: ${name} is set in another fence (line {other}), and ends with it: here it is empty",
                line=command.line,
                name=name,
                other=line,
            )
        return None

    def refuse(self, command: Command) -> None:
        """Raises LilFoxError where it is not run."""
        if (why := self.why_not(command)) is not None:
            raise LilFoxError(why, tr("set it in this fence too, or let a <placeholder> or a capture carry the value"))

    def _counts(self, command: Command) -> bool:
        """Whether it is bash, and it or what comes with it in its fence changes something: a folder that is entered,
        or a variable that is made, is what a later command of the fence changes."""
        mine = self._fences.get(command.fence, [command])
        return command.kind != "none" and _is_bash(command) and any(
            each.kind in ("change", "interactive") for each in mine
        )  # fmt: skip

    def _before(self, command: Command) -> list[Command]:
        """Those that have their turn before it in its fence."""
        mine = takewhile(lambda each: each != command, self._fences.get(command.fence, ()))
        return [each for each in mine if each.kind != "none" and _is_bash(each)]


def _is_bash(command: Command) -> bool:
    program = command.attributes.interpreter or ""
    if not program and command.script and command.text.startswith("#!"):
        program = command.text[2:].split("\n", 1)[0].strip()
    return not program or _SHELLS.fullmatch(program) is not None


def _variables(command: Command) -> Variables:
    """Of its text, where a placeholder is a word: its value comes by a way of its own."""
    text = command.text
    for each in sorted(command.placeholders, key=lambda each: each.start, reverse=True):
        text = f"{text[: each.start]}x{text[each.end :]}"
    return variables_of(text)
