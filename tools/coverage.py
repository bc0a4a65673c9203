"""What the quick tests reach of each package: the table in docs/testing.md, and what pure packages may not fall below.

``python -m tools.coverage FILE`` takes the report of ``coverage json`` (``make coverage`` has it made).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parent.parent / "docs" / "testing.md"
START, END = "<!-- coverage -->\n", "<!-- /coverage -->"
FLOORS: Mapping[str, float] = {
    "lilfox_tui.alerts": 83,
    "lilfox_tui.backup.sets": 92,
    "lilfox_tui.config": 97,
    "lilfox_tui.incident": 88,
    "lilfox_tui.logs.filter": 96,
    "lilfox_tui.logs.formats": 98,
    "lilfox_tui.metrics": 93,
    "lilfox_tui.promql": 93,
    "lilfox_tui.redact": 89,
    "lilfox_tui.runbook.bash": 92,
    "lilfox_tui.runbook.lint": 96,
    "lilfox_tui.runbook.parse": 95,
    "lilfox_tui.runbook.readers": 92,
    "lilfox_tui.scrape": 91,
}
"""Per cent of lines and branches together, a point or two below what was measured. These packages compute and need no
other program: what the quick tests do not reach of them is hardly tested."""


class Reached(NamedTuple):
    """Of one package with all below it."""

    statements: int
    percent: float


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 good, 1 a package below its floor, 2 wrong usage."""
    if len(argv) != 1:
        print("usage: python -m tools.coverage FILE", file=sys.stderr)
        return 2
    files = json.loads(Path(argv[0]).read_text(encoding="utf-8"))["files"]
    below = under_floors(files)
    for each in below:
        print(each, file=sys.stderr)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _old, _, after = rest.partition(END)
    made = table(files)
    print(made, end="")
    PAGE.write_text(f"{before}{START}{made}{END}{after}", encoding="utf-8")
    return int(bool(below))


def reached(files: Mapping[str, Any], package: str) -> Reached:
    """What of ``package`` was run, by coverage's own sum: lines and branches together."""
    folder = package.replace(".", "/") + "/"
    found = [each["summary"] for name, each in files.items() if name.startswith(folder)]
    there = sum(each["num_statements"] + each["num_branches"] for each in found)
    run = sum(each["covered_lines"] + each["covered_branches"] for each in found)
    return Reached(sum(each["num_statements"] for each in found), 100 * run / there if there else 0.0)


def under_floors(files: Mapping[str, Any], floors: Mapping[str, float] = FLOORS) -> list[str]:
    """A sentence for each package that is below its floor, or is not there."""
    found = {package: reached(files, package).percent for package in floors}
    return [
        f"{package}: {percent:.1f} % is reached, at least {floors[package]:g} % is asked for"
        for package, percent in found.items()
        if percent < floors[package]
    ]


def table(files: Mapping[str, Any]) -> str:
    """Markdown: every package of the first level, and those with a floor below theirs."""
    packages = {".".join(name.split("/")[:2]) for name in files if name.count("/") > 1}
    rows = ["| package | statements | reached | floor |", "|---|---:|---:|---:|"]
    rows += _rows(files, sorted(packages | FLOORS.keys()))
    rows += [_row("**all**", reached(files, "lilfox_tui"), None)]
    return "\n".join(rows) + "\n"


def _rows(files: Mapping[str, Any], packages: Iterable[str]) -> Iterable[str]:
    return (
        _row(f"`{package.removeprefix('lilfox_tui.')}`", reached(files, package), FLOORS.get(package))
        for package in packages
    )


def _row(title: str, of: Reached, floor: float | None) -> str:
    return f"| {title} | {of.statements:,} | {of.percent:.1f} % | {'' if floor is None else f'{floor:g} %'} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
