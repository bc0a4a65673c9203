"""The rule manager: decides when each group is evaluated and what is saved to disk, and detects changed rule files."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from heapq import heapify, heapreplace
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from msgspec.structs import replace

from lilfox_tui.alerts.lifecycle import AlertChange, AlertChangeKind, EvaluationGap, LiveAlert, alert_view
from lilfox_tui.alerts.model import Alert, AlertState, Event, RuleHealth, RuleView, Trouble
from lilfox_tui.alerts.rule_group import EvaluationContext, GroupEvaluator, RuleEvaluator, StoreSink
from lilfox_tui.alerts.rules import RuleFiles, RuleGroup, Stamp, read_rule_files, stamp_of
from lilfox_tui.alerts.storage import AlertStorage, DatabaseDamaged, DatabaseNotWritable, SavedGroup
from lilfox_tui.config.model import Config
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, ntr, tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import time_of
from lilfox_tui.scrape.store import CombinedSource, SeriesSource, SeriesStore

# A group of rules in the engine: when it is due, how long it takes, and what of it is on the disk.


VALUES_KEPT_EACH_MS = 10_000
"""Where nothing but values changed, they go to the disk so often."""
NOTHING_KEPT_EACH_MS = 60_000
"""Where there are no alerts, it goes to the disk so often that they were looked for."""


class ScheduledGroup:
    """A group and its schedule. ``missed`` counts skipped evaluations; ``took_s`` is the duration of the last one."""

    def __init__(self, state: GroupEvaluator, interval_ms: int) -> None:
        self.state, self.interval_ms = state, interval_ms
        state.every_s = interval_ms / 1000
        self.last_ms: int | None = None
        self.missed = 0
        self.took_s = 0.0
        self._kept: dict[tuple[str, Labels], LiveAlert] = {}
        self._kept_rules: list[tuple[RuleHealth, str]] = []
        self._kept_ms = 0
        self._events: list[Event] = []
        self._ended: list[Labels] = []
        self._shown: tuple[tuple[RuleView, ...], list[Alert]] | None = None
        self._phase_ms = zlib.crc32(state.key.encode("utf-8", "surrogatepass")) % interval_ms

    @property
    def name(self) -> str:
        """``FILE;GROUP``."""
        return self.state.key

    def slot_ms(self, now_ms: int) -> int:
        """Return the last scheduled time of the group up to ``now_ms``. Each group has its own phase, so that they do
        not all run at once; it is the same after each start."""
        return now_ms - (now_ms - self._phase_ms) % self.interval_ms

    def next_ms(self, now_ms: int) -> int:
        """Return when the group is due next; a time in the past if it is due now."""
        slot = self.slot_ms(now_ms)
        if self.last_ms is None or slot > self.last_ms or self.last_ms - now_ms > self.interval_ms:
            return slot  # the last case: the clock was set back
        return self.last_ms + self.interval_ms

    def evaluate(self, source: SeriesSource, at_ms: int) -> None:
        """Evaluate the group at ``at_ms``. Blocks."""
        if self.last_ms is not None and at_ms > self.last_ms:
            self.missed += (at_ms - self.last_ms) // self.interval_ms - 1
        begun = perf_counter()
        self._shown = None
        changes = self.state.evaluate(source, at_ms)
        self.took_s = perf_counter() - begun
        self.last_ms = at_ms
        self._events += [event for rule, change in changes if (event := _event(rule, change)) is not None]
        self._ended += [
            each.alert.labels for _, each in changes if each.kind is not AlertChangeKind.FIRED
        ]  # or begins anew

    def keep(self, saved: AlertStorage) -> None:
        """Save what has changed since the last save; after a failure the next call saves it. Blocks. Raises
        LilFoxError."""
        assert self.last_ms is not None
        now, rules = self.alerts(), [(rule.health, str(rule.error)) for rule in self.state.rules]
        gone = [(rule, alert) for (rule, labels), alert in self._kept.items() if (rule, labels) not in now]
        age_ms = abs(self.last_ms - self._kept_ms)
        same = not (self._events or self._ended or gone) and rules == self._kept_rules
        if same and age_ms < (VALUES_KEPT_EACH_MS if now else NOTHING_KEPT_EACH_MS):
            if any(alert.state is AlertState.PENDING for alert in now.values()):
                saved.evaluated(self.name, self.last_ms)  # so much of its time counts after a crash
            return
        changed = [(rule, alert) for (rule, labels), alert in now.items() if self._kept.get((rule, labels)) != alert]
        away = [resolve_removed(rule, alert, self.last_ms) for rule, alert in gone if alert.state is AlertState.FIRING]
        saved.keep(self.as_saved(), changed, gone, [*self._events, *away], self._ended)
        self._kept, self._kept_ms, self._kept_rules = now, self.last_ms, rules
        self._events.clear()
        self._ended.clear()

    def restore(self, saved: Mapping[str, tuple[LiveAlert, ...]], outage: EvaluationGap) -> None:
        """Restore what was saved before a restart."""
        self._kept = {(rule, one.labels): one for rule, alerts in saved.items() for one in alerts}
        self._shown = None
        self.state.restore(saved, outage)

    def go_on(self, state: GroupEvaluator, outage: EvaluationGap) -> None:
        """Continue with the new ``state`` after a gap in which this process did not evaluate."""
        state.restore(self.state.dump(), outage)
        self.state, self._shown = state, None

    def alerts(self) -> dict[tuple[str, Labels], LiveAlert]:
        """All alerts, by their rule's identity and their labels."""
        return {(rule, one.labels): one for rule, alerts in self.state.dump().items() for one in alerts}

    def shown(self) -> tuple[tuple[RuleView, ...], list[Alert]]:
        """Return the group's rules and their alerts. They are made once an evaluation, not once for each evaluation of
        another group."""
        if self._shown is None:
            self._shown = self.state.views(), self.state.alerts()
        return self._shown

    def as_saved(self) -> SavedGroup:
        """Return the group's saved state, without its alerts."""
        keys = {rule.identity: rule.key for rule in self.state.rules}
        return SavedGroup(self.name, self.last_ms or 0, self.shown()[0], keys)

    def continue_from(self, before: ScheduledGroup, at_ms: int) -> None:
        """Take over from ``before``, the same group before its file was reloaded."""
        self.state.continue_from(before.state, at_ms)
        self._shown = None
        self.last_ms, self.missed, self.took_s = before.last_ms, before.missed, before.took_s
        self._kept, self._kept_ms = before._kept, before._kept_ms
        self._events, self._ended = before._events, before._ended

    def troubles(self) -> list[Trouble]:
        """Return the group's slow or missed evaluations."""
        found = []
        interval_s = self.interval_ms / 1000
        if self.took_s > interval_s:
            slow = tr(
                "group {group}: the last evaluation took {took:.1f} s, longer than the interval of {interval:g} s",
                group=self.state.group.name, took=self.took_s, interval=interval_s,
            )  # fmt: skip
            found.append(Trouble(f"slow {self.name}", slow))
        if self.missed:
            missed = ntr(
                "group {group}: {count} evaluation was missed",
                "group {group}: {count} evaluations were missed",
                self.missed,
                group=self.state.group.name,
            )
            found.append(Trouble(f"missed {self.name}", missed))
        return found


def resolve_removed(rule: str, alert: LiveAlert, at_ms: int) -> Event:
    """Return the event that ends an alert whose rule was removed; ``rule`` is the rule's identity."""
    lasted_s = (at_ms - (alert.fired_at_ms or at_ms)) / 1000
    return Event(time_of(at_ms), "resolved", alert.labels, rule, alert.value, lasted_s, note=_("its rule was removed"))


def _event(rule: RuleEvaluator, change: AlertChange) -> Event | None:
    alert = change.alert
    if change.kind is AlertChangeKind.FIRED:
        return Event(time_of(alert.fired_at_ms or 0), "fired", alert.labels, rule.key, alert.value)
    if change.kind is AlertChangeKind.RESOLVED:
        ended_ms = alert.resolved_at_ms or 0
        lasted_s = (ended_ms - (alert.fired_at_ms or ended_ms)) / 1000
        since_ms = alert.no_data_since_ms
        note = "" if since_ms is None else _("no data since {time:%H:%M:%S} UTC", time=time_of(since_ms))
        return Event(time_of(ended_ms), "resolved", alert.labels, rule.key, alert.value, lasted_s, note=note)
    return None


# All groups of rules, evaluated: their files, their state over restarts, what of it goes to the disk.
#
# Everything here blocks and belongs to one thread at a time. An evaluation that fails, a rule file that is broken or
# gone, and a disk that is full resolve nothing.


T = TypeVar("T")
RESULTS_KEPT_S = 6 * 3600.0
RESULTS_LIMIT_BYTES = 64 * 1024 * 1024


def result_store() -> SeriesStore:
    """Return a store for what rules record."""
    return SeriesStore(keep_s=RESULTS_KEPT_S, limit_bytes=RESULTS_LIMIT_BYTES)


class RuleManager:
    """Schedules and evaluates the groups of ``config.rules``. ``series`` are the scraped series together with the
    results of rules.

    ``base`` is the folder that relative paths of rule files begin at.
    """

    def __init__(
        self,
        config: Config,
        source: SeriesSource,
        saved: AlertStorage,
        base: Path,
        results: SeriesStore | None = None,
    ) -> None:
        results = results or result_store()
        self.series: SeriesSource = CombinedSource(source, results)
        self.groups: dict[str, ScheduledGroup] = {}
        self._queue: list[tuple[int, str]] | None = None
        """When each group is due, as a heap; None after the groups have changed."""
        self._looked_ms = 0
        self._config, self._saved, self._base = config, saved, base
        self._around = EvaluationContext(
            StoreSink(results),
            external_labels=config.alerts.external_labels,
            external_url=config.alerts.external_url or None,
        )
        self._files = RuleFiles((), {}, (), ())
        self._held: dict[str, tuple[SavedGroup, list[Alert]]] = {}
        """Groups from before whose file cannot be used now: their alerts stay as they were."""
        self._refused: dict[str, Message] = {}
        self._old_rules: dict[str, Message] = {}
        self._faults: dict[str, Message] = {}
        self._unkept: dict[str, Message] = {}
        self.disk_trouble: Message | None = None

    def load(self, now_ms: int) -> None:
        """Load or reload the rule files, and take over the earlier state, from memory or from the saved state. Raises
        LilFoxError if the saved state cannot be read."""
        self._files = read_rule_files(self._config.rules, self._base)
        self._refused.clear()
        self._old_rules.clear()
        self._queue = None
        before, self.groups = self.groups, {}
        saved = self._saved.groups()
        for file in self._files.files:
            for group in file.groups:
                self._start(file.name, group, before, saved, now_ms)
            for name, problem in file.refused.items():
                self._refused[f"{file.name};{name}"] = tr("rules: {reason}", reason=problem)
        unusable = tuple(f"{path};" for path in (*self._files.broken, *self._files.empty))
        for name, running in before.items():
            if name not in self.groups and (name.startswith(unusable) or name in self._refused):
                self.groups[name] = running  # the old rules go on until the file is right again
            elif name not in self.groups:
                running.state.end(now_ms)
        self._sort_out({name: group for name, group in saved.items() if name not in self.groups}, now_ms)

    def files_changed(self) -> bool:
        """Whether :meth:`load` would read something different from last time."""
        now: Stamp = stamp_of(self._config.rules, self._base)
        return now != self._files.stamp

    def next_ms(self, now_ms: int) -> int | None:
        """Return when the next group is due; None if there are no groups."""
        queue = self._queue_at(now_ms)
        return queue[0][0] if queue else None

    def evaluate_due(self, now_ms: int) -> bool:
        """Evaluate the group that has been due for longest at ``now_ms``; return whether one was due."""
        queue = self._queue_at(now_ms)
        if not queue or queue[0][0] > now_ms:
            return False
        group = self.groups[queue[0][1]]
        self._evaluate(group, now_ms)
        heapreplace(queue, (group.next_ms(now_ms), group.name))
        return True

    def _queue_at(self, now_ms: int) -> list[tuple[int, str]]:
        """Return when each group is due, as a heap: made anew after the groups have changed or the clock went back."""
        if self._queue is None or now_ms < self._looked_ms:
            self._queue = [(group.next_ms(now_ms), name) for name, group in self.groups.items()]
            heapify(self._queue)
        self._looked_ms = now_ms
        return self._queue

    def clock_stepped(self, step_ms: int, now_ms: int) -> None:
        """Treat a clock step of ``step_ms`` (the clock was set, or the machine was suspended) as an outage, in which
        nothing was evaluated."""
        for group in self.groups.values():
            if group.last_ms is not None:
                outage = self._outage(group.last_ms, min(now_ms, group.last_ms + step_ms))
                group.go_on(GroupEvaluator(group.state.file, group.state.group, self._around), outage)

    def alerts(self) -> list[Alert]:
        """Return all alerts, including those of files that cannot be used now."""
        found = [alert for group in self.groups.values() for alert in group.shown()[1]]
        return found + [alert for _, alerts in self._held.values() for alert in alerts]

    def views(self) -> tuple[RuleView, ...]:
        """All rules."""
        found = [view for group in self.groups.values() for view in group.shown()[0]]
        for saved, _time in self._held.values():
            found += [replace(view, health=RuleHealth.UNKNOWN) for view in saved.views]
        return tuple(found)

    def troubles(self) -> tuple[Trouble, ...]:
        """Return the problems with the disk, the rule files and the groups."""
        found = [] if self.disk_trouble is None else [Trouble("disk", self.disk_trouble)]
        found += self._files.troubles
        found += [Trouble(f"refused {name}", text, blind=True) for name, text in self._refused.items()]
        found += [Trouble(f"old {name}", text, blind=True) for name, text in self._old_rules.items()]
        found += [Trouble(f"fault {name}", text, blind=True) for name, text in self._faults.items()]
        found += [Trouble(f"unkept {name}", text) for name, text in self._unkept.items()]
        if self._held:
            text = ntr(
                "{count} rule group cannot be read right now; its alerts keep their last state",
                "{count} rule groups cannot be read right now; their alerts keep their last state",
                len(self._held),
            )
            found.append(Trouble("held", text, blind=True))
        return (*found, *(trouble for group in self.groups.values() for trouble in group.troubles()))

    def longest_interval_s(self) -> float:
        """Return the longest interval of all groups."""
        return max((group.interval_ms for group in self.groups.values()), default=0) / 1000

    def on_disk(self, work: Callable[[], T]) -> T:
        """Run ``work()``, which reads and writes the database. If the disk is full or broken, continue in memory,
        record a problem and run it again."""
        try:
            return work()
        except (DatabaseNotWritable, DatabaseDamaged) as error:
            self._saved.database.leave_disk()
            self.disk_trouble = tr("{error}; until LilFox exits, changes are kept in memory only", error=error)
            return work()

    def _start(
        self, file: str, group: RuleGroup, before: dict[str, ScheduledGroup], saved: dict[str, SavedGroup], now_ms: int
    ) -> None:
        name = f"{file};{group.name}"
        if name in before:
            group = self._with_old_rules(name, group, before[name].state.group)
        try:
            state = GroupEvaluator(file, group, self._around)
        except LilFoxError as error:
            self._refused[name] = tr("rules: {file}: {reason}", file=file, reason=error)
            return
        running = ScheduledGroup(state, round((group.interval_s or self._config.alerts.every_s) * 1000))
        if running.name in before:
            running.continue_from(before[running.name], now_ms)
        elif running.name in saved:
            outage = self._outage(min(saved[running.name].evaluated_ms, now_ms), now_ms)
            running.restore(self._saved.alerts(running.name), outage)
        self.groups[running.name] = running

    def _with_old_rules(self, name: str, group: RuleGroup, before: RuleGroup) -> RuleGroup:
        """Return ``group`` with each unusable rule replaced by its earlier usable version, if there is one."""
        usable = {(rule.kind, rule.name): rule for rule in before.rules if not rule.problem}
        rules = []
        for rule in group.rules:
            old = usable.get((rule.kind, rule.name)) if rule.problem else None
            if old is not None:
                text = tr("rules: {reason}; the previous version of the rule stays active", reason=rule.problem)
                self._old_rules[f"{name};{rule.kind};{rule.name}"] = text
            rules.append(old or rule)
        return replace(group, rules=tuple(rules))

    def _outage(self, from_ms: int, to_ms: int) -> EvaluationGap:
        return EvaluationGap(from_ms, to_ms, round(self._config.alerts.outage * 1000), grace_ms=0)

    def _sort_out(self, others: dict[str, SavedGroup], now_ms: int) -> None:
        """Keep or delete the saved groups that are not evaluated: keep their alerts while any rule file cannot be used,
        else delete them."""
        self._held = {}
        for name, group in others.items():
            if self._files.broken or self._files.missing or self._files.empty or self._refused:
                self._held[name] = (group, [
                    alert_view(group.keys.get(rule, rule), alert)
                    for rule, alerts in self._saved.alerts(name).items() for alert in alerts
                ])  # fmt: skip
            else:
                self.on_disk(partial(self._drop, name, now_ms))

    def _drop(self, name: str, now_ms: int) -> None:
        alerts = [(rule, one) for rule, found in self._saved.alerts(name).items() for one in found]
        firing = [resolve_removed(rule, one, now_ms) for rule, one in alerts if one.state is AlertState.FIRING]
        self._saved.drop(name, firing)

    def _evaluate(self, group: ScheduledGroup, now_ms: int) -> None:
        at_ms = group.slot_ms(now_ms)
        try:
            group.evaluate(self.series, at_ms)
            self._faults.pop(group.name, None)
        except Exception as error:  # a fault of ours in one group is not the others' end
            fault = fault_of(error)
            self._faults[group.name] = tr("group {group}: {fault}", group=group.state.group.name, fault=fault)
            group.last_ms = at_ms
            return
        try:
            self.on_disk(partial(group.keep, self._saved))
            self._unkept.pop(group.name, None)
        except LilFoxError as error:  # another process holds the file for long
            self._unkept[group.name] = tr("{error}; retrying at the next evaluation", error=error)
