"""Notifier that rings the terminal's bell while the screen is open."""

from __future__ import annotations

from lilfox_tui.alerts.notifier import Notification, NotifierSetup
from lilfox_tui.config.model import NotifierConfig


class Options(NotifierConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rings when an alert fires, and with ``resolved: true`` also when it resolves."""

    kind: str = "bell"
    resolved: bool = False


class Bell:
    """Rings the bell; without a screen it does nothing, and nothing is queued."""

    tells_all = False

    def __init__(self, setting: NotifierSetup) -> None:
        self._ring = setting.ring

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        if self._ring is not None:
            self._ring(notice)

    async def close(self) -> None:
        """As :meth:`Notifier.close`."""


def open_notifier(_name: str, _options: Options, setting: NotifierSetup) -> Bell:
    """Return the bell of the terminal in ``setting``."""
    return Bell(setting)
