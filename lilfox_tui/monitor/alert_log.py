"""What does not go as it should with alerts, told once when it begins and once when it is over: for a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from lilfox_tui.feed import Feed, Pending, Ready, State
from lilfox_tui.i18n import Message, tr

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts


class AlertLog:
    """``tell`` gets each sentence."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._told: dict[str, Message] = {}

    async def follow(self, feed: Feed[Alerts]) -> None:
        """Tells what ``feed`` brings, until cancelled."""
        async with aclosing(feed.watch()) as states:
            async for state in states:
                self.take(state)

    def take(self, state: State[Alerts]) -> None:
        """Tells what of ``state`` is new, and what of before is over."""
        if isinstance(state, Pending):
            return
        now = dict(_troubles(state))
        for key, text in now.items():
            if key not in self._told:
                self._tell(tr("alerts: {trouble}", trouble=text))
        for key, text in self._told.items():
            if key not in now:
                self._tell(tr("alerts: it is over: {trouble}", trouble=text))
        self._told = {key: self._told.get(key, text) for key, text in now.items()}


def _troubles(state: State[Alerts]) -> Iterator[tuple[str, Message]]:
    """By what stays the same while it lasts."""
    if isinstance(state, Ready):
        for rule in state.value.rules:
            if rule.error is not None:
                text = tr("rule {name} ({group}) fails: {error}", name=rule.name, group=rule.group, error=rule.error)
                yield f"rule {rule.key}", text
        for trouble in state.value.troubles:
            yield trouble.key, trouble.text
    elif not isinstance(state, Pending):
        yield "unknown", tr("{error}", error=state.error)
