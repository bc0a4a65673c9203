"""The timeline of an incident: read as a whole, shown, and one entry appended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.model import TIMELINE, Noted, StepBegan, StepEnded, find
from lilfox_tui.incident.reducer import fold, timeline_items
from lilfox_tui.incident.timeline import open_for_append
from tests.bench.incident import OUTPUT, _state
from tests.bench.scale.child import run_lilfox
from tests.bench.scale.model import Axis, Limits, Operation, Stopwatch

ID = "INC-1"
_APPENDS = 100
_SCREEN = Limits(wall_s=0.5, peak_bytes=500_000_000)


@contextmanager
def prepare(size: int, folder: Path) -> Iterator[None]:
    """A command's beginning and end in turn, after the opening."""
    with _state(folder), patch("os.fsync"):
        made = book.open_incident("bench").id
        assert made == ID
        with open_for_append(find(made), "kim@bastion") as timeline:
            for number in range(1, size):
                run = f"{(number + 1) // 2}"
                begun = StepBegan(
                    runbook="db", sha256="0" * 64, step=1, title="look", command="systemctl status x", host="a", run=run
                )
                ended = StepEnded(run=run, state="done", message="exit status 0", output=OUTPUT)
                timeline.append(begun if number % 2 else ended)
    yield


def _opened(size: int, _folder: Path, watch: Stopwatch) -> None:
    place = find(ID)
    for _ in watch.rounds():
        with watch.turn():
            read = book.read_timeline(place)
            assert fold(read.entries, place).entries >= size
            items = timeline_items(read.entries)
        assert items
    watch.moved_bytes = (place / TIMELINE).stat().st_size


def _shown(_size: int, _folder: Path, watch: Stopwatch) -> None:
    for _ in watch.rounds():
        with watch.turn():
            run_lilfox("incident", "show", ID)


def _appended(_size: int, _folder: Path, watch: Stopwatch) -> None:
    for _ in watch.rounds():
        with watch.turn():
            for number in range(_APPENDS):
                book.append(ID, Noted(text=f"{number}"))


AXIS = Axis(
    name="timeline",
    title="Timeline of an incident",
    unit="entries",
    about="Commands that began and ended, with half a kilobyte of output each.",
    sizes=(100, 316, 1000, 3162, 10_000, 31_623, 100_000),
    prepare=prepare,
    operations=(
        Operation(name="open", title="read, reduced, made to lines", run=_opened, limits=_SCREEN, moved="of the file"),
        Operation(name="show", title="`lilfox incident show`", run=_shown, limits=_SCREEN),
        Operation(name="append", title=f"{_APPENDS} entries appended, with fsync", run=_appended),
    ),
)
