"""Jobs as rows: their titles and the progress of their parts."""

from __future__ import annotations

import pytest

from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.app.rows.jobs import JobLog, job_title, progress_row
from lilfox_tui.jobs.model import Ended, Progress, ProgressMade
from tests.app import backups_made
from tests.app.overviews import NOW
from tests.app.runs_made import job


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


@pytest.mark.parametrize(("done", "total", "said"), [(50, 100, "50B of 100B"), (6656, 73, "6.5K"), (57, None, "57B")])
def test_a_total_that_was_passed_is_not_told(done: int, total: int | None, said: str) -> None:
    row = progress_row(Progress("config", done, total), 120, UNICODE)
    assert row[-1].text.strip() == said


@pytest.mark.parametrize(
    ("progress", "ended", "said"),
    [
        (Progress("one", 50, 100, 25.0, 2.0), False, "25B/s 2 s left"),
        (Progress("one", 100, 100, 0.0, 0.0), False, ""),
        (Progress("one", 120, 100, 25.0), False, "25B/s"),
        (Progress("one", 120, None, 25.0), False, "25B/s"),
        (Progress("one", 100, 100, 25.0), True, ""),
        (Progress("one", 50, 100, 25.0, 2.0), True, ""),
        (Progress("one", 120, None, 25.0), True, ""),
    ],
)
def test_only_what_still_moves_has_a_rate(progress: Progress, ended: bool, said: str) -> None:
    log = JobLog("1")
    log.take([ProgressMade(NOW, progress), *([Ended(NOW, "ok", "")] if ended else [])])
    row = text_of(progress_row(log.progress[0], 120, UNICODE))
    numbers = row.split(" of 100B" if " of 100B" in row else f"{progress.done_bytes}B", 1)[1]
    assert " ".join(numbers.split()) == said


def test_a_run_that_may_wait_is_not_told_to_be_running() -> None:
    for found, told in ((job(), "in progress for 3 min"), (backups_made.job(), "running for 1 min")):
        assert told in text_of(job_title(found, NOW, UNICODE))
