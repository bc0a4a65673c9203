"""What is said where somebody else acts, what is asked before we act instead, and after a program of ours. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.app.dialogs.options import Option
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.i18n import _, listed
from lilfox_tui.redact import redact
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.run.state import Asked


def following_text(asked: Asked, who: str, *, here: str) -> str:
    """What there is instead of keys; ``here`` names the step and where it runs, empty at the end."""
    if asked == "end":
        return _("you follow, O takes over: all steps are done; {who} acts", who=who)
    if asked == "nothing":
        return _("you follow, O takes over: a command runs; {who} acts", who=who)
    return _("you follow, O takes over: {what} waits for {who}", what=here, who=who)


def take_over_rows(leader: str, runs: Sequence[tuple[str, str]]) -> list[Row]:
    """Who acts now: in runs (title, who), or where there are none of others in the incident."""
    texts = [_("{title}: {who} acts now, and follows from then on.", title=title, who=who) for title, who in runs]
    texts = texts or [_("{who} acts now, and follows from then on.", who=leader)]
    rows: list[Row] = [(Piece("  "), Piece(text)) for text in texts]
    told = _("What runs goes on. It is written down, and told on their screen.")
    return [*rows, BLANK, (Piece("  "), Piece(told, "muted"))]


def worked_rows(command: Command, hosts: Sequence[str], status: int) -> list[Row]:
    """A program that has given the terminal back: its exit status alone does not tell what somebody saw in it."""
    first = redact(command.text).strip().split("\n", 1)[0]
    ended = _("it ended with {status}", status=status)
    asked = _("How did it go? What you say is written down; esc: as the exit status has it.")
    return [
        (Piece("  "), Piece(listed(hosts), "accent"), Piece(f"  {first}", "strong")),
        (Piece("  "), Piece(ended, "degraded" if status else "text")),
        BLANK,
        (
            Piece("  "),
            Piece(asked, "muted"),
        ),
    ]


def worked_ways(status: int) -> list[Option]:
    """What its exit status says is one key."""
    if status == 0:
        return [Option("enter", _("it worked"), "worked"), Option("f", _("it did not work"), "failed")]
    return [Option("enter", _("it did not work"), "failed"), Option("w", _("it worked all the same"), "worked")]
