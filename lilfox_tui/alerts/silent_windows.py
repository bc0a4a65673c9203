"""Windows of maintenance as silences: nobody is told of the alerts of what is worked on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lilfox_tui.alerts.model import Silence, SilenceMatcher
from lilfox_tui.maintenance import ALL, Window

_ID = "maintenance "
_LABELS = ("host", "service", "job", "unit", "name")
"""Of these one has the name of what is worked on; ``instance`` may have a port behind it."""


def of_windows(windows: Iterable[Window]) -> Iterator[Silence]:
    """Each window as silences of which one is enough: matchers of one silence all have to fit."""
    for window in windows:
        if window.name == ALL:
            yield _silence(window, SilenceMatcher("alertname", "", is_equal=False))
            continue
        for label in _LABELS:
            yield _silence(window, SilenceMatcher(label, window.name))
        instance = f"{re.escape(window.name)}(:[0-9]+)?"
        yield _silence(window, SilenceMatcher("instance", instance, is_regex=True))


def _silence(window: Window, matcher: SilenceMatcher) -> Silence:
    return Silence(
        id=_ID + window.name,
        matchers=(matcher,),
        starts_at=window.since,
        ends_at=window.until,
        created_by=window.by,
        comment=window.why,
    )


def window_of(silence: str) -> str | None:
    """What is in maintenance, where the silence with this id is a window; None for one that somebody made."""
    return silence.removeprefix(_ID) if silence.startswith(_ID) else None
