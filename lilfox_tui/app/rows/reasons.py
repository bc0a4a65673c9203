"""Why a host has no numbers, in as many words as have room, and what began at the same time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import _, clauses
from lilfox_tui.core.text import cell_width, clean, human_age, human_duration
from lilfox_tui.monitor.levels import was_lost
from lilfox_tui.monitor.model import HostView

Key = TypeVar("Key")
_AT_ONCE = timedelta(seconds=10)
"""Within so long after the first of them things are taken to have begun at once."""


def began_together(since: Mapping[Key, datetime]) -> dict[Key, datetime]:
    """When each began; of those that began at once the time of the first, so that chance does not order them."""
    found: dict[Key, datetime] = {}
    first: datetime | None = None
    for key, at in sorted(since.items(), key=lambda item: item[1]):
        if first is None or at - first > _AT_ONCE:
            first = at
        found[key] = first
    return found


def never_reached(view: HostView) -> bool:
    """Whether a host cannot be reached, and was not since LilFox began."""
    return isinstance(view.link, Unavailable) and view.summary is None and not was_lost(view.link.error)


def why_no_numbers(view: HostView, now: datetime, room: int | None = None) -> str:
    """Since when there are no values, when the next try is, and why; in ``room`` cells as much of that as fits. Of a
    host that was never reached there is nothing to be missed: it says why it cannot be reached."""
    if not isinstance(view.link, Unavailable):
        return clauses(str(reason) for reason in view.reasons) or _("no sample yet")
    since = view.link.since if view.summary is None else min(view.link.since, view.summary.at)
    values = {"age": human_age(max(1.0, (now - since).total_seconds())), "why": view.link.error.message}
    forms = _never_reached_forms(view.link, now) if never_reached(view) else _lost_forms(view.link, values, now)
    forms.append(str(values["why"]))
    return next((each for each in forms if room is None or cell_width(clean(each)) <= room), forms[-1])


def _lost_forms(link: Unavailable, values: dict[str, object], now: datetime) -> list[str]:
    """From long to short; the times come first, since the reason may be cut."""
    if link.next_try is None:
        return [_("no sample for {age}, action required: {why}", **values)]
    wait_s = round((link.next_try - now).total_seconds())
    if wait_s <= 0:
        return [_("no sample for {age}, trying now: {why}", **values)]
    return [_("no sample for {age}, next try in {wait}: {why}", wait=human_duration(wait_s), **values)]


def _never_reached_forms(link: Unavailable, now: datetime) -> list[str]:
    """From long to short; the reason comes first, as nothing else is known of the host."""
    why = link.error.message
    whole = _("cannot be reached: {why}", why=why)
    if link.next_try is None:
        return [_("action required: {why}", why=why)]
    wait_s = round((link.next_try - now).total_seconds())
    again = _("trying now") if wait_s <= 0 else _("next try in {wait}", wait=human_duration(wait_s))
    return [clauses((whole, again)), whole]
