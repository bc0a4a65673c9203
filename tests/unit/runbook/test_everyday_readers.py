"""What people look with every day is known to read: were it asked for, nobody would look at what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.runbook.classify import verdict_of_text
from tests.unit.runbook.test_never_readers import texts

FOLDER = Path(__file__).parent / "everyday_readers"


@pytest.mark.fault("4.6")
@pytest.mark.parametrize(("verdict", "at_least"), [("read", 300), ("follow", 15), ("interactive", 15)])
def test_what_people_look_with_is_known(verdict: str, at_least: int) -> None:
    held = texts(FOLDER / f"{verdict}.txt")
    assert len(held) >= at_least
    assert {text: found for text in held if (found := verdict_of_text(text, filled=False)) != verdict} == {}
