"""Alerts from a Prometheus, an Alertmanager or another LilFox on this machine, in LilFox's own model."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

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
from lilfox_tui.alerts.rules import stamp_of
from lilfox_tui.alerts.silences import alerts_from_storage, check_silence, matchers_of, would_silence
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage, EvaluationLock
from lilfox_tui.config.model import ApiConfig, Config
from lilfox_tui.core.aio import Feed, Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError, NotEvaluated
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_duration, later
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import decoded_json
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.remote import (
    HttpApi,
    Moment,
    NotAnswered,
    RemoteAlert,
    RemoteEngine,
    RemoteGroup,
    RemoteRule,
    Reply,
)
from lilfox_tui.redact import redacted_start
from lilfox_tui.scrape.labels import time_of

# The alerts and silences of an Alertmanager, by its API v2 (api/v2/openapi.yaml of prometheus/alertmanager).


T = TypeVar("T")
_REASON_CHARS, _REASON_BYTES = 500, 16 * 1024


class _Status(Struct, frozen=True):
    state: str = ""
    silencedBy: tuple[str, ...] = ()  # noqa: N815  # the API's names
    inhibitedBy: tuple[str, ...] = ()  # noqa: N815


class _Alert(Struct, frozen=True):
    labels: dict[str, str]
    startsAt: Moment  # noqa: N815
    annotations: dict[str, str] = {}
    status: _Status = _Status()


class _Matcher(Struct, frozen=True):
    name: str
    value: str
    isRegex: bool  # noqa: N815
    isEqual: bool = True  # noqa: N815


class _Silence(Struct, frozen=True):
    id: str
    matchers: tuple[_Matcher, ...]
    startsAt: Moment  # noqa: N815
    endsAt: Moment  # noqa: N815
    createdBy: str = ""  # noqa: N815
    comment: str = ""


class _Made(Struct, frozen=True):
    silenceID: str  # noqa: N815


class AlertmanagerApi:
    """Client for the Alertmanager at ``config.url``. ``host`` sends the requests (None: this machine). Every method
    raises LilFoxError, with the server's message if it rejects the request."""

    def __init__(self, config: ApiConfig, host: Host | None = None) -> None:
        self._api = HttpApi(config, host)

    @property
    def where(self) -> str:
        """The server's address as it appears in errors."""
        return self._api.where

    async def alerts(self) -> tuple[Alert, ...]:
        """Return the current alerts, including silenced ones. ``silenced_by`` holds the IDs of silences and the
        fingerprints of inhibiting alerts; the values are unknown (NaN)."""
        found = await self._items("/api/v2/alerts", _Alert)
        return tuple(self._alert(one) for one in found)

    async def silences(self) -> tuple[Silence, ...]:
        """Return the active and future silences."""
        found = await self._items("/api/v2/silences", _Silence)
        now = datetime.now(UTC)
        return tuple(_silence(one) for one in found if one.endsAt > now)

    async def create(
        self, matchers: Sequence[SilenceMatcher], starts_at: datetime, ends_at: datetime, by: str, comment: str = ""
    ) -> Silence:
        """Create a silence for alerts that match all ``matchers`` (times are aware). Raises UsageError if they match
        everything."""
        check_silence(matchers)
        document = {
            "matchers": [
                {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
                for one in matchers
            ],
            "startsAt": starts_at,
            "endsAt": ends_at,
            "createdBy": by,
            "comment": comment,
        }
        reply = await self._api.send("POST", "/api/v2/silences", document)
        made = await self._read(reply, _Made)
        return Silence(made.silenceID, tuple(matchers), starts_at, ends_at, by, comment)

    async def expire(self, silence_id: str) -> None:
        """Expire a silence now."""
        if not silence_id or not all(char.isascii() and (char.isalnum() or char == "-") for char in silence_id):
            raise LilFoxError(tr("{id} is not a silence ID", id=silence_id))
        reply = await self._api.send("DELETE", f"/api/v2/silence/{silence_id}")
        if reply.status >= 300:
            raise self._refused(reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _items(self, path: str, kind: type[T]) -> list[T]:
        return await self._read(await self._api.get(path), list[kind])  # type: ignore[valid-type]

    async def _read(self, reply: Reply, kind: type[T]) -> T:
        if reply.status >= 300:
            raise self._refused(reply)
        try:
            read: T = await asyncio.to_thread(decoded_json, reply.body, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise NotAnswered(
                tr("{where} did not return an Alertmanager API v2 response", where=self.where),
                tr("Check the address. Alertmanager usually listens on port 9093."),
            ) from None
        return read

    def _refused(self, reply: Reply) -> LilFoxError:
        said = reply.body[:_REASON_BYTES].decode("utf-8", "replace")
        try:
            document = msgspec.json.decode(reply.body[:_REASON_BYTES])
            said = document["message"] if isinstance(document, dict) else str(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            pass  # not in the form of its errors: as it is
        reason = redacted_start(str(said), _REASON_CHARS)
        return LilFoxError(
            tr("{where} returns {status}: {reason}", where=self.where, status=reply.status, reason=reason)
        )

    def _alert(self, one: _Alert) -> Alert:
        return Alert(
            labels=tuple(sorted(one.labels.items())),
            annotations=tuple(sorted(one.annotations.items())),
            state=AlertState.FIRING,
            active_at=one.startsAt,
            value=float("nan"),
            fired_at=one.startsAt,
            rule=self.where,
            silenced_by=(*one.status.silencedBy, *one.status.inhibitedBy),
        )


def _silence(one: _Silence) -> Silence:
    matchers = tuple(SilenceMatcher(each.name, each.value, each.isRegex, each.isEqual) for each in one.matchers)
    return Silence(one.id, matchers, one.startsAt, one.endsAt, one.createdBy, one.comment)


# Alerts of others: the rules and alerts of a Prometheus, the alerts and silences of an Alertmanager, as ours.
#
# Alertmanager knows no acknowledgement: it is a silence of this very alert whose comment begins with ``ACK by``, so
# that everybody who uses that Alertmanager sees it.


READ_EVERY_S = 15.0
RESOLVED_SHOWN = timedelta(minutes=15)
ACKNOWLEDGED_FOR = timedelta(hours=4)
_UNTIL_RESOLVED = timedelta(hours=24)
_ACK = "ACK by "
_HEALTH = {"ok": RuleHealth.GOOD, "err": RuleHealth.FAILED, "no match": RuleHealth.NO_DATA}
_STATES = {"firing": AlertState.FIRING, "pending": AlertState.PENDING}


class ExternalAlerts:
    """Reads the alerts of ``prometheus`` and ``alertmanager`` (at least one) repeatedly and publishes them in ``feed``.
    If one of them does not answer, its last answer is kept and the problem is in ``troubles`` of the newest state; the
    feed has no state until one has answered."""

    def __init__(self, prometheus: RemoteEngine | None, alertmanager: AlertmanagerApi | None) -> None:
        self.feed: Feed[Alerts] = Feed()
        self._prometheus, self._alertmanager = prometheus, alertmanager
        self._groups: tuple[RemoteGroup, ...] = ()
        self._told: tuple[Alert, ...] = ()
        self._silences: tuple[Silence, ...] = ()
        self._before: dict[tuple[str, Labels], Alert] = {}
        self._heard = False
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Read and publish until cancelled."""
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
        """Return the current state. Raises LilFoxError as long as neither server has ever answered."""
        troubles: list[Trouble] = []
        failed: LilFoxError | None = None
        if self._prometheus is not None:
            try:
                self._groups = await self._prometheus.rules()
                self._heard = True
            except LilFoxError as error:
                failed = error
                text = tr("the alerts from Prometheus may be out of date: {error}", error=error)
                troubles.append(Trouble("rules", text, blind=True))
        if self._alertmanager is not None:
            try:
                self._told, self._silences = await asyncio.gather(
                    self._alertmanager.alerts(), self._alertmanager.silences()
                )
                self._heard = True
            except LilFoxError as error:
                failed = failed or error
                troubles.append(
                    Trouble("silences", tr("cannot read the silences from Alertmanager: {error}", error=error))
                )
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
        """Create a silence in Alertmanager that lasts ``for_s`` seconds; None means a day, because Alertmanager has no
        "until resolved". Raises LilFoxError."""
        now = datetime.now(UTC)
        ends = now + (_UNTIL_RESOLVED if for_s is None else timedelta(seconds=for_s))
        made = await self._required().create(matchers, now, ends, by, comment)
        self._changed.set()
        return made

    async def expire(self, silence: str, by: str) -> None:  # noqa: ARG002  # as AlertEngine has it; Alertmanager asks no name
        """Expire a silence in Alertmanager. Raises LilFoxError."""
        await self._required().expire(silence)
        self._changed.set()

    async def acknowledge(self, alert: Alert, by: str, note: str = "") -> None:
        """Acknowledge an alert with a silence for exactly its labels, which replaces those that acknowledge it
        already. Raises LilFoxError."""
        before = self._acknowledging(alert)
        comment = f"{_ACK}{by}: {note}" if note else f"{_ACK}{by}"
        await self.silence(matchers_of(alert.labels), ACKNOWLEDGED_FOR.total_seconds(), by, comment)
        for one in before:
            await self.expire(one.id, by)

    async def unacknowledge(self, alert: Alert, by: str) -> None:
        """Expire the silences that acknowledge this alert. Raises LilFoxError."""
        for one in self._acknowledging(alert):
            await self.expire(one.id, by)

    def _acknowledging(self, alert: Alert) -> list[Silence]:
        return [one for one in self._silences if one.id in alert.silenced_by and one.comment.startswith(_ACK)]

    def preview(self, matchers: Sequence[SilenceMatcher]) -> tuple[Alert, ...]:
        """The alerts that a silence with ``matchers`` would silence now. Raises UsageError."""
        return would_silence(matchers, () if self.feed.value is None else self.feed.value.alerts)

    async def close(self) -> None:
        """Close the connections."""
        for one in (self._prometheus, self._alertmanager):
            if one is not None:
                await one.close()

    def _required(self) -> AlertmanagerApi:
        if self._alertmanager is None:
            raise LilFoxError(
                tr("no Alertmanager is configured; Prometheus alone cannot silence alerts"),
                tr("Add it under alertmanager: in the configuration."),
            )
        return self._alertmanager

    def _together(self, where: str) -> list[Alert]:
        """Return the alerts of Prometheus, with the silences and the firing time that Alertmanager has for them,
        followed by the alerts that only Alertmanager has."""
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
        acks = self._acknowledging(alert)
        if not acks:
            return alert
        by, _colon, note = acks[0].comment.removeprefix(_ACK).partition(":")
        return replace(alert, acknowledged=Acknowledgement(by.strip(), acks[0].starts_at, note.strip()))

    def _with_resolved(self, alerts: Iterable[Alert], now: datetime, *, known: bool) -> tuple[Alert, ...]:
        """Add the alerts that fired before and no longer do. They count as resolved only if all servers have
        answered."""
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
    """Convert an alert of Prometheus' API. The API reports since when the expression has been true; the alert fires at
    the first evaluation after ``for`` has passed."""
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
        every_s=group.interval or None,
    )


# Alerts that are known elsewhere: to a Prometheus and an Alertmanager, and to the LilFox that evaluates.


def open_others(
    config: Config, host_of: Callable[[str | None], Host | None]
) -> tuple[ExternalAlerts, RemoteEngine | None]:
    """Return a reader for the alerts of ``config.prometheus`` and ``config.alertmanager``, and a query client for the
    Prometheus (None if there is none). Raises LilFoxError."""

    def host(api: ApiConfig) -> Host | None:
        return host_of(api.from_)

    prometheus = None if config.prometheus is None else RemoteEngine(config.prometheus, host(config.prometheus))
    told = None if config.alertmanager is None else AlertmanagerApi(config.alertmanager, host(config.alertmanager))
    return ExternalAlerts(prometheus, told), prometheus


def kept_alerts(
    folder: Path | None, config_file: Path | None = None, patterns: Sequence[str] = ()
) -> Ready[Alerts] | Unavailable:
    """Return the alerts saved by the LilFox process that evaluates the rules and keeps its state in ``folder`` (None:
    the state folder of ``config_file``). They are unavailable if no process evaluates now, because rules need
    continuous evaluation. ``patterns`` are those of the rule files. Blocks."""
    now = datetime.now(UTC)
    folder = folder or state_folder(config_file)
    path = None if folder is None else folder / DATABASE
    hint = tr("run lilfox monitor, or keep the console open: rules need continuous evaluation")
    if path is None or not path.exists():
        if patterns and not stamp_of(patterns, Path()):
            return Unavailable(NotEvaluated(tr("rules: no file matches {pattern}", pattern=patterns[0])), now)
        return Unavailable(NotEvaluated(tr("the rules have not been evaluated yet"), hint), now)
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
        NotEvaluated(
            tr("no LilFox process is evaluating these rules; the last evaluation was {age} ago", age=age), hint
        ),
        since,
    )
