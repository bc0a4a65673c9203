"""Findings about a configuration file, gathered so that all are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from msgspec import Struct, field

from lilfox_tui.i18n import _, listed
from lilfox_tui.redact import redact
from lilfox_tui.text import clean, fit

KeyPath = tuple[str, ...]
_LISTED_AT_MOST = 16
_QUOTED_CELLS = 40


def dotted(path: KeyPath) -> str:
    """``hosts.web-1.port`` of its parts."""
    return ".".join(clean(part) for part in path)


def quoted(value: str) -> str:
    """A value of the file as an error repeats it: cleaned, masked where it looks like a secret, cut to one line."""
    return f"“{fit(clean(redact(value)), _QUOTED_CELLS).rstrip()}”"


def rather(word: str, known: Iterable[str]) -> str:
    """What would be right instead of ``word``: the nearest of ``known``, or all of them when they are few."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return _("did you mean {word}?", word=near[0])
    if not words:
        return _("there is none to choose from")
    more = ["…"] if len(words) > _LISTED_AT_MOST else []
    return _("one of: {words}", words=listed([*words[:_LISTED_AT_MOST], *more]))


class Findings(Struct):
    """What is wrong in one file. ``lines`` knows where each key path stands (lines count from 1)."""

    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, path: KeyPath, what: str) -> None:
        """Notes that ``what`` is wrong at ``path`` in that line; what would be right is part of ``what``."""
        place = f"{clean(self.file)}:{line}: "
        self._found.append((line, place + (f"{dotted(path)}: {what}" if path else what)))

    def add_at(self, path: KeyPath, what: str) -> None:
        """As ``add``, at the line where ``path``, or what holds it, stands."""
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.lines), ())
        self.add(self.lines.get(known, 1), path, what)

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def since(self, count: int) -> tuple[str, ...]:
        """What was found after the first ``count`` findings, in the order of the file."""
        return _in_order(self._found[count:])

    def sorted(self) -> tuple[str, ...]:
        """All findings in the order of the file, each as ``file:line: key.path: what``."""
        return _in_order(self._found)


def _in_order(found: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(text for _line, text in sorted(found, key=lambda each: each[0]))
