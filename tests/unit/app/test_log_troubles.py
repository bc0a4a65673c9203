"""Sources that cannot be read: what is wrong, since when, what is next, what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.app.panes.logs.view import trouble_rows, when
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
HINT = "The host is up, but no SSH server listens there: check port and sshd."


def trouble(next_try_s: float | None = 4) -> Unavailable:
    next_try = None if next_try_s is None else NOW + timedelta(seconds=next_try_s)
    return Unavailable(LilFoxError(tr("it refuses the connection"), HINT), NOW - timedelta(seconds=14), next_try)


def texts(*, width: int = 80, roomy: bool = True, **troubles: Unavailable) -> list[str]:
    rows = trouble_rows(troubles, UNICODE, now=NOW, zone=UTC, width=width, roomy=roomy)
    if roomy and len(troubles) == 1:
        assert all(cells(row) <= width for row in rows)
    return ["".join(piece.text for piece in row) for row in rows]


def test_one_trouble_is_told_in_full() -> None:
    assert texts(api=trouble()) == [
        " ✖ api: it refuses the connection  since 03:12:30, next try in 4 s",
        "   The host is up, but no SSH server listens there: check port and sshd.",
    ]


def test_of_a_long_reason_the_times_stay_and_all_of_it_is_below() -> None:
    reason = "/home/ops/.ssh/keys/production/id_ed25519 cannot be read: No such file or directory"
    long = Unavailable(LilFoxError(tr("{reason}", reason=reason), "Name another."), NOW, NOW + timedelta(seconds=4))
    rows = texts(api=long)
    assert rows[0].startswith(" ✖ api: /home/ops/.ssh/keys/")
    assert rows[0].endswith("…  since 03:12:44, next try in 4 s")
    assert " ".join(row.strip() for row in rows[1:]) == f"api: {reason}  Name another."


def test_where_there_is_room_it_takes_one_row() -> None:
    assert texts(width=160, api=trouble()) == [
        f" ✖ api: it refuses the connection  since 03:12:30, next try in 4 s  {HINT}"
    ]


@pytest.mark.parametrize("roomy", [True, False])
def test_several_take_a_row_each_and_those_not_shown_are_counted(roomy: bool) -> None:
    rows = texts(roomy=roomy, a=trouble(), b=trouble(), c=trouble(), d=trouble(), e=trouble())
    assert [row.split()[1] for row in rows[:3]] == ["a:", "b:", "c:"]
    assert rows[3].strip() == "2 more cannot be read; o shows each"
    assert len(rows) == 4


def test_a_low_screen_gives_one_row() -> None:
    assert len(texts(roomy=False, api=trouble())) == 1


@pytest.mark.parametrize(
    ("next_try_s", "words"), [(None, "r retries"), (4, "next try in 4 s"), (0, "trying now"), (-9, "trying now")]
)
def test_what_comes_next(next_try_s: float | None, words: str) -> None:
    assert when(trouble(next_try_s), NOW, UTC) == f"since 03:12:30, {words}"


def test_a_row_is_plain_pieces() -> None:
    row: Row = trouble_rows({"a": trouble()}, UNICODE, now=NOW, zone=UTC, width=300, roomy=True)[0]
    assert [piece.role for piece in row] == ["failing", "failing", "muted", "muted"]
