"""Reads the configuration of an Alertmanager: its routes, time intervals, inhibition rules and receivers.

https://prometheus.io/docs/alerting/latest/configuration/"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

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
from lilfox_tui.config.model import Config, NotifierConfig
from lilfox_tui.config.values import SecretRef, TemplateText
from lilfox_tui.config.yaml_nodes import Findings, KeyPath, ListNode, MapNode, Node, ScalarNode, parse, quoted, rather
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.plugins import NOTIFIERS
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


class FileIntegration(Struct, frozen=True):
    """One of the integrations of a receiver: ``section`` is ``slack_configs``, ``given`` what stands there."""

    receiver: str
    section: str
    line: int
    given: Mapping[str, Any]


class AlertmanagerFile(Struct, frozen=True):
    """What LilFox uses of the file. ``receivers`` has the integrations of each receiver (``slack_configs``); ``unread``
    says what of the file has no effect here. ``shared`` is the section ``global``."""

    root: AlertRoute
    receivers: Mapping[str, tuple[str, ...]]
    intervals: Mapping[str, tuple[TimePeriod, ...]]
    inhibitions: tuple[InhibitionRule, ...] = ()
    unread: tuple[str, ...] = ()
    integrations: tuple[FileIntegration, ...] = ()
    shared: Mapping[str, Any] = {}
    templates: tuple[str, ...] = ()


def read_alertmanager(path: Path, *, takes_receivers: bool = False) -> AlertmanagerFile:
    """Read the file, of which the receivers are used if it ``takes_receivers``. Blocks. Raises ConfigError with
    everything that Alertmanager would reject in it."""
    findings = Findings(str(path))
    node = parse(read_text(path, trusted=True), findings, DIALECT)
    reading = _FileReader(PrometheusNodes(findings), takes_receivers)
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


def with_file_receivers(config: Config) -> Config:
    """Return the configuration with the receivers of its ``alertmanager_config`` as notifiers, where it asks for them.
    Blocks. Raises LilFoxError."""
    taken, _lost = file_receivers(config)
    return replace(config, notifiers={**config.notifiers, **taken}) if taken else config


def check_notifications(config: Config) -> list[str]:
    """Return what of the notifiers and of ``alertmanager_config`` has no effect. Blocks. Raises LilFoxError if matchers
    or that file are invalid."""
    taken, lost = file_receivers(config)
    config = replace(config, notifiers={**config.notifiers, **taken})
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
    file = read_alertmanager(path, takes_receivers=config.alertmanager_receivers)
    notes += [*file.unread, *lost]
    for name, kinds in file.receivers.items():
        if kinds and name not in routed and not config.alertmanager_receivers:
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


# Receivers of the file as notifiers.


_DEFAULT_TEMPLATE = re.compile(r"\s*\{\{-? *template \"[a-z]+\.default\.[a-z]+\" \. *-?\}\}\s*")
_COMMON = ("send_resolved", "http_config", "timeout")


def _plain(node: Node) -> Any:
    """Return what a node holds as dicts, lists and texts."""
    if isinstance(node, MapNode):
        return {key.text: _plain(value) for key, value in node.entries}
    if isinstance(node, ListNode):
        return [_plain(each) for each in node.items]
    return "" if is_null(node) else node.text


class _Given:
    """The keys of one integration. ``problems`` are what makes it unusable."""

    def __init__(self, given: Mapping[str, Any], shared: Mapping[str, Any], base: Path) -> None:
        self._given, self._shared, self._base = given, shared, base
        self.used = {*_COMMON}
        self.problems: list[str] = []

    def text(self, key: str, shared: str = "", *, needed: bool = True) -> str:
        """Return a text, else the one that ``global`` has under ``shared``."""
        self.used.add(key)
        found = self._given.get(key) or (self._shared.get(shared) if shared else None)
        if not isinstance(found, str) and found is not None:
            self.problems.append(_("{key}: expected text here; put it in quotes", key=key))
        elif not found and needed:
            self.problems.append(_("{key}: this key is missing; add it", key=key))
        return found if isinstance(found, str) else ""

    def secret(self, key: str, shared: str = "", *, needed: bool = True) -> SecretRef | None:
        """Return a reference to the file that ``KEY_file`` names; the file of Alertmanager may hold none itself."""
        self.used |= {key, f"{key}_file"}
        for given, name in ((self._given, key), (self._shared, shared)):
            if name and (place := given.get(f"{name}_file")):
                return SecretRef(f"file:{self._base / str(place)}")
            if name and given.get(name):
                self.problems.append(_("{key}: LilFox reads no secret from this file; use {key}_file", key=name))
                return None
        if needed:
            self.problems.append(_("{key}_file: this key is missing; add it", key=key))
        return None

    def flag(self, key: str, default: bool) -> bool:
        """Return a boolean."""
        self.used.add(key)
        word = str(self._given.get(key, "")).lower()
        return default if not word else word in ("true", "yes", "on")

    def template(self, *keys: str) -> TemplateText:
        """Return the first template that is not one of Alertmanager's own."""
        self.used |= {*keys}
        for key in keys:
            text = self._given.get(key)
            if isinstance(text, str) and text and not _DEFAULT_TEMPLATE.fullmatch(text):
                return TemplateText(text)
        return TemplateText("")

    def text_map(self, key: str) -> dict[str, Any]:
        """Return a mapping; empty if there is none."""
        self.used.add(key)
        found = self._given.get(key)
        return found if isinstance(found, dict) else {}

    def unused(self) -> list[str]:
        """Return the keys that have no effect."""
        return sorted(self._given.keys() - self.used)

    def http(self) -> dict[str, Any]:
        """Return the options of the connection."""
        given = self._given.get("http_config") or self._shared.get("http_config") or {}
        inner = _Given(given, {}, self._base) if isinstance(given, dict) else _Given({}, {}, self._base)
        tls = given.get("tls_config") if isinstance(given, dict) else None
        found: dict[str, Any] = {}
        inner.used |= {"tls_config", "follow_redirects"}
        if isinstance(tls, dict):
            if tls.get("ca_file"):
                found["ca"] = str(self._base / str(tls["ca_file"]))
            found["verify_tls"] = str(tls.get("insecure_skip_verify", "")).lower() != "true"
            self.problems += [
                f"http_config: tls_config: {key}" for key in tls.keys() - {"ca_file", "insecure_skip_verify"}
            ]
        self.problems += [_("http_config: {key} is not supported", key=key) for key in inner.unused()]
        return found


_Made = tuple[str, bool, dict[str, Any]]
"""A kind, whether the end is told when nothing is said, and its options."""


def _slack(given: _Given) -> _Made:
    given.used |= {"channel", "username"}
    return "slack", False, {
        "url": given.secret("api_url", "slack_api_url"), "title": given.template("title", "pretext"),
        "message": given.template("text"), **given.http(),
    }  # fmt: skip


def _telegram(given: _Given) -> _Made:
    chat, thread = given.text("chat_id"), given.text("message_thread_id", needed=False)
    url = given.text("api_url", "telegram_api_url", needed=False)
    given.used.add("parse_mode")
    return "telegram", True, {
        "token": given.secret("bot_token", "telegram_bot_token"), "chat": chat,
        "silent": given.flag("disable_notifications", False), "message": given.template("message"),
        **({"thread": int(thread)} if thread.isdigit() else {}), **({"url": url} if url else {}), **given.http(),
    }  # fmt: skip


def _pagerduty(given: _Given) -> _Made:
    url = given.text("url", "pagerduty_url", needed=False).removesuffix("/").removesuffix("/v2/enqueue")
    return "pagerduty", True, {
        "routing_key": given.secret("routing_key"), "title": given.template("description"),
        **({"url": url} if url else {}), **given.http(),
    }  # fmt: skip


def _webhook(given: _Given) -> _Made:
    url: str | None = given.text("url", needed=False)
    if not url or "@" in url:
        url = given.secret("url")
    given.used |= {"max_alerts"}
    return "webhook", True, {"url": url, **given.http()}


def _teams(given: _Given) -> _Made:
    options = {"url": given.secret("webhook_url"), "title": given.template("title"), "message": given.template("text")}
    return "teams", True, options | given.http()


def _mail(given: _Given) -> _Made:
    server, _colon, port = given.text("smarthost", "smtp_smarthost").rpartition(":")
    user = given.text("auth_username", "smtp_auth_username", needed=False)
    tls = "implicit" if port == "465" else "starttls" if given.flag("require_tls", True) else "none"
    given.used |= {"hello", "html", "auth_identity"}
    headers = given.text_map("headers")
    return "smtp", False, {
        "server": server, "port": int(port) if port.isdigit() else None, "tls": tls, "user": user or None,
        "password": given.secret("auth_password", "smtp_auth_password") if user else None,
        "from_": given.text("from", "smtp_from"), "title": _Given(headers, {}, Path()).template("Subject", "subject"),
        "to": tuple(each.strip() for each in given.text("to").split(",")), "message": given.template("text"),
    }  # fmt: skip


_KINDS: Mapping[str, Callable[[_Given], _Made]] = {
    "slack_configs": _slack,
    "telegram_configs": _telegram,
    "pagerduty_configs": _pagerduty,
    "webhook_configs": _webhook,
    "msteamsv2_configs": _teams,
    "email_configs": _mail,
}


def file_receivers(config: Config) -> tuple[dict[str, NotifierConfig], list[str]]:
    """Return the receivers of ``alertmanager_config`` as notifiers, where the configuration asks for them and has none
    that stands for them; and sentences about what was not taken. Blocks. Raises LilFoxError."""
    if config.alertmanager_config is None or not config.alertmanager_receivers:
        return {}, []
    path = Path(config.alertmanager_config)
    file = read_alertmanager(path, takes_receivers=True)
    own = {options.receiver or name for name, options in config.notifiers.items() if options.kind not in _NOT_ROUTED}
    defined = _definitions(file.templates)
    found: dict[str, NotifierConfig] = {}
    lost: list[str] = []
    for one in file.integrations:
        if one.receiver in own:
            continue
        place = f"{path}:{one.line}: " + _("receiver {name}: {section}", name=one.receiver, section=one.section)
        if one.section not in _KINDS:
            lost.append(f"{place}: " + _("LilFox has no such notifier; add another one under notifiers:"))
            continue
        given = _Given(one.given, file.shared, path.parent)
        kind, resolved, options = _KINDS[one.section](given)
        if given.problems:
            lost += (f"{place}: {what}" for what in given.problems)
            continue
        lost += (f"{place}: " + _("{key}: has no effect in LilFox", key=key) for key in given.unused())
        for key in ("title", "message"):
            if re.search(r"\btemplate\b", options.get(key, "")):
                options[key] = TemplateText(defined + options[key])
        given_resolved = given.flag("send_resolved", resolved)
        made = plugins.options_of(NOTIFIERS, kind)(kind=kind, receiver=one.receiver, resolved=given_resolved, **options)
        name = _free_name(f"{one.receiver}/{kind}", {*config.notifiers, *found})
        lost += (f"{place}: {what}" for _key, what in made.problems())
        if not list(made.problems()):
            found[name] = made
    return found, lost


def _free_name(name: str, taken: Collection[str]) -> str:
    return next(each for each in chain([name], (f"{name}/{number}" for number in count(2))) if each not in taken)


def _definitions(patterns: Iterable[str]) -> str:
    """Return the templates in the files. Raises ConfigError."""
    paths: set[Path] = set()
    for each in map(Path, patterns):
        paths.update(each.parent.glob(each.name) if "*" in each.name else [each])
    return "".join(read_text(path, trusted=True) for path in sorted(paths))


class _FileReader(Struct):
    """Builds the parts from YAML nodes; errors go to the findings of ``nodes``."""

    nodes: PrometheusNodes
    takes_receivers: bool = False
    receivers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    integrations: list[FileIntegration] = field(default_factory=list)
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
            for key in (("tracing",) if self.takes_receivers else ("global", "templates", "tracing"))
            if key in top
        ]
        shared = _plain(top["global"]) if "global" in top else {}
        templates = self.words(top.get("templates"), ("templates",))
        return AlertmanagerFile(
            root, self.receivers, self.intervals, inhibitions, tuple(unread), tuple(self.integrations),
            shared if isinstance(shared, dict) else {}, tuple(str(path.parent / each) for each in templates),
        )  # fmt: skip

    def receiver(self, node: Node) -> None:
        name = self.nodes.named(node, "name")
        if not name or name in self.receivers:
            self.wrong(node, ("receivers",), _("a receiver needs a name of its own"))
        entries = self.nodes.entries(node, ("receivers", name))
        for key, value in entries:
            for each in value.items if isinstance(value, ListNode) else ():
                given = _plain(each)
                if key.text.endswith("_configs") and isinstance(given, dict):
                    self.integrations.append(FileIntegration(name, key.text, each.line, given))
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
