"""Log files of two services on a night in March, as their applications write them, and the app on them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.logs.actions import SaveActions
from lilfox_tui.app.panes.logs.pane import LogsPane
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import LogSource
from tests.app.overviews import NOW, mixed
from tests.app.still import still_app
from tests.waiting import until

TRACEBACK = """Traceback (most recent call last):
  File "/srv/backend/db.py", line 88, in query
    connection.execute(statement)
OperationalError: connection refused"""


def line(at: datetime, level: str, logger: str, message: str, **fields: object) -> str:
    """One record as the manual's formatter writes it; ``at`` is UTC and does not say so."""
    record = {"timestamp": at.replace(tzinfo=None).isoformat(timespec="milliseconds"), "level": level}
    return json.dumps({**record, "logger": logger, "message": message, "module": logger.rpartition(".")[2], **fields})


def gateway_lines() -> list[str]:
    """Ninety requests, one every 2 s until the time of the overviews; every tenth is answered late."""
    lines = []
    for number in range(90):
        at = NOW - timedelta(seconds=2 * (90 - number))
        if number % 10 == 7:
            text = f"retry {number // 10 + 1}/9 backend:8000"
            lines.append(line(at, "WARNING", "upstream", text, request_id=f"{number:04x}"))
        else:
            lines.append(
                line(at, "INFO", "http", "GET /api/chat 200", request_id=f"{number:04x}", response_time=number / 1000)
            )
    return lines


def backend_lines() -> list[str]:
    """Calm until the last minute, then the database is gone; one message is Chinese, one is grave."""
    lines = [line(NOW - timedelta(seconds=170), "DEBUG", "app.cache", "warm: 1204 keys")]
    for second in range(40, 0, -4):
        at = NOW - timedelta(seconds=second, milliseconds=250)
        text = "OperationalError: connection refused"
        lines.append(line(at, "ERROR", "app.db", text, request_id="0042", exception=TRACEBACK))
    lines.append(line(NOW - timedelta(milliseconds=100), "CRITICAL", "app", "数据库不可用，停止接受请求"))
    return lines


def write_logs(folder: Path) -> tuple[str, str]:
    """Paths of the two logs."""
    gateway, backend = folder / "gateway.log", folder / "backend.log"
    gateway.write_text("\n".join(gateway_lines()) + "\n", encoding="utf-8")
    backend.write_text("\n".join(backend_lines()) + "\n", encoding="utf-8")
    return str(gateway), str(backend)


def logs_app(folder: Path, **more: object) -> LilFoxApp:
    """The app, opened on the two logs."""
    return still_app(mixed(), files=write_logs(folder), **more)  # type: ignore[arg-type]


def pane_of(app: LilFoxApp) -> LogsPane:
    """The pane that is shown, which is the one of logs."""
    assert isinstance(app.pane, LogsPane)
    return app.pane


async def settled(app: LilFoxApp, pilot: Pilot[None]) -> LogsPane:
    """The pane, once its sources have answered and it is drawn, below a header with counts."""
    pane = pane_of(app)
    await until(lambda: app.shown is not None, what="this machine is looked at")
    state = pane.state
    await until(lambda: state.merged is not None and state.merged.shown and not state.busy, what="records are shown")
    await pilot.pause()
    pane.repaint()
    await pilot.pause()
    return pane


async def counted(app: LilFoxApp, pilot: Pilot[None]) -> LogsPane:
    """The pane as in :func:`settled`, the strip with the number of all records."""
    pane = await settled(app, pilot)
    await until(lambda: all(map(_is_counted, pane.state.shown_sources)), what="all records are counted")
    pane.repaint()
    await pilot.pause()
    return pane


def _is_counted(source: LogSource) -> bool:
    status = source.status.value
    return status is not None and status.records is not None


def has_neighbours(pane: LogsPane) -> bool:
    """Whether a record is open, with what stands beside it."""
    return pane.state.page is not None and pane.state.page.neighbours is not None


def save(pane: LogsPane, path: Path) -> None:
    """Saves what matches, as the line of input does."""
    next(group for group in pane.groups if isinstance(group, SaveActions)).save(str(path))


def messages(pane: LogsPane) -> list[str]:
    """The messages that are shown, folded or not."""
    assert pane.state.merged is not None
    return [each.item.entry.message for each in pane.state.merged.shown if isinstance(each.item, LogRecord)]


def selected(pane: LogsPane) -> str:
    """The message that is selected; none while nothing is shown yet."""
    return "" if pane.state.selected_record is None else pane.state.selected_record.entry.message


def level_of(pane: LogsPane) -> Severity:
    """The least level that is shown."""
    return pane.state.level


def shown_names(pane: LogsPane) -> list[str]:
    """The sources that are shown."""
    return [each.name for each in pane.state.shown_sources]
