"""The pictures in docs/images: the demo on a real terminal, driven by keys, and what stands on it as SVG.

``python -m tools.pictures`` makes all of them. It needs an installed PostgreSQL server and takes about two minutes.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from lilfox_tui.core.text import cell_width
from tests.terminal.console import Console

TREE = Path(__file__).parent.parent
INSTALLED = "/opt/lilfox"
"""What the pictures show instead of the folder of this tree."""
IMAGES = TREE / "docs" / "images"
COLUMNS, ROWS = 120, 36
CELL_WIDTH, CELL_HEIGHT, FONT_SIZE = 8.4, 17, 14
MARGIN = 10
INK, PAPER = "#d9dde6", "#16171c"
"""Of cells in the terminal's own colours."""
SECONDS_A_FRAME = 3
_WORDS = re.compile(r"\S+(?: \S+)*")
"""Each has its place: not every reader of SVG keeps several blanks."""
_NAMED = {
    "black": "#000000", "red": "#cd3131", "green": "#0dbc79", "brown": "#e5e510", "blue": "#2472c8",
    "magenta": "#bc3fbc", "cyan": "#11a8cd", "white": "#e5e5e5",
}  # fmt: skip


class Run(NamedTuple):
    """Neighbouring cells of one look."""

    column: int
    text: str
    ink: str
    paper: str
    bold: bool


def runs_of(line: Any, columns: int) -> Iterator[Run]:
    """The runs of a line of pyte's screen; the second cell of a wide character is empty."""
    cells = [(column, line[column]) for column in range(columns)]
    for (ink, paper, bold), group in groupby(cells, key=lambda cell: _look(cell[1])):
        run = list(group)
        yield Run(run[0][0], "".join(char.data for _column, char in run), ink, paper, bold)


def _look(char: Any) -> tuple[str, str, bool]:
    ink, paper = _colour(char.fg, INK), _colour(char.bg, PAPER)
    return (paper, ink, char.bold) if char.reverse else (ink, paper, char.bold)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return _NAMED.get(name) or (f"#{name}" if re.fullmatch(r"[0-9a-f]{6}", name) else default)


def frame(console: Console) -> list[list[Run]]:
    """What stands on the screen now."""
    screen = console.screen
    return [list(runs_of(screen.buffer[row], screen.columns)) for row in range(screen.lines)]


def svg_of(rows: Sequence[Sequence[Run]], paper: str) -> str:
    """The cells of a screen as SVG elements on that background."""
    parts = []
    for number, row in enumerate(rows):
        y = MARGIN + number * CELL_HEIGHT
        for run in row:
            x, width = MARGIN + run.column * CELL_WIDTH, cell_width(run.text) * CELL_WIDTH
            if run.paper != paper:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{CELL_HEIGHT}" fill="{run.paper}"/>'
                )
            bold = ' font-weight="bold"' if run.bold else ""
            for found in _WORDS.finditer(run.text):
                text, left = found[0], x + cell_width(run.text[: found.start()]) * CELL_WIDTH
                parts.append(
                    f'<text x="{left:.1f}" y="{y + FONT_SIZE - 1}" textLength="{cell_width(text) * CELL_WIDTH:.1f}" '
                    f'lengthAdjust="spacingAndGlyphs" fill="{run.ink}"{bold}>{escape(text)}</text>'
                )
    return "\n".join(parts)


def picture(frames: Sequence[Sequence[Sequence[Run]]]) -> str:
    """A picture, or an animation of several frames."""
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN
    total = len(frames) * SECONDS_A_FRAME
    papers = Counter(run.paper for rows in frames for row in rows for run in row for _cell in run.text)
    paper = papers.most_common(1)[0][0]
    style = ""
    if len(frames) > 1:
        share = 100 / len(frames)
        style += (
            f"@keyframes shown{{0%,{share:.3f}%{{visibility:visible}}{share + 0.001:.3f}%,100%{{visibility:hidden}}}}"
        )
        style += f".frame{{visibility:hidden;animation:shown {total}s step-end infinite}}"
    fonts = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"
    view = f'viewBox="0 0 {width:.0f} {height}" font-family="{fonts}" font-size="{FONT_SIZE}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>',
        f"<style>{style}</style>",
        f'<rect width="100%" height="100%" rx="6" fill="{paper}"/>',
    ]
    for number, rows in enumerate(frames):
        if len(frames) > 1:
            parts.append(f'<g class="frame" style="animation-delay:{number * SECONDS_A_FRAME - total}s">')
        parts.append(svg_of(rows, paper))
        if len(frames) > 1:
            parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""]).replace(str(TREE), INSTALLED)


def incident(console: Console) -> Iterator[tuple[str, list[list[Run]]]]:
    """From a fault to its export: the names of the moments, and what stands on the screen."""

    def go(keys: str, until: str, name: str) -> tuple[str, list[list[Run]]]:
        console.press(keys)
        console.until(lambda text: re.search(until, text) is not None)
        console.read(1.5)
        return name, frame(console)

    console.until(lambda text: re.search(r"● +model.*%", text) is not None)
    console.until(lambda text: re.search(r"● +database", text) is not None)
    console.read(20)
    yield "home", frame(console)
    yield go("F", "Inject a fault", "fault")
    console.press("backend 5xx")
    console.until("every response is 500")
    yield go("\r", r"backend.*firing.*HighErrorRate", "alert")
    console.read(15)
    yield go("!", "r runbook", "problem")
    yield go("l", "follow ●", "logs")
    console.press("1")
    console.until(" Hosts ")
    yield go("E", r"level ≥ ERROR[^\n]*10m", "errors")
    yield go("\r", "Neighbours", "record")
    console.press("\x1b")
    console.until(lambda text: "Neighbours" not in text)
    console.press("1")
    console.until(" Hosts ")
    yield go("!r", "A demo service fails", "runbook")
    console.press("\r")
    console.until("open an incident")
    yield go("\r", "step 2 on", "run")
    console.press("\r")
    console.until("step 3 on vm makes a change")
    yield go("\r", "run it", "confirm")
    console.press("\r")
    console.until(lambda text: "✔ heal" in text and "step 3 on" in text)
    yield go("\r", "all steps are done", "healed")
    console.press("\r")
    console.until("last run, by")
    console.press("I")
    console.until("Timeline")
    console.press(":close\r")
    console.until("still in force")
    console.press("a bad release")
    yield go("\x1b[B\r", "is closed", "closed")  # anyway, if this machine is busy
    console.press(":export\r")
    console.until("INC-1-")
    yield go("\r", "exported:", "exported")


def backups(console: Console) -> list[list[Run]]:
    """The Backup pane after a first backup."""
    console.press("3")
    console.until("there is no backup yet")
    console.press("b")
    console.until("Back up now")
    console.press("\r")
    console.until(lambda text: re.search(r"lilfox_\d{8}_\d{6}.*restore-tested", text) is not None)
    console.read(3)
    return frame(console)


def _alone(argv: Sequence[str]) -> Sequence[str]:
    """Where root may do that, the demo sees no processes but its own."""
    return argv if os.geteuid() else ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *argv]


def main() -> int:
    """Makes the pictures; returns the exit status."""
    with (
        tempfile.TemporaryDirectory() as home,
        Console(["demo"], home=Path(home), columns=COLUMNS, rows=ROWS, through=_alone) as console,
    ):
        found = dict(incident(console))
        found["backups"] = backups(console)
        console.press("q")
        console.until(lambda _text: True)
    IMAGES.mkdir(exist_ok=True)
    for name in ("home", "problem", "logs", "record", "run", "backups"):
        (IMAGES / f"{name}.svg").write_text(picture([found[name]]), encoding="utf-8")
    moments = [rows for name, rows in found.items() if name != "backups"]
    (IMAGES / "incident.svg").write_text(picture(moments), encoding="utf-8")
    for path in sorted(IMAGES.glob("*.svg")):
        print(f"{path.name}: {path.stat().st_size // 1024} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
