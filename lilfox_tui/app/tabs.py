"""The panes that there are, in the order of their keys. A pane is imported when it is opened."""

from __future__ import annotations

import importlib

from msgspec import Struct

from lilfox_tui.app.pane import Pane
from lilfox_tui.i18n import Message, tr

METRICS, LOGS, BACKUP, RUNBOOK = 0, 1, 2, 3


class Tab(Struct, frozen=True):
    """A pane's title, its module below ``app.panes``, and the name of its class there."""

    title: Message
    module: str
    name: str

    def load(self) -> type[Pane]:
        """The class of the pane, imported now."""
        pane: type[Pane] = getattr(importlib.import_module(f"lilfox_tui.app.panes.{self.module}.pane"), self.name)
        return pane


TABS = (
    Tab(tr("Metrics"), "metrics", "MetricsPane"),
    Tab(tr("Logs"), "logs", "LogsPane"),
    Tab(tr("Backup"), "backup", "BackupPane"),
    Tab(tr("Runbook"), "runbook", "RunbookPane"),
)
