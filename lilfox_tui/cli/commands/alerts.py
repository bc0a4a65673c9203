"""``lilfox alerts``: rules and what they say. Each action is a file of its own beside, and imported when asked for."""

from __future__ import annotations

from lilfox_tui.cli.actions import actions
from lilfox_tui.i18n import tr

ACTIONS = {
    "list": tr("pending, firing and just resolved alerts, worst first"),
    "ack": tr("say that somebody has seen it: no reminders until it resolves"),
    "silence": tr("tell nobody of what fits, for a time"),
    "silences": tr("the silences that there are"),
    "expire": tr("end silences"),
    "history": tr("what fired, resolved, was told, acknowledged and silenced"),
    "notify-test": tr("send a test to those who are told"),
    "lint": tr("what is wrong with rule files, and what does not mean what it looks like"),
    "test": tr("unit tests of rules, as promtool test rules has them"),
}

add_arguments, run = actions("alerts", ACTIONS)
