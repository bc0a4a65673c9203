"""Asks at the terminal before a runbook is run whose file nobody chose for this machine."""

from __future__ import annotations

from lilfox_tui.cli.output import warn
from lilfox_tui.cli.questions import ask_line
from lilfox_tui.config.runbook_model import RunbooksConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.runbook.library import allow, first_run, refuse_first_run
from lilfox_tui.runbook.model import Runbook


def allow_first_run(runbook: Runbook, config: RunbooksConfig, *, yes: bool) -> None:
    """Returns where it may run: ``yes`` allows it (not what others may write), or the person at this terminal. Raises
    LilFoxError (exit code 2) where that person says no. Blocks."""
    first = first_run(runbook, config)
    if first is None:
        return
    if yes and first.others is not None:
        refuse_first_run(runbook, config)
    warn(first.question)
    if not yes:
        answer = ask_line(tr("allow it? [y]es; anything else: no"))
        if (answer or "").strip().lower() not in ("y", "yes"):
            raise _Refused(
                tr("it is not allowed; nothing was run"), tr("look at it: lilfox runbook show {path}", path=first.path)
            )
    allow(first)


class _Refused(LilFoxError):
    """Somebody said no."""

    exit_code = 2
