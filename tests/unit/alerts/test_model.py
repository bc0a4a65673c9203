"""The order of alerts."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import AlertState, worst_first
from tests.unit.alerts.made import alert


def test_the_state_goes_before_the_severity_and_that_before_the_age() -> None:
    old = alert("Old", severity="warning")
    in_order = [
        alert("A", severity="critical"),
        replace(alert("B", severity="page"), active_at=old.active_at + timedelta(seconds=1)),
        alert("C"),
        old,
        alert("D", severity="info"),
        alert("E", AlertState.PENDING, severity="critical"),
        alert("F", AlertState.RESOLVED, severity="critical"),
    ]
    mixed = random.Random(1).sample(in_order, len(in_order))
    assert list(worst_first(mixed)) == in_order


@pytest.mark.parametrize(("word", "urgency"), [("Critical", 3), ("warn", 1), ("none", 0), ("sev7", 2), ("", 2)])
def test_words_of_severity(word: str, urgency: int) -> None:
    assert alert(severity=word).urgency == urgency
