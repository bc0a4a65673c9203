"""The actions that go through a pane's rows. A pane has them by naming them where they stand among its own."""

from __future__ import annotations

from typing import Protocol

from lilfox_tui.app.actions import action
from lilfox_tui.i18n import tr

_ALL = 10**6


class HasRows(Protocol):
    """A pane of which one row is selected."""

    def move(self, step: int) -> None:
        """Goes ``step`` rows down, or up, and no farther than to the last or the first one."""


@action("down", "j down", tr("down"), tr("the next row"))
def down(pane: HasRows) -> None:
    """To the next row."""
    pane.move(1)


@action("up", "k up", tr("up"), tr("the row before"))
def up(pane: HasRows) -> None:
    """To the row before."""
    pane.move(-1)


@action("page-down", "pagedown ctrl+d space", tr("page down"), tr("ten rows down"))
def page_down(pane: HasRows) -> None:
    """Ten rows down."""
    pane.move(10)


@action("page-up", "pageup ctrl+u", tr("page up"), tr("ten rows up"))
def page_up(pane: HasRows) -> None:
    """Ten rows up."""
    pane.move(-10)


@action("first", "g home", tr("first"), tr("the first row"))
def first(pane: HasRows) -> None:
    """To the first row."""
    pane.move(-_ALL)


@action("last", "G end", tr("last"), tr("the last row"))
def last(pane: HasRows) -> None:
    """To the last row."""
    pane.move(_ALL)
