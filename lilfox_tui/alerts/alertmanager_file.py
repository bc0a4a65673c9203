"""Reads the configuration of an Alertmanager: its routes, time intervals, inhibition rules and the names of its
receivers.

https://prometheus.io/docs/alerting/latest/configuration/"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lilfox_tui.alerts.delivery import BELL
from lilfox_tui.alerts.dependencies import dependencies_of
from lilfox_tui.alerts.message_template import template_problems
from lilfox_tui.alerts.model import SilenceMatcher
from lilfox_tui.alerts.notification_plan import receiver
from lilfox_tui.alerts.routing import AlertGrouping, AlertRoute, RouteTree
from lilfox_tui.alerts.silences import matches_all, parse_matchers
from lilfox_tui.alerts.suppression import InhibitionRule, SuppressionRules, suppression_rules
from lilfox_tui.config.convert import is_null
from lilfox_tui.config.model import Config
from lilfox_tui.config.yaml_nodes import Findings, KeyPath, ListNode, Node, ScalarNode, parse, quoted, rather
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.time_intervals import TimePeriod, time_period
from lilfox_tui.scrape.labels import quoted as go_quoted
from lilfox_tui.scrape.prometheus_yaml import DIALECT, Fields, PrometheusNodes, read_text

_TOP_FIELDS = (
    "global", "route", "receivers", "inhibit_rules", "templates", "time_intervals", "mute_time_intervals", "tracing",
)  # fmt: skip
_ROUTE_FIELDS = (
    "receiver", "group_by", "match", "match_re", "matchers", "continue", "routes", "group_wait", "group_interval",
    "repeat_interval", "mute_time_intervals", "active_time_intervals",
)  # fmt: skip
_INHIBIT_FIELDS = (
    "source_match", "source_match_re", "source_matchers", "target_match", "target_match_re", "target_matchers", "equal",
    "name",
)  # fmt: skip
_PERIOD_FIELDS = ("times", "weekdays", "days_of_month", "months", "years", "location")
_ALL = "..."
_NOT_ROUTED = (BELL, "alertmanager")
"""Kinds of notifiers that get all alerts."""
_DEFAULTS = AlertGrouping("{}", (), 30.0, 300.0, 4 * 3600.0)


class AlertmanagerFile(Struct, frozen=True):
    """What LilFox uses of the file. ``receivers`` has the integrations of each receiver (``slack_configs``); ``unread``
    says what of the file has no effect here."""

    root: AlertRoute
    receivers: Mapping[str, tuple[str, ...]]
    intervals: Mapping[str, tuple[TimePeriod, ...]]
    inhibitions: tuple[InhibitionRule, ...] = ()
    unread: tuple[str, ...] = ()


def read_alertmanager(path: Path) -> AlertmanagerFile:
    """Read the file. Blocks. Raises ConfigError with everything that Alertmanager would reject in it."""
    findings = Findings(str(path))
    node = parse(read_text(path, trusted=True), findings, DIALECT)
    reading = _FileReader(PrometheusNodes(findings))
    if node is None:
        findings.add(1, ("route",), _("this key is missing; add it"))
    found = None if node is None or findings else reading.file(node, path)
    if findings or found is None:
        problems = findings.sorted()
        raise ConfigError(
            tr("the Alertmanager configuration cannot be used:\n{problems}", problems="\n".join(problems)), problems
        )
    return found


def notification_rules(config: Config) -> SuppressionRules:
    """Return what the configuration and its ``alertmanager_config`` say of routes and suppression. Blocks. Raises
    LilFoxError."""
    own = replace(suppression_rules(config.alerts), hosts=dependencies_of(config))
    if config.alertmanager_config is None:
        return own
    file = read_alertmanager(Path(config.alertmanager_config))
    tree = RouteTree(file.root, file.intervals, config.alerts.external_labels)
    return replace(own, inhibitions=(*own.inhibitions, *file.inhibitions), tree=tree)


def check_notifications(config: Config) -> list[str]:
    """Return what of the notifiers and of ``alertmanager_config`` has no effect. Blocks. Raises LilFoxError if matchers
    or that file are invalid."""
    routed = {
        to.route: name
        for name, options in config.notifiers.items()
        if (to := receiver(name, options)) and options.kind not in _NOT_ROUTED
    }
    notification_rules(config)
    notes = [
        _("notifier {name} sends its usual texts: {reason}", name=name, reason=problem)
        for name, options in config.notifiers.items()
        for problem in template_problems(options)
    ]
    if config.alertmanager_config is None:
        return notes
    path = Path(config.alertmanager_config)
    file = read_alertmanager(path)
    notes += file.unread
    for name, kinds in file.receivers.items():
        if kinds and name not in routed:
            notes.append(
                _(
                    "{path}: receiver {name} ({kinds}) has no notifier; add one under notifiers: with receiver: {name}",
                    path=path,
                    name=name,
                    kinds=listed(kinds),
                )
            )
    for route, name in routed.items():
        if route not in file.receivers:
            notes.append(
                _("notifier {name} gets no alerts: {path} has no receiver {route}", name=name, path=path, route=route)
            )
    return notes


class _FileReader(Struct):
    """Builds the parts from YAML nodes; errors go to the findings of ``nodes``."""

    nodes: PrometheusNodes
    receivers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    intervals: dict[str, tuple[TimePeriod, ...]] = field(default_factory=dict)

    def wrong(self, node: Node, at: KeyPath, what: str) -> None:
        self.nodes.findings.add(node.line, at, what)

    def file(self, node: Node, path: Path) -> AlertmanagerFile | None:
        """Return the whole file; None if it has no route."""
        top = self.nodes.fields(node, _TOP_FIELDS, ())
        for key in ("mute_time_intervals", "time_intervals"):
            for each in self.nodes.items(top.get(key), (key,)):
                self.interval(each, (key,))
        for each in self.nodes.items(top.get("receivers"), ("receivers",)):
            self.receiver(each)
        rules = self.nodes.items(top.get("inhibit_rules"), ("inhibit_rules",))
        inhibitions = tuple(self.inhibition(each, ("inhibit_rules", str(number))) for number, each in enumerate(rules))
        if "route" not in top:
            self.wrong(node, ("route",), _("this key is missing; add it"))
            return None
        root = self.route(top["route"], None, ("route",), "{}")
        unread = [
            f"{path}:{top[key].line}: " + _("{key}: has no effect in LilFox", key=key)
            for key in ("global", "templates", "tracing")
            if key in top
        ]
        return AlertmanagerFile(root, self.receivers, self.intervals, inhibitions, tuple(unread))

    def receiver(self, node: Node) -> None:
        name = self.nodes.named(node, "name")
        if not name or name in self.receivers:
            self.wrong(node, ("receivers",), _("a receiver needs a name of its own"))
        entries = self.nodes.entries(node, ("receivers", name))
        self.receivers[name] = tuple(
            key.text
            for key, value in entries
            if key.text.endswith("_configs")
            for _each in (value.items if isinstance(value, ListNode) else ())
        )

    def interval(self, node: Node, at: KeyPath) -> None:
        fields = self.nodes.fields(node, ("name", "time_intervals"), at)
        name = self.nodes.text(fields.get("name"), at)
        if not name or name in self.intervals:
            self.wrong(node, at, _("a time interval needs a name of its own"))
        periods = self.nodes.items(fields.get("time_intervals"), (*at, name))
        self.intervals[name] = tuple(self.period(each, (*at, name)) for each in periods)

    def period(self, node: Node, at: KeyPath) -> TimePeriod:
        fields = self.nodes.fields(node, _PERIOD_FIELDS, at)
        times = []
        for each in self.nodes.items(fields.get("times"), (*at, "times")):
            ends = self.nodes.fields(each, ("start_time", "end_time"), (*at, "times"))
            times.append((self.nodes.text(ends.get("start_time"), at), self.nodes.text(ends.get("end_time"), at)))
        words = {key: self.words(fields.get(key), (*at, key)) for key in _PERIOD_FIELDS[1:-1]}
        try:
            return time_period(times=times, location=self.nodes.text(fields.get("location"), at), **words)
        except ValueError as error:
            self.wrong(node, at, str(error))
            return TimePeriod()

    def words(self, node: Node | None, at: KeyPath) -> tuple[str, ...]:
        return tuple(self.nodes.text(each, at) for each in self.nodes.items(node, at))

    def matchers(self, fields: Fields, keys: tuple[str, str, str], at: KeyPath) -> tuple[SilenceMatcher, ...]:
        """Return the matchers of three keys: equal values, patterns, and matchers as text."""
        equal, pattern, written = keys
        for key, value in self.nodes.entries(fields.get(pattern), (*at, pattern)):
            if isinstance(value, ScalarNode) and is_null(value):
                self.wrong(key, (*at, pattern), _("expected a regular expression here"))
        texts, patterns = (self.nodes.texts(fields.get(key), (*at, key))[0] for key in (equal, pattern))
        found = [SilenceMatcher(name, value) for name, value in texts.items()]
        found += [SilenceMatcher(name, value, is_regex=True) for name, value in patterns.items()]
        for node in self.nodes.items(fields.get(written), (*at, written)):
            try:
                found += parse_matchers(self.nodes.text(node, (*at, written)))
            except LilFoxError as error:
                self.wrong(node, (*at, written), str(error))
        for matcher in found:
            try:
                matches_all((matcher,), ())
            except LilFoxError as error:
                self.wrong(fields.get(pattern) or next(iter(fields.values())), at, str(error))
        return tuple(sorted(found, key=lambda one: (one.name, one.value, one.is_regex, not one.is_equal)))

    def inhibition(self, node: Node, at: KeyPath) -> InhibitionRule:
        fields = self.nodes.fields(node, _INHIBIT_FIELDS, at)
        sides = [
            self.matchers(fields, (f"{side}_match", f"{side}_match_re", f"{side}_matchers"), at)
            for side in ("source", "target")
        ]
        return InhibitionRule(sides[0], sides[1], self.words(fields.get("equal"), (*at, "equal")))

    def route(self, node: Node, parent: AlertRoute | None, at: KeyPath, key: str) -> AlertRoute:
        """Return a route with those below it; what it does not say is as in ``parent``."""
        fields = self.nodes.fields(node, _ROUTE_FIELDS, at)
        matchers = self.matchers(fields, ("match", "match_re", "matchers"), at)
        if parent is not None:
            key += "/{" + ",".join(matcher_text(each) for each in matchers) + "}"
        elif matchers or "mute_time_intervals" in fields or "active_time_intervals" in fields or "continue" in fields:
            self.wrong(node, at, _("the root route takes all alerts at all times; move this into a route below it"))
        receiver = self.nodes.text(fields.get("receiver"), at) or ("" if parent is None else parent.receiver)
        if receiver not in self.receivers and (parent is None or "receiver" in fields):
            what = _("no receiver named {value}", value=quoted(receiver))
            self.wrong(fields.get("receiver") or node, at, f"{what}; {rather(receiver, self.receivers)}")
        made = AlertRoute(
            matchers,
            receiver,
            self.grouping(fields, _DEFAULTS if parent is None else parent.grouping, at, key),
            proceed=self.nodes.flag(fields.get("continue"), at, default=False),
        )
        below = self.nodes.items(fields.get("routes"), (*at, "routes"))
        routes = tuple(
            self.route(each, made, (*at, "routes", str(number)), key) for number, each in enumerate(below, 1)
        )
        return AlertRoute(made.matchers, made.receiver, made.grouping, made.proceed, routes)

    def grouping(self, fields: Fields, given: AlertGrouping, at: KeyPath, key: str) -> AlertGrouping:
        by: tuple[str, ...] | None = given.group_by
        if "group_by" in fields:
            by = self.words(fields["group_by"], (*at, "group_by"))
            if _ALL in by:
                by = None
        times = []
        for name, otherwise in (
            ("group_wait", given.wait_s),
            ("group_interval", given.interval_s),
            ("repeat_interval", given.remind_s or 0.0),
        ):
            found = self.nodes.duration_s(fields.get(name), (*at, name))
            if found == 0 and name != "group_wait":
                self.wrong(fields[name], (*at, name), _("must be longer than 0s"))
            times.append(otherwise if found is None else found)
        named = [self.words(fields.get(word), (*at, word)) for word in ("mute_time_intervals", "active_time_intervals")]
        for name in (*named[0], *named[1]):
            if name not in self.intervals:
                what = _("no time interval named {value}", value=quoted(name))
                self.wrong(next(iter(fields.values())), at, f"{what}; {rather(name, self.intervals)}")
        known = [tuple(name for name in names if name in self.intervals) for names in named]
        return AlertGrouping(key, by, times[0], times[1], times[2], known[0], known[1])


def matcher_text(matcher: SilenceMatcher) -> str:
    """Return a matcher as in Alertmanager's group keys: ``severity="page"``."""
    sign = ("=~" if matcher.is_equal else "!~") if matcher.is_regex else ("=" if matcher.is_equal else "!=")
    return f"{matcher.name}{sign}{go_quoted(matcher.value)}"
