"""Alerts that are known elsewhere: to a Prometheus and an Alertmanager, and to the LilFox that evaluates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from lilfox_tui.alerts.external import AlertmanagerApi, ExternalAlerts
from lilfox_tui.alerts.model import Alerts, Trouble
from lilfox_tui.alerts.ownership import DATABASE, EvaluationLock
from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage
from lilfox_tui.alerts.views import alerts_from_storage
from lilfox_tui.config.model import ApiConfig, Config
from lilfox_tui.errors import LilFoxError, NotEvaluated
from lilfox_tui.feed import Ready, Unavailable
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.scrape.notation import time_of
from lilfox_tui.text import human_duration


def open_others(
    config: Config, host_of: Callable[[str | None], Host | None]
) -> tuple[ExternalAlerts, RemoteEngine | None]:
    """The alerts of ``config.prometheus`` and ``config.alertmanager``, and the former alone for queries. Raises
    LilFoxError."""

    def host(api: ApiConfig) -> Host | None:
        return host_of(api.from_)

    prometheus = None if config.prometheus is None else RemoteEngine(config.prometheus, host(config.prometheus))
    told = None if config.alertmanager is None else AlertmanagerApi(config.alertmanager, host(config.alertmanager))
    return ExternalAlerts(prometheus, told), prometheus


def kept_alerts(folder: Path | None) -> Ready[Alerts] | Unavailable:
    """What the LilFox that evaluates has kept in ``folder``. Not known where none evaluates now: rules want to be
    looked at again and again. Blocks."""
    now = datetime.now(UTC)
    path = None if folder is None else folder / DATABASE
    hint = tr("run lilfox monitor, or keep the screen open: rules want to be evaluated again and again")
    if path is None or not path.exists():
        return Unavailable(NotEvaluated(tr("these rules have not been evaluated yet"), hint), now)
    database = None
    try:
        database = AlertDatabase(path)
        saved = AlertStorage(database)
        lock = EvaluationLock(folder)
        if lock.is_held():
            alerts, frozen = alerts_from_storage(saved, now), lock.frozen(now)
            if frozen is not None:
                trouble = Trouble("frozen", frozen, blind=True)
                alerts = replace(alerts, troubles=(*alerts.troubles, trouble))
            return Ready(alerts, now)
        newest_ms = max((group.evaluated_ms for group in saved.groups().values()), default=None)
    except LilFoxError as error:
        return Unavailable(error, now)
    finally:
        if database is not None:
            database.close()
    since = now if newest_ms is None else time_of(newest_ms)
    age = human_duration((now - since).total_seconds())
    return Unavailable(
        NotEvaluated(tr("no LilFox evaluates these rules now, the last did {age} ago", age=age), hint), since
    )
