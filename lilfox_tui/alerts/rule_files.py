"""The rule files that the configuration names, found and read; one that is broken takes no other with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lilfox_tui.alerts.model import Trouble
from lilfox_tui.alerts.rule import RuleFile
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change (ns) of each file: another one means that something was written, or that other
people may write there now."""


class RuleFiles(Struct, frozen=True):
    """What was read. ``broken`` are files that cannot be used and why; ``missing`` patterns that fit no file, and
    ``empty`` files that hold no group: Prometheus takes such a one, but mostly it is half written. Of what else is
    wrong in files, their rules and ``refused`` groups tell."""

    files: tuple[RuleFile, ...]
    broken: Mapping[str, LilFoxError]
    missing: tuple[str, ...]
    stamp: Stamp
    empty: tuple[str, ...] = ()

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong, in sentences."""
        lost = {pattern: tr("rules: no file fits {pattern}", pattern=pattern) for pattern in self.missing}
        broken = {path: tr("rules: {reason}", reason=_first_line(error)) for path, error in self.broken.items()}
        empty = {path: tr("rules: {path} holds no rules", path=path) for path in self.empty}
        told = (*lost.items(), *broken.items(), *empty.items())
        return tuple(Trouble(f"rules {what}", text, blind=True) for what, text in told)


def read_rule_files(patterns: Sequence[str], base: Path) -> RuleFiles:
    """Reads them all; patterns that are relative are looked for under ``base``. Blocks."""
    from lilfox_tui.alerts.rule_file import read_usable

    stamp = stamp_of(patterns, base)
    files: list[RuleFile] = []
    broken: dict[str, LilFoxError] = {}
    for path, *_ in stamp:
        try:
            files.append(read_usable(Path(path)))
        except LilFoxError as error:
            broken[path] = error
    missing = tuple(pattern for pattern in patterns if not _paths(pattern, base))
    empty = tuple(file.name for file in files if not (file.groups or file.refused))
    return RuleFiles(tuple(files), broken, missing, stamp, empty)


def stamp_of(patterns: Sequence[str], base: Path) -> Stamp:
    """The files that fit now, each once, in the order of the patterns. Blocks."""
    found: dict[str, tuple[str, int, int, int]] = {}
    for pattern in patterns:
        for path in _paths(pattern, base):
            try:
                about = Path(path).stat()
                found.setdefault(path, (path, about.st_ino, about.st_size, about.st_ctime_ns))
            except OSError:
                found.setdefault(path, (path, 0, 0, 0))
    return tuple(found.values())


def _paths(pattern: str, base: Path) -> list[str]:
    from lilfox_tui.alerts.file_patterns import files

    try:
        return [str(path) for path in files(str(Path(pattern).expanduser()), base)]
    except LilFoxError:
        return []  # no pattern fits no file


def _first_line(error: LilFoxError) -> str:
    problems = getattr(error, "problems", ())
    first = str(problems[0]) if problems else str(error)
    more = len(problems) - 1
    return f"{first} (+{more})" if more > 0 else first
