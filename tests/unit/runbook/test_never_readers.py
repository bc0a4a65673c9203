"""What changes something and looks as if it read: one file a way in which it hides that. None of it is known to read.

In the files ``⏎`` is a newline. They are read, and nothing in them is run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.runbook.classify import verdict_of_text

FILES = sorted((Path(__file__).parent / "never_readers").glob("*.txt"))


def texts(file: Path) -> list[str]:
    return [line.replace("⏎", "\n") for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.fault("4.1")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_that_hides_a_change_reads(file: Path) -> None:
    held = texts(file)
    assert len(held) >= 15
    assert [text for text in held if verdict_of_text(text, filled=False) in ("read", "follow", "interactive")] == []
