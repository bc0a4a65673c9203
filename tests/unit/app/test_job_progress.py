"""What a bar of a job says."""

from __future__ import annotations

import pytest

from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.jobs import progress_row
from lilfox_tui.jobs.model import Progress


@pytest.mark.parametrize(("done", "total", "said"), [(50, 100, "50B of 100B"), (6656, 73, "6.5K"), (57, None, "57B")])
def test_a_total_that_was_passed_is_not_told(done: int, total: int | None, said: str) -> None:
    row = progress_row(Progress("config", done, total), 120, UNICODE, Digits(few=False))
    assert row[-1].text.strip() == said
