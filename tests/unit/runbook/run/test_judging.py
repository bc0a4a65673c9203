"""Whether a command worked, and what is captured of its output."""

from __future__ import annotations

import time

import pytest

from lilfox_tui.runbook.model import Attributes
from lilfox_tui.runbook.run.output import captured, changed_nothing, fine_status, why_failed


@pytest.mark.parametrize(
    ("expect", "status", "output", "good"),
    [
        (None, 0, "", True),
        (None, 1, "", False),
        (3, 3, "", True),
        (3, 0, "", False),
        (3, 4, "", False),
        (0, 0, "", True),
        ("^active$", 0, "x\nactive\n", True),
        ("^active$", 3, "inactive\nactive\n", True),
        ("^active$", 0, "inactive\n", False),
    ],
)
def test_what_is_expected(expect: int | str | None, status: int, output: str, good: bool) -> None:
    attributes = Attributes(expect=expect)
    assert (why_failed(attributes, status, output) is None) is good
    assert fine_status(attributes) == (None if isinstance(expect, str) else expect or 0)


def test_why_it_failed_names_what_was_expected_where_somebody_said_so() -> None:
    assert str(why_failed(Attributes(), 4, "")) == "it exited with status 4"
    assert str(why_failed(Attributes(expect=3), 4, "")) == "it exited with status 4, expected 3"
    assert str(why_failed(Attributes(expect="up"), 0, "")) == "its output does not match /up/"


def test_the_first_group_of_the_first_match_is_captured() -> None:
    attributes = Attributes(capture={"version": r"version ([0-9.]+)", "all": r"b\w+"})
    assert captured(attributes, "version 1.2 version 3\nbar baz") == ({"version": "1.2", "all": "bar"}, None)
    assert captured(Attributes(capture={"bare": "is: (.*)", "none": "(z)?x"}), "is:  a b \t\nx")[0] == {
        "bare": "a b", "none": "",
    }  # fmt: skip
    assert len(captured(Attributes(capture={"long": "a+"}), "a" * 5000)[0]["long"]) == 4096
    found, why = captured(Attributes(capture={"none": "(zzz)"}), "x")
    assert found == {}
    assert "no value for <none>" in str(why)


def test_a_pattern_that_re2_cannot_read_matches_nothing() -> None:
    assert why_failed(Attributes(expect="(?=x)"), 0, "x") is not None
    assert captured(Attributes(capture={"a": r"(x)\1"}), "xx")[0] == {}


def test_a_pattern_that_backtracks_takes_no_time() -> None:
    began = time.process_time()
    assert why_failed(Attributes(expect="(a+)+$"), 0, "a" * 300_000 + "b") is not None
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("pattern", "output", "nothing"),
    [
        ("is already (up|there)", "web: is already up", True),
        ("^unchanged$", "one\nunchanged\ntwo", True),
        ("is already (up|there)", "web: started", False),
        (None, "nothing was changed", False),
    ],
)
def test_that_nothing_was_changed_is_what_the_command_says(pattern: str | None, output: str, nothing: bool) -> None:
    assert changed_nothing(Attributes(unchanged=pattern), output) is nothing
