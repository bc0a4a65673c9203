"""Whether alerts reach people: a dead man's switch, notifiers that were tested, alerts that say what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from lilfox_tui.alerts.notification_plan import receiver
from lilfox_tui.alerts.rules import Rule
from lilfox_tui.alerts.silences import matches_all
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Facts, Fix
from lilfox_tui.audit.rule_selection import is_constant
from lilfox_tui.audit.targets.configuration import DELIVERIES, RULES, RulesAnswer
from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.store import SeriesStore

TESTED_WITHIN = timedelta(days=30)
KEPT_FOR = timedelta(days=90)
"""How long LilFox keeps the records of deliveries."""
_TEMPLATE = "{{"
_QUIET = frozenset({"none", "info"})
"""Severities of alerts that nobody has to act on."""


def judge_switch(facts: Facts) -> Iterator[AuditFinding]:
    """Rules that are evaluated here, without anything that tells of the end of LilFox itself."""
    rules = facts[RULES]
    config = rules.config
    if config.monitor.heartbeat_url is not None:
        return
    if not config.rules and not rules.rules.files and not rules.elsewhere and rules.unread is None:
        raise Absent  # the checks of what no rule watches tell that
    always = [rule for _file, rule in rules.alerts() if always_fires(rule)]
    if any(_is_told(rule, name, options, rules) for rule in always for name, options in config.notifiers.items()):
        return
    rules.refuse_unread()
    if always:
        evidence = tr("monitor.heartbeat_url is not set, and no notifier repeats {alerts}, which always fire",
                      alerts=listed(rule.name for rule in always))  # fmt: skip
    else:
        evidence = tr("monitor.heartbeat_url is not set, and no rule always fires, as vector(1) does")
    text = tr("Make a check at a service that raises an alarm when nobody calls it (healthchecks.io, Cronitor, Uptime "
              "Kuma), write its address here, and restart lilfox monitor.")  # fmt: skip
    lines = ("monitor:", "  heartbeat_url: https://heartbeat.example.net/prod")
    yield AuditFinding("heartbeat", evidence, Fix(text, str(rules.file), lines, ("lilfox config check",)))


def always_fires(rule: Rule) -> bool:
    """Whether an alert fires at any time, whatever the series are."""
    if not is_constant(rule.query.tree):
        return False
    value = rule.query.at(SeriesStore(keep_s=1, limit_bytes=1), 0)
    return isinstance(value, Vector) and len(value.labels) > 0


def _is_told(rule: Rule, name: str, options: NotifierConfig, rules: RulesAnswer) -> bool:
    """Whether a notifier takes the alerts of a rule, and is told of them over and over."""
    alerts = rules.config.alerts
    if options.kind == "bell" or (alerts.remind is None and options.kind != "alertmanager"):
        return False
    labels = {**alerts.external_labels, **rule.labels, "alertname": rule.name}
    only = [each for each in receiver(name, options).only if _TEMPLATE not in labels.get(each.name, "")]
    return matches_all(only, tuple(sorted(labels.items())))


def judge_notifiers(facts: Facts) -> Iterator[AuditFinding]:
    """A notifier that has not taken a notification or a test lately."""
    notifiers: Mapping[str, NotifierConfig] = {
        name: each for name, each in facts[RULES].config.notifiers.items() if each.kind != "bell"
    }
    if not notifiers:
        raise Absent
    known = facts[DELIVERIES]
    for name, options in notifiers.items():
        fix = Fix(tr("Send a test, and see whether it arrives."), commands=(f"lilfox alerts notify-test {name}",))
        at = known.delivered.get(name)
        if at is None:
            severity = AuditSeverity.MEDIUM if options.kind == "alertmanager" else AuditSeverity.HIGH
            yield AuditFinding(name, _never(known.folder, options), fix, severity)
        elif known.at - at > TESTED_WITHIN:
            age = human_duration((known.at - at).total_seconds())
            evidence = tr("the last notification or test that it took was {age} ago", age=age)
            yield AuditFinding(name, evidence, fix, AuditSeverity.MEDIUM)


def _never(folder: object, options: NotifierConfig) -> Message:
    days = KEPT_FOR.days
    if options.kind == "alertmanager":
        return tr("{folder} has no test in the last {days} days, and no alert that it knows now",
                  folder=folder, days=days)  # fmt: skip
    return tr("{folder} has no notification and no test that it took in the last {days} days",
              folder=folder, days=days)  # fmt: skip


def judge_runbooks(facts: Facts) -> Iterator[AuditFinding]:
    """An alert that somebody has to act on, without a runbook of LilFox and without an address of one."""
    rules = facts[RULES]
    alerts = list(rules.alerts())
    if not alerts:
        rules.refuse_unread()
        raise Absent
    told: set[str] = set()
    for file, rule in alerts:
        address = any(text for name, text in rule.annotations.items() if "runbook" in name.lower())
        quiet = rule.labels.get("severity", "").lower() in _QUIET or always_fires(rule)
        if rule.name in told or rule.name in rules.runbooks or address or quiet:
            continue
        told.add(rule.name)
        evidence = tr("{file}: no annotation runbook_url, and no runbook has it under on_alert", file=file)
        text = tr("Write down what to do, and put its address under annotations: of the rule; or write a runbook with "
                  "on_alert: [{alert}] into a folder under runbooks:.", alert=rule.name)  # fmt: skip
        lines = (f"      runbook_url: https://wiki.example.net/runbooks/{rule.name}",)
        yield AuditFinding(rule.name, evidence, Fix(text, file, lines))


CHECKS = (
    AuditCheck(
        "no-dead-mans-switch",
        AuditSeverity.HIGH,
        tr("nobody notices when the monitoring stops"),
        tr("When LilFox, its host or its network fails, no alert is sent, and all looks well."),
        (RULES,),
        judge_switch,
        "https://prometheus.io/docs/practices/alerting/#metamonitoring",
    ),
    AuditCheck(
        "notifier-untested",
        AuditSeverity.HIGH,
        tr("a notifier has not been used or tested lately"),
        tr("Tokens expire, addresses change and channels are archived, and nobody notices until an alert is lost."),
        (RULES, DELIVERIES),
        judge_notifiers,
        "https://sre.google/sre-book/monitoring-distributed-systems/",
    ),
    AuditCheck(
        "alert-without-runbook",
        AuditSeverity.LOW,
        tr("an alert has no runbook"),
        tr("Whoever is woken by it has to find out what to do."),
        (RULES,),
        judge_runbooks,
        "https://sre.google/sre-book/being-on-call/",
    ),
)
