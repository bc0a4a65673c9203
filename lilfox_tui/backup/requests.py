"""The jobs that grant wishes, the same for the command line and the screen: two that act on the same thing have the
same key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from lilfox_tui.i18n import Message, tr
from lilfox_tui.jobs.model import Request

if TYPE_CHECKING:
    from lilfox_tui.backup.wish import Wish

Kind = Literal["backup", "verify", "drill", "prune", "restore", "undo", "forget", "settle"]
"""Each is an effect of ``backup/effects.py``."""
_EFFECTS = "lilfox_tui.backup.effects"


def request_of(kind: Kind, wish: Wish) -> Request:
    """What is to be done so that ``wish`` comes true. It holds no secret: the wish has references."""
    title = str(_title(kind, wish))
    return Request(
        entry=f"{_EFFECTS}:{kind}", kind=kind, title=title, key=_key(kind, wish), wanted=msgspec.to_builtins(wish)
    )


def subject_of(wish: Wish) -> str:
    """What a wish is about, in the key of its job: the plan, else the store."""
    return wish.plan or wish.words.store


def _key(kind: Kind, wish: Wish) -> str:
    if kind in ("backup", "prune"):
        return f"backup {subject_of(wish)}"
    if kind in ("restore", "undo", "forget"):
        return f"restore {wish.words.database or ', '.join(wish.words.files) or subject_of(wish)}"
    if kind == "settle":
        return f"settle {wish.set}"
    return f"{kind} {subject_of(wish)} {wish.set}"


def _title(kind: Kind, wish: Wish) -> Message:
    name = wish.plan or "lilfox"
    chosen = wish.set or tr("the newest set")
    titles: dict[Kind, Message] = {
        "backup": tr("backup {plan}", plan=name),
        "prune": tr("prune {plan}", plan=name),
        "verify": tr("verify {set}", set=chosen),
        "drill": tr("drill {set}", set=chosen),
        "restore": tr("restore {set}", set=chosen),
        "undo": tr("undo the restore of {set}", set=chosen),
        "settle": tr("put the restore of {set} aside", set=chosen)
        if wish.aside
        else tr("finish the restore of {set}", set=chosen)
        if wish.finish
        else tr("take back the restore of {set}", set=chosen),
        "forget": tr("let go of what the restore of {set} kept", set=chosen)
        if wish.set
        else tr("let go of what drills of {plan} left", plan=name),
    }
    return titles[kind]
