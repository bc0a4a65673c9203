"""All groups of rules, evaluated: their files, their state over restarts, what of it goes to the disk.

Everything here blocks and belongs to one thread at a time. An evaluation that fails, a rule file that is broken or
gone, and a disk that is full resolve nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from lilfox_tui.alerts.both import Both
from lilfox_tui.alerts.database import Damaged, NotWritable
from lilfox_tui.alerts.group import GroupState, alert_view
from lilfox_tui.alerts.group_results import StoreResults
from lilfox_tui.alerts.group_rule import Surroundings
from lilfox_tui.alerts.lifecycle import Outage
from lilfox_tui.alerts.model import Alert, AlertState, RuleHealth, RuleView, Trouble
from lilfox_tui.alerts.rule import Group
from lilfox_tui.alerts.rule_files import RuleFiles, Stamp, read_rule_files, stamp_of
from lilfox_tui.alerts.running_group import RunningGroup, taken_away
from lilfox_tui.alerts.saved import Saved, SavedGroup
from lilfox_tui.config.model import Config
from lilfox_tui.crash import fault_of
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, ntr, tr
from lilfox_tui.scrape.series import SeriesSource
from lilfox_tui.scrape.store import Store

T = TypeVar("T")
RESULTS_KEPT_S = 6 * 3600.0
RESULTS_LIMIT_BYTES = 64 * 1024 * 1024


class Evaluating:
    """The groups of ``config.rules``. ``series`` is what was scraped together with what the rules gave.

    ``base`` is the folder that relative paths of rule files begin at.
    """

    def __init__(self, config: Config, source: SeriesSource, saved: Saved, base: Path) -> None:
        results = Store(keep_s=RESULTS_KEPT_S, limit_bytes=RESULTS_LIMIT_BYTES)
        self.series: SeriesSource = Both(source, results)
        self.groups: dict[str, RunningGroup] = {}
        self._config, self._saved, self._base = config, saved, base
        self._around = Surroundings(
            StoreResults(results),
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
        """Reads the rule files, the first time or again, and brings over what was there before: of this run, or of the
        one before it. Raises LilFoxError where what was saved cannot be read."""
        self._files = read_rule_files(self._config.rules, self._base)
        self._refused.clear()
        self._old_rules.clear()
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
        """Whether :meth:`load` would read something else than last time."""
        now: Stamp = stamp_of(self._config.rules, self._base)
        return now != self._files.stamp

    def next_ms(self, now_ms: int) -> int | None:
        """When the next group is due; None where there is none."""
        return min((group.next_ms(now_ms) for group in self.groups.values()), default=None)

    def evaluate_due(self, now_ms: int) -> bool:
        """Evaluates the group that has been due for longest at ``now_ms``, if any; whether there was one."""
        due = [(each.next_ms(now_ms), name) for name, each in self.groups.items() if each.next_ms(now_ms) <= now_ms]
        if not due:
            return False
        self._evaluate(self.groups[min(due)[1]], now_ms)
        return True

    def clock_stepped(self, step_ms: int, now_ms: int) -> None:
        """The clock went on by ``step_ms`` in which nothing ran (it was set, or the machine slept): as an outage."""
        for group in self.groups.values():
            if group.last_ms is not None:
                outage = self._outage(group.last_ms, min(now_ms, group.last_ms + step_ms))
                group.go_on(GroupState(group.state.file, group.state.group, self._around), outage)

    def alerts(self) -> list[Alert]:
        """All alerts, those of files that cannot be used now too."""
        found = [alert for group in self.groups.values() for alert in group.state.alerts()]
        return found + [alert for _, alerts in self._held.values() for alert in alerts]

    def views(self) -> tuple[RuleView, ...]:
        """All rules."""
        found = [view for group in self.groups.values() for view in group.state.views()]
        for saved, _ in self._held.values():
            found += [replace(view, health=RuleHealth.UNKNOWN) for view in saved.views]
        return tuple(found)

    def troubles(self) -> tuple[Trouble, ...]:
        """What does not go as it should."""
        found = [] if self.disk_trouble is None else [Trouble("disk", self.disk_trouble)]
        found += self._files.troubles
        found += [Trouble(f"refused {name}", text, blind=True) for name, text in self._refused.items()]
        found += [Trouble(f"old {name}", text, blind=True) for name, text in self._old_rules.items()]
        found += [Trouble(f"fault {name}", text, blind=True) for name, text in self._faults.items()]
        found += [Trouble(f"unkept {name}", text) for name, text in self._unkept.items()]
        if self._held:
            text = ntr(
                "{count} group of rules cannot be read now; its alerts stay as they were",
                "{count} groups of rules cannot be read now; their alerts stay as they were",
                len(self._held),
            )
            found.append(Trouble("held", text, blind=True))
        return (*found, *(trouble for group in self.groups.values() for trouble in group.troubles()))

    def longest_interval_s(self) -> float:
        """Of all groups."""
        return max((group.interval_ms for group in self.groups.values()), default=0) / 1000

    def on_disk(self, work: Callable[[], T]) -> T:
        """``work()``, which reads and writes. Where the disk is full or broken all goes on in memory, and a sentence
        says so."""
        try:
            return work()
        except (NotWritable, Damaged) as error:
            self._saved.database.leave_disk()
            self.disk_trouble = tr("{error}; what happens is kept only until LilFox ends", error=error)
            return work()

    def _start(
        self, file: str, group: Group, before: dict[str, RunningGroup], saved: dict[str, SavedGroup], now_ms: int
    ) -> None:
        name = f"{file};{group.name}"
        if name in before:
            group = self._with_old_rules(name, group, before[name].state.group)
        try:
            state = GroupState(file, group, self._around)
        except LilFoxError as error:
            self._refused[name] = tr("rules: {file}: {reason}", file=file, reason=error)
            return
        running = RunningGroup(state, round((group.interval_s or self._config.alerts.every_s) * 1000))
        if running.name in before:
            running.continue_from(before[running.name], now_ms)
        elif running.name in saved:
            outage = self._outage(min(saved[running.name].evaluated_ms, now_ms), now_ms)
            running.restore(self._saved.alerts(running.name), outage)
        self.groups[running.name] = running

    def _with_old_rules(self, name: str, group: Group, before: Group) -> Group:
        """``group``, in which a rule that cannot be used now is as it was before, where it was there."""
        usable = {(rule.kind, rule.name): rule for rule in before.rules if not rule.problem}
        rules = []
        for rule in group.rules:
            old = usable.get((rule.kind, rule.name)) if rule.problem else None
            if old is not None:
                text = tr("rules: {reason}; the rule as it was before goes on", reason=rule.problem)
                self._old_rules[f"{name};{rule.kind};{rule.name}"] = text
            rules.append(old or rule)
        return replace(group, rules=tuple(rules))

    def _outage(self, from_ms: int, to_ms: int) -> Outage:
        return Outage(from_ms, to_ms, round(self._config.alerts.outage * 1000), grace_ms=0)

    def _sort_out(self, others: dict[str, SavedGroup], now_ms: int) -> None:
        """Of groups that were saved and are not evaluated: held while something cannot be read, else forgotten."""
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
        firing = [taken_away(rule, one, now_ms) for rule, one in alerts if one.state is AlertState.FIRING]
        self._saved.drop(name, firing)

    def _evaluate(self, group: RunningGroup, now_ms: int) -> None:
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
            self._unkept[group.name] = tr("{error}; it is tried again at the next evaluation", error=error)
