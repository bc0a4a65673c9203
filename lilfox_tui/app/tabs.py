"""The panes that there are, in the order of their keys. A pane is imported when it is opened."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from lilfox_tui.app.pane import Pane
from lilfox_tui.i18n import Message, tr

METRICS, LOGS, BACKUP, RUNBOOK = 0, 1, 2, 3


class Tab(Struct, frozen=True):
    """A pane's title, and how its class is got."""

    title: Message
    load: Callable[[], type[Pane]]


def _metrics() -> type[Pane]:
    from lilfox_tui.app.panes.metrics.pane import MetricsPane

    return MetricsPane


def _logs() -> type[Pane]:
    from lilfox_tui.app.panes.logs.pane import LogsPane

    return LogsPane


def _backup() -> type[Pane]:
    from lilfox_tui.app.panes.backup.pane import BackupPane

    return BackupPane


def _runbook() -> type[Pane]:
    from lilfox_tui.app.panes.runbook.pane import RunbookPane

    return RunbookPane


TABS = (
    Tab(tr("Metrics"), _metrics),
    Tab(tr("Logs"), _logs),
    Tab(tr("Backup"), _backup),
    Tab(tr("Runbook"), _runbook),
)
