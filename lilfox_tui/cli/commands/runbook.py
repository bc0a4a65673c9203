"""``lilfox runbook``: Markdown that is walked. Each action is a file of its own beside, and imported when asked for."""

from __future__ import annotations

from lilfox_tui.cli.actions import actions
from lilfox_tui.i18n import tr

ACTIONS = {
    "list": tr("the runbooks that there are, first those for alerts that fire"),
    "show": tr("steps and commands of a file, and what each command does; nothing is run"),
    "run": tr("walk a runbook on its hosts; what changes something is asked first"),
    "lint": tr("what is wrong with runbooks, and what in their commands does not do what it looks like"),
}

add_arguments, run = actions("runbooks", ACTIONS)
