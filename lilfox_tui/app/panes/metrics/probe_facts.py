"""What the page of a service tells that is not asked over HTTP: of a job its reports, of a log its lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.config.probes import speaks_http
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.core.text import human_age, human_duration
from lilfox_tui.metrics.model import ServiceState


def answer_facts(config: ServiceConfig, state: ServiceState, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what the last answer was: its status over HTTP, else what was reported or counted."""
    if speaks_http(config):
        yield _("status code"), str(state.last.status_code) if state.last.status_code is not None else _("none")
    if (told := state.deadline) is not None:
        yield _("last success"), _("none") if told.last is None else _("{time} ago", time=_age(now, told.last))
        late = now > told.due
        time = _age(*((now, told.due) if late else (told.due, now)))
        yield _("next report"), _("due {time} ago", time=time) if late else _("due in {time}", time=time)
        if told.took_s is not None:
            yield _("last run"), human_duration(told.took_s)
        if told.exit_code is not None:
            yield _("exit status"), str(told.exit_code)
    if state.lines is not None and config.lines is not None:
        yield _("lines in {window}", window=human_duration(config.lines.window)), str(state.lines)
        yield _("limit"), str(config.lines.count)


def expected_facts(config: ServiceConfig) -> Iterator[tuple[str, str]]:
    """Yield which status counts as good, over HTTP."""
    if speaks_http(config):
        yield _("expected"), listed(str(code) for code in config.expect)


def _age(later: datetime, earlier: datetime) -> str:
    return human_age((later - earlier).total_seconds())
