"""What README.md and docs/faults.md hold that is made from the code: ``python -m tools.docs`` writes it, ``check``
tells if it is stale.

The key tables stand between ``<!-- keys -->`` and ``<!-- /keys -->``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from lilfox_tui.app.actions import Action, actions_of, key_text
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.tabs import TABS
from tools import faults

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- keys -->\n", "<!-- /keys -->"


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 good, 1 stale or without the two marks, 2 wrong usage."""
    if argv not in ([], ["check"]):
        print("usage: python -m tools.docs [check]", file=sys.stderr)
        return 2
    if (code := faults.main(argv)) != 0:
        return code
    text = README.read_text(encoding="utf-8")
    made = with_keys(text)
    if made is None:
        print("README.md: no <!-- keys --> and <!-- /keys --> in it", file=sys.stderr)
        return 1
    if argv == ["check"] and made != text:
        print("README.md: the key table is stale; run: make docs", file=sys.stderr)
        return 1
    if not argv:
        README.write_text(made, encoding="utf-8")
    return 0


def with_keys(text: str) -> str | None:
    """``text`` with the table of today between its marks; None when the marks are not there."""
    before, start, rest = text.partition(START)
    _old, end, after = rest.partition(END)
    return f"{before}{start}{key_table()}{end}{after}" if start and end else None


def key_table() -> str:
    """Every action of the app and of its panes as Markdown tables, by the registry's order."""
    owners: list[tuple[str, type]] = [("Everywhere", LilFoxApp), *((tab.title.text, tab.load()) for tab in TABS)]
    return "\n".join(f"{title}:\n\n{_table(actions_of(owner))}" for title, owner in owners)


def _table(actions: Iterable[Action]) -> str:
    return "\n".join(("| key | action | what it does |", "|---|---|---|", *map(_row, actions), ""))


def _row(action: Action) -> str:
    keys = " ".join(f"`` {key_text(key)} ``" if key_text(key) == "`" else f"`{key_text(key)}`" for key in action.keys)
    return f"| {keys} | `{action.id}` | {action.help} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
