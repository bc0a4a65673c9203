"""A fence as lint checks see it: its lines without comments, and what its variables stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from lilfox_tui.runbook.model import Fence, Problem
from lilfox_tui.runbook.parse.fences import SHELLS

_ASSIGNED = re.compile(r"""^\s*(?:export\s+|local\s+)?([A-Za-z_]\w*)=(?:"([^"$`]*)"|'([^']*)'|([\w./:-]+))\s*$""")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")


_LONGEST = 4000
"""Of a longer line the rest is not looked at: nobody writes one by hand, and searching may take the square of it."""


class FenceSource:
    """One fence. Lines count from 1 in the file."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.shell = fence.language in SHELLS
        self.script = self.shell and fence.text.lstrip().startswith("#!")
        """Whether it is a script that is called as one, by somebody or by cron."""

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """Number and text of each line that is no comment and not empty; what a ``\\`` continues is one line."""
        found: list[tuple[int, str]] = []
        going_on = False
        for number, line in enumerate(self.fence.text.split("\n"), self.fence.line + 1):
            text = line[:_LONGEST].strip()
            if going_on:
                found[-1] = (found[-1][0], f"{found[-1][1][:-1]} {text}")
            elif text and not text.startswith("#"):
                found.append((number, text))
            else:
                continue
            going_on = text.endswith("\\")
        return found

    @cached_property
    def text(self) -> str:
        """All lines of ``lines``."""
        return "\n".join(text for _number, text in self.lines)

    @cached_property
    def stops(self) -> bool:
        """Whether it stops at a command that fails."""
        return self.has(r"\bset\s+-[a-z]*e|set -o errexit") or bool(re.match(r"#!\S+\s+-\w*e", self.fence.text))

    @cached_property
    def values(self) -> dict[str, str]:
        """The variables that are set to a plain text."""
        made: dict[str, str] = {}
        for _number, line in self.lines:
            if found := _ASSIGNED.match(line):
                made[found[1]] = found[2] or found[3] or found[4] or ""
        return made

    def filled(self, line: str) -> str:
        """``line`` with the texts of such variables in it."""
        return _VARIABLE.sub(lambda found: self.values.get(found[1], found[0]), line)

    def has(self, pattern: str) -> bool:
        """Whether a line has it."""
        return re.search(pattern, self.text) is not None

    def each(self, pattern: str) -> Iterator[tuple[int, re.Match[str]]]:
        """Every line that has ``pattern``, with what was found."""
        compiled = re.compile(pattern)
        for number, line in self.lines:
            if found := compiled.search(line):
                yield number, found

    def first(self, pattern: str) -> int:
        """The number of the first line that has it, 0 where none has."""
        return next((number for number, _found in self.each(pattern)), 0)


def hazard(line: int, code: str, text: str) -> Problem:
    """What works in another way than it looks."""
    return Problem(line, "warning", code, text)
