"""Mute intervals, inhibition and group keys: a real Alertmanager with the same file says the same."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from zoneinfo import ZoneInfo

from lilfox_tui.alerts.alertmanager_file import notification_rules
from lilfox_tui.alerts.model import INHIBITED, MUTED, OUTSIDE, Alert
from lilfox_tui.alerts.notifier import NotifierSetup, group_key
from lilfox_tui.alerts.notifiers import alertmanager
from lilfox_tui.config.loader import from_text
from lilfox_tui.metrics.model import Labels
from tests.services.alertmanager import AlertmanagerServer
from tests.services.http_stand_in import Reply, StandIn
from tests.unit.alerts.made import alert, notice
from tests.waiting import wait_for

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def around(now: datetime, hours: int) -> list[dict[str, str]]:
    """Two hours of the day that begin so many hours from now."""
    start = (now.hour + hours) % 24
    return [{"start_time": f"{one:02}:00", "end_time": f"{one + 1:02}:00"} for one in (start, (start + 1) % 24)]


def periods(now: datetime) -> list[dict[str, Any]]:
    """Periods of which some contain this moment."""
    shanghai = now.astimezone(ZoneInfo("Asia/Shanghai"))
    today, tomorrow = now.isoweekday() % 7, (now.isoweekday() + 1) % 7
    left = ((now.replace(day=1) + timedelta(days=32)).replace(day=1) - now.replace(day=1)).days - now.day + 1
    return [
        {"weekdays": [DAYS[today]]},
        {"weekdays": [DAYS[tomorrow]]},
        {"weekdays": ["sunday:saturday"], "times": around(now, 0)},
        {"times": around(now, 3)},
        {"times": around(shanghai, 0), "location": "Asia/Shanghai"},
        {"times": around(shanghai, 0), "location": "America/New_York"},
        {"days_of_month": [str(now.day)]},
        {"days_of_month": [f"-{left}"]},
        {"days_of_month": [f"-{left + 1}" if left < 27 else "-1"]},
        {"months": [f"{now:%B}".lower()]},
        {"months": [str(now.month % 12 + 1)]},
        {"years": [f"{now.year - 1}:{now.year}"]},
        {"years": [str(now.year + 1)]},
    ]


def file_of(now: datetime, hook: str) -> dict[str, Any]:
    """An alertmanager.yml with a route for each period, once as mute and once as active interval."""
    found = periods(now)
    routes = [
        {"matchers": [f'{kind}="{number}"'], f"{kind}_time_intervals": [f"i{number}"], "group_by": ["alertname", kind]}
        for kind in ("mute", "active")
        for number in range(len(found))
    ]
    return {
        "route": {
            "receiver": "hook", "group_by": ["alertname"], "group_wait": "10ms", "group_interval": "1s",
            "repeat_interval": "1h", "routes": routes,
        },
        "inhibit_rules": [
            {"source_matchers": ['severity="page"'], "target_matchers": ['severity=~"page|warning"'], "equal": ["zone"]}
        ],
        "time_intervals": [{"name": f"i{number}", "time_intervals": [one]} for number, one in enumerate(found)],
        "receivers": [{"name": "hook", "webhook_configs": [{"url": hook}]}],
    }  # fmt: skip


def alerts_of(now: datetime) -> list[Alert]:
    """An alert for each route, and some that inhibit others."""
    numbers = range(len(periods(now)))
    routed = [alert("M", mute=str(number)) for number in numbers] + [
        alert("A", active=str(number)) for number in numbers
    ]
    zones = [
        alert("S", severity="page", zone="a"),
        alert("T", severity="warning", zone="a"),
        alert("T", severity="warning", zone="b"),
        alert("S", severity="page"),
        alert("U", severity="page"),
        alert("T", severity="warning"),
        alert("T", severity="info", zone="a"),
    ]
    return [*routed, *zones]


async def test_alertmanager_suppresses_and_groups_in_the_same_way(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    hook = StandIn(lambda _request: Reply(200))
    async with hook.running():
        server = AlertmanagerServer(tmp_path / "am")
        server._config = json.dumps(file_of(now, hook.url))
        await asyncio.to_thread(server.__enter__)
        try:
            rules = notification_rules(from_text(f"alertmanager_config: {tmp_path}/am/alertmanager.yml", "c.yaml"))
            assert rules.tree is not None
            alerts = alerts_of(now)
            ours = rules.suppressed(alerts, now)
            muted = {labels: by for labels, by in ours.items() if any(each.startswith(MUTED) for each in by)}
            sender = alertmanager.open_notifier("am", alertmanager.Options(url=server.url), NotifierSetup())
            await sender.tell(notice(firing=tuple(alerts), valid_until=now + timedelta(hours=1)))
            await sender.close()
            told = len(alerts) - len(ours)
            await asyncio.to_thread(
                wait_for,
                lambda: _told(hook) >= told and _muted(server) >= len(muted),
                what="told or muted",
                timeout_s=20,
            )
            found = _grouped(server)
        finally:
            await asyncio.to_thread(server.__exit__)
    theirs = {labels: _by(status) for labels, status in found.items() if _by(status) != (set(), False)}
    assert theirs == {labels: _ours(by) for labels, by in ours.items()}
    assert 5 < len(muted) < len(alerts) - 5
    keys = {json.loads(one.body)["groupKey"] for one in hook.requests}
    routes = {one.labels: rules.tree.match(one.labels)[0].grouping for one in alerts if one.labels not in ours}
    assert keys == {group_key(how.group_of(labels), how.key) for labels, how in routes.items()}


def _told(hook: StandIn) -> int:
    return sum(len(json.loads(one.body)["alerts"]) for one in hook.requests)


def _grouped(server: AlertmanagerServer) -> dict[Labels, dict[str, Any]]:
    """The state of each alert in its group; only there Alertmanager says what mutes it."""
    with urlopen(f"{server.url}/api/v2/alerts/groups", timeout=60) as answer:
        groups = json.load(answer)
    return {tuple(sorted(one["labels"].items())): one["status"] for group in groups for one in group["alerts"]}


def _muted(server: AlertmanagerServer) -> int:
    return sum(bool(status["mutedBy"]) for status in _grouped(server).values())


def _by(status: dict[str, Any]) -> tuple[set[str], bool]:
    return set(status["mutedBy"]), bool(status["inhibitedBy"])


def _ours(by: tuple[str, ...]) -> tuple[set[str], bool]:
    muted = {each.removeprefix(MUTED).removeprefix(OUTSIDE) for each in by if each.startswith(MUTED)}
    return muted, any(each.startswith(INHIBITED) for each in by)
