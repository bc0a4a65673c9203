"""Alerts of others: the rules and alerts of a Prometheus, the alerts and silences of an Alertmanager, as ours.

Alertmanager knows no acknowledgement: it is a silence of this very alert whose comment begins with ``ACK by``, so that
everybody who uses that Alertmanager sees it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from lilfox_tui.alerts.alertmanager_api import AlertmanagerApi
from lilfox_tui.alerts.model import (
    Acknowledgement,
    Alert,
    Alerts,
    AlertState,
    RuleHealth,
    RuleView,
    Silence,
    SilenceMatcher,
    Trouble,
    worst_first,
)
from lilfox_tui.alerts.silences import matchers_of, would_silence
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.remote import Remote, RemoteAlert, RemoteGroup, RemoteRule
from lilfox_tui.told import later

READ_EVERY_S = 15.0
RESOLVED_SHOWN = timedelta(minutes=15)
ACKNOWLEDGED_FOR = timedelta(hours=4)
_UNTIL_RESOLVED = timedelta(hours=24)
_ACK = "ACK by "
_HEALTH = {"ok": RuleHealth.GOOD, "err": RuleHealth.FAILED, "no match": RuleHealth.NO_DATA}
_STATES = {"firing": AlertState.FIRING, "pending": AlertState.PENDING}


class ExternalAlerts:
    """What ``prometheus`` and ``alertmanager`` (at least one) know, again and again in ``feed``. Where one of them does
    not answer, ``troubles`` of the newest state say so and what it said last stays; until one has answered, nothing is
    known."""

    def __init__(self, prometheus: Remote | None, alertmanager: AlertmanagerApi | None) -> None:
        self.feed: Feed[Alerts] = Feed()
        self._prometheus, self._alertmanager = prometheus, alertmanager
        self._groups: tuple[RemoteGroup, ...] = ()
        self._told: tuple[Alert, ...] = ()
        self._silences: tuple[Silence, ...] = ()
        self._before: dict[tuple[str, Labels], Alert] = {}
        self._heard = False
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Reads until cancelled."""
        while True:
            self._changed.clear()
            try:
                alerts = await self.read()
            except LilFoxError as error:
                self.feed.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=READ_EVERY_S))
            else:
                self.feed.publish(alerts, alerts.at)
            try:
                async with asyncio.timeout(READ_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def read(self) -> Alerts:
        """Everything as it is now. Raises LilFoxError while none of them has ever answered."""
        troubles: list[Trouble] = []
        failed: LilFoxError | None = None
        if self._prometheus is not None:
            try:
                self._groups = await self._prometheus.rules()
                self._heard = True
            except LilFoxError as error:
                failed = error
                text = tr("its alerts may have changed: {error}", error=error)
                troubles.append(Trouble("rules", text, blind=True))
        if self._alertmanager is not None:
            try:
                self._told, self._silences = await asyncio.gather(
                    self._alertmanager.alerts(), self._alertmanager.silences()
                )
                self._heard = True
            except LilFoxError as error:
                failed = failed or error
                troubles.append(Trouble("silences", tr("what is silenced is not known: {error}", error=error)))
        if failed is not None and not self._heard:
            raise failed
        now = datetime.now(UTC)
        where = "" if self._prometheus is None else self._prometheus.where
        rules = tuple(_view(group, place, where) for group in self._groups for place in range(len(group.rules)))
        alerts = self._with_resolved(self._together(where), now, known=failed is None)
        return Alerts(
            now,
            rules,
            alerts,
            self._silences,
            evaluated_here=False,
            told_by=where or ("" if self._alertmanager is None else self._alertmanager.where),
            troubles=tuple(troubles),
        )

    async def silence(
        self, matchers: Sequence[SilenceMatcher], for_s: float | None, by: str, comment: str = ""
    ) -> Silence:
        """Silences in Alertmanager for so long; None for a day, since it cannot wait until nothing fits. Raises
        LilFoxError."""
        now = datetime.now(UTC)
        ends = now + (_UNTIL_RESOLVED if for_s is None else timedelta(seconds=for_s))
        made = await self._required().create(matchers, now, ends, by, comment)
        self._changed.set()
        return made

    async def expire(self, silence: str, by: str) -> None:  # noqa: ARG002  # as AlertEngine has it; Alertmanager asks no name
        """Ends a silence in Alertmanager. Raises LilFoxError."""
        await self._required().expire(silence)
        self._changed.set()

    async def acknowledge(self, alert: Alert, by: str, note: str = "") -> None:
        """A silence of exactly this alert. Raises LilFoxError."""
        comment = f"{_ACK}{by}: {note}" if note else f"{_ACK}{by}"
        await self.silence(matchers_of(alert.labels), ACKNOWLEDGED_FOR.total_seconds(), by, comment)

    async def unacknowledge(self, alert: Alert, by: str) -> None:
        """Ends the silences that acknowledge this alert. Raises LilFoxError."""
        for one in self._silences:
            if one.id in alert.silenced_by and one.comment.startswith(_ACK):
                await self.expire(one.id, by)

    def preview(self, matchers: Sequence[SilenceMatcher]) -> tuple[Alert, ...]:
        """The alerts that a silence with ``matchers`` would silence now. Raises UsageError."""
        return would_silence(matchers, () if self.feed.value is None else self.feed.value.alerts)

    async def close(self) -> None:
        """Ends the connections."""
        for one in (self._prometheus, self._alertmanager):
            if one is not None:
                await one.close()

    def _required(self) -> AlertmanagerApi:
        if self._alertmanager is None:
            raise LilFoxError(
                tr("no Alertmanager is configured; a Prometheus alone can silence nothing"),
                tr("Name it under alertmanager: in the configuration."),
            )
        return self._alertmanager

    def _together(self, where: str) -> list[Alert]:
        """The alerts of Prometheus with what Alertmanager says of them, and those that Alertmanager alone knows."""
        rest = list(self._told)
        found = []
        for alert in _alerts(self._groups, where):
            own = set(alert.labels)
            same = [one for one in rest if own <= set(one.labels)]  # a sender adds its external labels
            if same and alert.state is AlertState.FIRING:
                rest = [one for one in rest if one not in same]
                fired_at = same[0].fired_at or alert.fired_at
                alert = replace(alert, silenced_by=same[0].silenced_by, fired_at=fired_at)  # noqa: PLW2901
            found.append(alert)
        return [self._acknowledged(alert) for alert in (*found, *rest)]

    def _acknowledged(self, alert: Alert) -> Alert:
        acks = [one for one in self._silences if one.id in alert.silenced_by and one.comment.startswith(_ACK)]
        if not acks:
            return alert
        by, _colon, note = acks[0].comment.removeprefix(_ACK).partition(":")
        return replace(alert, acknowledged=Acknowledgement(by.strip(), acks[0].starts_at, note.strip()))

    def _with_resolved(self, alerts: Iterable[Alert], now: datetime, *, known: bool) -> tuple[Alert, ...]:
        """With those that fired before and are gone now; nothing resolves where not everybody has answered."""
        current = {(alert.rule, alert.labels): alert for alert in alerts}
        for key, alert in self._before.items():
            if key in current:
                continue
            if alert.state is AlertState.FIRING:
                current[key] = replace(alert, state=AlertState.RESOLVED, resolved_at=now) if known else alert
            elif alert.resolved_at is not None and now - alert.resolved_at < RESOLVED_SHOWN:
                current[key] = alert
        self._before = current
        return worst_first(current.values())


def _alerts(groups: Iterable[RemoteGroup], where: str) -> list[Alert]:
    return [
        _alert(alert, _key(group, place, where), rule.for_s)
        for group in groups
        for place, rule in enumerate(group.rules)
        for alert in rule.alerts or ()
    ]


def _key(group: RemoteGroup, place: int, where: str) -> str:
    return f"{where} {group.file};{group.name};{place}"


def _alert(alert: RemoteAlert, rule_key: str, for_s: float) -> Alert:
    """The API tells since when the expression has held, not since when it fires: that is a ``for`` later, at the next
    evaluation."""
    try:
        value = float(alert.value)
    except ValueError:
        value = math.nan
    state = _STATES.get(alert.state, AlertState.PENDING)
    return Alert(
        labels=tuple(sorted(alert.labels.items())),
        annotations=tuple(sorted(alert.annotations.items())),
        state=state,
        active_at=alert.active_at,
        value=value,
        fired_at=later(alert.active_at, for_s) if state is AlertState.FIRING else None,
        keep_firing_since=alert.keep_firing_since,
        rule=rule_key,
    )


def _view(group: RemoteGroup, place: int, where: str) -> RuleView:
    rule: RemoteRule = group.rules[place]
    return RuleView(
        key=_key(group, place, where),
        kind="alert" if rule.type == "alerting" else "record",
        name=rule.name,
        group=group.name,
        expression=rule.query,
        for_s=rule.for_s,
        health=_HEALTH.get(rule.health, RuleHealth.UNKNOWN),
        error=Message(rule.last_error) if rule.last_error else None,
        evaluated_at=rule.evaluated_at if rule.evaluated_at is not None and rule.evaluated_at.year > 1 else None,
        took_s=rule.took_s,
        labels=rule.labels or {},
        annotations=rule.annotations or {},
    )
