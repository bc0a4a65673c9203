"""What counts as reached, and what falls below its floor."""

from __future__ import annotations

import importlib.util

from tools.coverage import FLOORS, reached, table, under_floors


def summary(statements: int, covered: int, branches: int = 0, taken: int = 0) -> dict[str, dict[str, int]]:
    return {
        "summary": {
            "num_statements": statements, "covered_lines": covered, "num_branches": branches, "covered_branches": taken,
        }
    }  # fmt: skip


FILES = {
    "lilfox_tui/alerts/rules.py": summary(80, 80, 20, 10),
    "lilfox_tui/alerts/lint/hints.py": summary(100, 90),
    "lilfox_tui/alerts_of_others/x.py": summary(1000, 0),
    "lilfox_tui/text.py": summary(10, 10),
}


def test_a_package_is_all_that_is_below_it_lines_and_branches_together() -> None:
    assert reached(FILES, "lilfox_tui.alerts") == (180, 90.0)
    assert reached(FILES, "lilfox_tui.alerts.lint") == (100, 90.0)


def test_what_is_below_its_floor_or_gone_is_named() -> None:
    assert under_floors(FILES, {"lilfox_tui.alerts": 90, "lilfox_tui.alerts.lint": 89}) == []
    assert under_floors(FILES, {"lilfox_tui.alerts": 91, "lilfox_tui.gone": 1}) == [
        "lilfox_tui.alerts: 90.0 % is reached, at least 91 % is asked for",
        "lilfox_tui.gone: 0.0 % is reached, at least 1 % is asked for",
    ]


def test_the_table_has_each_package_once_and_all_together() -> None:
    rows = table(FILES).splitlines()
    assert "| `alerts_of_others` | 1,000 | 0.0 % |  |" in rows
    assert sum(row.startswith("| `alerts` |") for row in rows) == 1
    assert rows[-1] == "| **all** | 1,190 | 15.7 % |  |"


def test_each_floor_is_of_a_package_that_is_there() -> None:
    assert [name for name in FLOORS if importlib.util.find_spec(name) is None] == []
