"""What is shown above the input of a value."""

from __future__ import annotations

from typing import Literal

import pytest

from lilfox_tui.app.panes.runbook.dialogs import value_rows
from lilfox_tui.runbook.model import Variable


@pytest.mark.parametrize(
    ("deny", "said"),
    [
        (("self", "private"), "your own address and private ranges are refused"),
        (("self",), "your own address is refused"),
        (("private",), "private ranges are refused"),
        ((), None),
    ],
)
def test_only_what_is_refused_is_called_so(deny: tuple[Literal["self", "private"], ...], said: str | None) -> None:
    rows = value_rows(Variable(name="ip", type="ip", deny=deny), "")
    texts = ["".join(piece.text for piece in row).strip() for row in rows]
    assert texts[1:] == ([] if said is None else [said])
