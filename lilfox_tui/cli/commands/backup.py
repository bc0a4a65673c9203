"""``lilfox backup``: sets of a plan or of a store. Each action is a file of its own beside, imported when asked for."""

from __future__ import annotations

from lilfox_tui.cli.actions import actions
from lilfox_tui.i18n import tr

ACTIONS = {
    "run": tr("back up what a plan names, read it back, and remove what is old"),
    "list": tr("the sets that there are, each with how far it is proven"),
    "verify": tr("read a set whole: digests, trailer, content"),
    "drill": tr("restore a set into a scratch place, compare, measure, take it away"),
    "settle": tr("finish a restore that is half done, or take it back"),
    "prune": tr("remove what the plan's retention lets go"),
}

add_arguments, run = actions("backups", ACTIONS)
