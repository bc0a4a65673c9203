"""Checks of a configuration beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.convert import to_struct, to_whole_struct
from lilfox_tui.config.cron import read_cron
from lilfox_tui.config.foreign import PLANS_BY_KIND, WatchedPlan
from lilfox_tui.config.log_formats import LogFormatConfig, charset_problem, unknown_parts
from lilfox_tui.config.model import (
    AlertsConfig,
    ApiConfig,
    BackupConfig,
    Config,
    EncryptConfig,
    HostConfig,
    LogConfig,
    PlanConfig,
    RecoveryConfig,
    ScrapeConfig,
    ServiceConfig,
    StoreConfig,
    Threshold,
    depends_on_itself,
)
from lilfox_tui.config.probes import normalised, probe_problems, speaks_http
from lilfox_tui.config.suppression import MuteConfig, TimeIntervalConfig, TimePeriodConfig
from lilfox_tui.config.themes import theme_names
from lilfox_tui.config.values import SecretRef
from lilfox_tui.config.yaml_nodes import Findings, KeyPath, MapNode, Node, ScalarNode, quoted, rather
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.plugins import BACKENDS, COLLECTORS, LOG_FORMATS, LOG_SOURCES, NOTIFIERS
from lilfox_tui.core.time_intervals import TimePeriod, time_period

_SSH_KEYS = ("address", "user", "port", "identity", "password", "passphrase")
_SHORTEST_REFRESH_S = 0.1
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, token
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/@:\[\]]+)(?::\d{1,5})?")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]{0,254}")  # systemd.unit(5)
_SECRET_HEADER = re.compile(r"(?i)auth|cookie|token|secret|passw|api[-_]?key")


def is_place(address: str) -> bool:
    """Whether ``address`` is a valid ``HOST`` or ``HOST:PORT``."""
    try:
        return _PLACE.fullmatch(address) is not None and urlsplit(f"//{address}").port != 0
    except ValueError:  # a port or an IPv6 address that there is not
        return False


def _is_day(text: str) -> bool:
    with suppress(ValueError):
        return bool(date.fromisoformat(text))
    return False


def check(config: Config, host_names: Collection[str], findings: Findings) -> None:
    """Records inconsistencies in ``findings``. ``host_names``: all names, including those of invalid hosts."""
    if config.refresh < _SHORTEST_REFRESH_S:
        findings.add_at(("refresh",), _("shorter than 100ms, which only adds load on the hosts; write 1s or more"))
    themes = theme_names(config.theme_dirs)
    if config.theme not in themes:
        what = _("no theme named {value}", value=quoted(config.theme))
        findings.add_at(("theme",), f"{what}; {rather(config.theme, themes)}")
    _check_watched(config, host_names, findings)
    _check_log_formats(config.log_formats, findings)
    for name in ("prometheus", "alertmanager"):
        if (api := getattr(config, name)) is not None:
            _check_api(api, (name,), host_names, findings)
    for name, level in msgspec.structs.asdict(config.thresholds).items():
        if isinstance(level, Threshold):
            _check_threshold(level, ("thresholds", name), findings)
    if config.monitor.heartbeat_url is not None:
        _check_url(config.monitor.heartbeat_url, ("monitor", "heartbeat_url"), findings)
    _check_alerts(config.alerts, findings)
    if config.monitor.listen is not None:
        _check_listen(config.monitor.listen, ("monitor", "listen"), findings)


def _check_alerts(alerts: AlertsConfig, findings: Findings) -> None:
    if alerts.external_url:
        _check_url(alerts.external_url, ("alerts", "external_url"), findings)
    for label in (*alerts.group_by, *alerts.external_labels):
        if not _LABEL.fullmatch(label):
            key = "external_labels" if label in alerts.external_labels else "group_by"
            what = _("{name} is not a valid label name; use letters, digits and _", name=quoted(label))
            findings.add_at(("alerts", key), what)
    for path, what in _suppression_problems(alerts.time_intervals, alerts.mute):
        findings.add_at(("alerts", *path), what)


def _check_watched(config: Config, host_names: Collection[str], findings: Findings) -> None:
    for name, host in config.hosts.items():
        _check_host(host, ("hosts", name), findings)
        for number, other in enumerate(host.depends_on):
            check_host_name(other, ("hosts", name, "depends_on", str(number)), host_names, findings)
        if depends_on_itself(name, config.hosts):
            findings.add_at(("hosts", name, "depends_on"), _("the host depends on itself; remove one of the names"))
    for name, service in config.services.items():
        _check_service(service, ("services", name), host_names, findings)
        if service.lines is not None and service.lines.log not in config.logs:
            what = _("no log named {value}", value=quoted(service.lines.log))
            findings.add_at(("services", name, "lines", "log"), f"{what}; {rather(service.lines.log, config.logs)}")
        others = {*config.services, *config.backends, *host_names} - {name}
        findings.add_unknown(service.depends_on, ("services", name, "depends_on"), others)
    for name, scrape in config.scrape.items():
        _check_scrape(scrape, ("scrape", name), host_names, findings)
    _check_audit(config.audit, config.services, host_names, findings)
    for name, cluster in config.clusters.items():
        check_host_name(cluster.from_, ("clusters", name, "from"), host_names, findings)
        if cluster.every < 1:
            findings.add_at(("clusters", name, "every"), _("shorter than 1s, which only adds load; write 5s or more"))
    for name, unit in config.recovery.items():
        _check_recovery(unit, ("recovery", name), config, host_names, findings)
    for at, place in enumerate(config.runbooks.never_ban, 1):
        if not _is_network(place):
            what = _("{value} is not an address or a range; write 203.0.113.7 or 203.0.113.0/24", value=quoted(place))
            findings.add_at(("runbooks", "never_ban", str(at)), what)


def _check_audit(
    audit: AuditConfig, services: Collection[str], host_names: Collection[str], findings: Findings
) -> None:
    if audit.every is not None and audit.every < 60:
        findings.add_at(("audit", "every"), _("shorter than 1m, which only adds load on the hosts; write 1h or more"))
    for number in (at for at, accepted in enumerate(audit.accept) if not _is_day(accepted.until)):
        findings.add_at(("audit", "accept", str(number), "until"), _("there is no such day"))
    for name in sorted(audit.services.keys() - set(services)):
        findings.add_at(("audit", "services", name), _("no service named {value}", value=quoted(name)))
    for name, cluster in audit.clusters.items():
        check_host_name(cluster.host, ("audit", "clusters", name, "host"), host_names, findings)
    for key, places in (("folders", audit.folders), ("repositories", audit.repositories)):
        for number, place in enumerate(places):
            named = place.partition("/")[0].removesuffix(":") or None
            check_host_name(named, ("audit", key, str(number)), host_names, findings)


def _check_host(host: HostConfig, path: KeyPath, findings: Findings) -> None:
    _check_labels(host.series, (*path, "series"), findings)
    if not host.local:
        return
    for key in _SSH_KEYS:
        if getattr(host, key) is not None:
            what = _("this host is local, so LilFox does not connect to it; remove the key or local: true")
            findings.add_at((*path, key), what)


def _check_service(service: ServiceConfig, path: KeyPath, host_names: Collection[str], findings: Findings) -> None:
    if not speaks_http(service):
        for key, what in probe_problems(path[-1], service):
            findings.add_at((*path, key), what)
        if service.tcp is not None and (not is_place(service.tcp) or urlsplit(f"//{service.tcp}").port is None):
            what = _("{value} is not a valid address; write HOST:PORT", value=quoted(service.tcp))
            findings.add_at((*path, "tcp"), what)
    elif not service.url:
        findings.add_at((*path, "url"), _("this key is missing; add it"))
    else:
        _check_url(service.url, (*path, "url"), findings)
        if not service.health.startswith("/"):
            findings.add_at((*path, "health"), _("the path must start with /; write /health"))
    check_host_name(service.from_, (*path, "from"), host_names, findings)
    if not service.expect:
        findings.add_at((*path, "expect"), _("no status counts as good; write [200]"))
    _check_headers(service.headers, path, findings)
    _check_labels(service.series, (*path, "series"), findings)
    if service.server_errors_percent is not None:
        _check_threshold(service.server_errors_percent, (*path, "server_errors_percent"), findings)


def services_with_addresses(
    services: Mapping[str, ServiceConfig], logs: Mapping[str, LogConfig]
) -> dict[str, ServiceConfig]:
    """The services, each with the ``url`` by which it is shown, also without HTTP."""
    return normalised(services, logs)


def _check_recovery(
    unit: RecoveryConfig, path: KeyPath, config: Config, host_names: Collection[str], findings: Findings
) -> None:
    check_host_name(unit.host, (*path, "host"), host_names, findings)
    if unit.service is not None and unit.service not in config.services:
        what = _("no service named {value}", value=quoted(unit.service))
        findings.add_at((*path, "service"), f"{what}; {rather(unit.service, config.services)}")
    if bool(unit.unit) == bool(unit.container):
        findings.add_at(path, _("name either a unit or a container"))
    elif unit.unit and not _UNIT.fullmatch(unit.unit):
        what = _(
            "{value} is not a systemd unit name; write one such as lilfox-backend.service", value=quoted(unit.unit)
        )
        findings.add_at((*path, "unit"), what)


def _is_network(place: str) -> bool:
    with suppress(ValueError):
        return bool(ip_network(place, strict=False))
    return False


def _check_scrape(scrape: ScrapeConfig, path: KeyPath, host_names: Collection[str], findings: Findings) -> None:
    for at, target in enumerate(scrape.targets, 1):
        if not is_place(target):
            what = _("{value} is not a valid address; use HOST:PORT, without http:// or a path", value=quoted(target))
            findings.add_at((*path, "targets", str(at)), what)
    if not scrape.path.startswith("/"):
        findings.add_at((*path, "path"), _("the path must start with /; write /metrics"))
    if not 0 < scrape.timeout <= scrape.every:
        findings.add_at((*path, "timeout"), _("must be longer than zero and not longer than every"))
    _check_labels(scrape.labels, (*path, "labels"), findings)
    if scrape.user is not None and scrape.bearer is not None:
        findings.add_at((*path, "bearer"), _("use only one of {names}", names="user, bearer"))
    for at, pattern in enumerate(scrape.drop, 1):
        _check_pattern(pattern, (*path, "drop", str(at)), findings)
    check_host_name(scrape.from_, (*path, "from"), host_names, findings)
    _check_headers(scrape.headers, path, findings)


def _check_labels(labels: Collection[str], path: KeyPath, findings: Findings) -> None:
    for name in labels:
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            what = _(
                "{name} cannot be used as a label name; use letters, digits and _, and do not start with __",
                name=quoted(name),
            )
            findings.add_at((*path, name), what)


def _check_pattern(pattern: str, path: KeyPath, findings: Findings) -> None:
    import re2  # only where a pattern stands in the file

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError):
        what = _("{value} is not a valid RE2 regular expression; write one such as go_.*", value=quoted(pattern))
        findings.add_at(path, what)


def _check_api(api: ApiConfig, path: KeyPath, host_names: Collection[str], findings: Findings) -> None:
    _check_url(api.url, (*path, "url"), findings)
    if api.user is not None and api.bearer is not None:
        findings.add_at((*path, "bearer"), _("use only one of {names}", names="user, bearer"))
    if api.password is not None and api.user is None:
        findings.add_at((*path, "password"), _("password needs a user; add user"))
    check_host_name(api.from_, (*path, "from"), host_names, findings)
    _check_headers(api.headers, path, findings)


def check_host_name(name: str | None, path: KeyPath, host_names: Collection[str], findings: Findings) -> None:
    if name is not None and name not in host_names:
        what = _("no host named {value}", value=quoted(name))
        findings.add_at(path, f"{what}; {rather(name, host_names)}")


def _check_headers(headers: Mapping[str, str], path: KeyPath, findings: Findings) -> None:
    for name, value in headers.items():
        here = (*path, "headers", name)
        if not _HEADER.fullmatch(name):
            findings.add_at(here, _("not a header name (RFC 9110); use letters, digits and -"))
        elif _SECRET_HEADER.search(name) and not isinstance(value, SecretRef):
            what = _("this header holds a secret, which must not be in this file; write env:NAME or file:PATH")
            findings.add_at(here, what)


def _check_url(url: str, path: KeyPath, findings: Findings) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        findings.add_at(path, _("not an address; write http://HOST:PORT or https://HOST:PORT"))
        return
    if "@" in parts.netloc:
        what = _("the address contains a user or password; use headers: with a reference such as env:NAME")
        findings.add_at(path, what)
    elif not usable or any(char.isspace() for char in url):
        findings.add_at(path, _("not an address; write http://HOST:PORT or https://HOST:PORT"))


def _check_listen(address: str, path: KeyPath, findings: Findings) -> None:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        value = quoted(address)
        what = _("{value} is not a listen address; write ADDRESS:PORT, such as 127.0.0.1:9464", value=value)
        findings.add_at(path, what)


def _check_threshold(level: Threshold, path: KeyPath, findings: Findings) -> None:
    if level.warn is not None and level.fail is not None and level.warn > level.fail:
        what = _(
            "warn {warn:g} is above fail {fail:g}; lower warn, or switch it off with null",
            warn=level.warn,
            fail=level.fail,
        )
        findings.add_at(path, what)


def collector_options(nodes: Mapping[str, Node], findings: Findings) -> dict[str, Any]:
    """Kind → its Options, or False if it is switched off. Imports the kinds used."""
    options: dict[str, Any] = {}
    for kind, node in nodes.items():
        path: KeyPath = ("collectors", kind)
        known = plugins.kinds(COLLECTORS)
        if kind not in known:
            what = _("no such collector")
            findings.add_at(path, f"{what}; {rather(kind, known)}")
        elif isinstance(node, ScalarNode) and node.plain and node.text.lower() in ("true", "false"):
            options[kind] = plugins.options_of(COLLECTORS, kind)() if node.text.lower() == "true" else False
        else:
            options[kind] = to_struct(plugins.options_of(COLLECTORS, kind), node, findings, path)
    return options


def log_options(
    nodes: Mapping[str, Node], host_names: Collection[str], findings: Findings, defined: Collection[str] = ()
) -> dict[str, Any]:
    """Name → the Options of its kind. Imports the kinds used."""
    unknown = _("no such kind of log source")
    options = _http_options("logs", nodes, LOG_SOURCES, unknown, findings, default=LogConfig().kind)
    for name, made in options.items():
        _check_log(made, ("logs", name), host_names, findings, defined)
    return options


def _http_options(
    section: str, nodes: Mapping[str, Node], package: str, unknown: str, findings: Findings, *, default: str = ""
) -> dict[str, Any]:
    """As ``options_by_name``, with the checks for ``url`` and ``headers``, which mean the same in every kind."""
    options = options_by_name((section,), nodes, package, unknown, findings, default=default)
    for name, made in options.items():
        url = getattr(made, "url", None)
        if isinstance(url, str) and not isinstance(url, SecretRef):
            _check_url(url, (section, name, "url"), findings)
        _check_headers(getattr(made, "headers", {}), (section, name), findings)
    return options


def options_by_name(
    section: KeyPath, nodes: Mapping[str, Node], package: str, unknown: str, findings: Findings, *, default: str = ""
) -> dict[str, Any]:
    """Name → the Options of the plug-in in ``package`` that its ``kind`` names; ``unknown`` is the error for an unknown
    kind."""
    options: dict[str, Any] = {}
    for name, node in nodes.items():
        path = (*section, name)
        kind = _kind(node, default)
        known = plugins.kinds(package)
        if kind not in known:
            findings.add_at((*path, "kind"), f"{unknown}; {rather(kind, known)}")
            continue
        made = to_whole_struct(plugins.options_of(package, kind), node, findings, path)
        if made is not None:
            options[name] = made
    return options


def _kind(node: Node, default: str) -> str:
    entries = node.entries if isinstance(node, MapNode) else ()
    written = next((value for key, value in entries if key.text == "kind"), None)
    return written.text if isinstance(written, ScalarNode) else default


def _check_log_formats(formats: Mapping[str, LogFormatConfig], findings: Findings) -> None:
    kinds = plugins.kinds(LOG_FORMATS) if formats else ()
    for name, each in formats.items():
        path = ("log_formats", name)
        if name in kinds:
            findings.add_at(path, _("a kind of format has this name already; choose another"))
        if bool(each.pattern) == bool(each.lnav):
            findings.add_at(path, _("needs either pattern or lnav"))
        elif each.pattern and not re.search(r"\(\?P?<(?:time|level|message)>", each.pattern):
            what = _("has none of the groups {names}; write one such as (?P<message>.*)", names="time, level, message")
            findings.add_at((*path, "pattern"), what)
        elif each.pattern:
            _check_pattern(each.pattern, (*path, "pattern"), findings)


def _check_log(
    log: LogConfig, path: KeyPath, host_names: Collection[str], findings: Findings, defined: Collection[str]
) -> None:
    check_host_name(log.host, (*path, "host"), host_names, findings)
    formats = (*defined, *plugins.kinds(LOG_FORMATS))
    what = _("no such format")
    for name in unknown_parts(log.format, formats):
        findings.add_at((*path, "format"), f"{what}; {rather(name, formats)}")
    _check_zone(log.zone, (*path, "zone"), findings)
    if problem := charset_problem(getattr(log, "charset", "")):
        findings.add_at((*path, "charset"), problem)


def _check_zone(zone: str, path: KeyPath, findings: Findings) -> None:
    if not zone:
        return
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        what = _("no time zone named {value}", value=quoted(zone))
        findings.add_at(path, f"{what}; {rather(zone, available_timezones())}")


def notifier_options(nodes: Mapping[str, Node], findings: Findings) -> dict[str, Any]:
    """Name → the Options of its kind. Imports the kinds used."""
    options = _http_options("notifiers", nodes, NOTIFIERS, _("no such kind of notifier"), findings)
    for name, made in options.items():
        for key, what in made.problems():
            findings.add_at(("notifiers", name, *key), what)
    return options


def backend_options(nodes: Mapping[str, Node], host_names: Collection[str], findings: Findings) -> dict[str, Any]:
    """Name → the Options of its kind. Imports the kinds used."""
    options = _http_options("backends", nodes, BACKENDS, _("no such kind of backend"), findings)
    for name, made in options.items():
        path: KeyPath = ("backends", name)
        check_host_name(made.host, (*path, "host"), host_names, findings)
        for key, limit in ((field.name, getattr(made, field.name)) for field in msgspec.structs.fields(made)):
            if isinstance(limit, Threshold):
                _check_threshold(limit, (*path, key), findings)
    return options


# The second look at ``backup``: the Options of its stores and sources, and what does not fit together.


SOURCES = "lilfox_tui.backup.sources"
STORES = "lilfox_tui.backup.stores"


def with_backup_options(config: BackupConfig, host_names: Collection[str], findings: Findings) -> BackupConfig:
    """``config`` with the Options of each kind in place of YAML nodes. Imports the kinds used."""
    section: KeyPath = ("backup", "stores")
    unknown = _("no such kind of store")
    stores = options_by_name(section, config.stores, STORES, unknown, findings, default=StoreConfig().kind)
    for name, made in stores.items():
        _check_place(made, (*section, name), host_names, findings)
    plans: dict[str, PlanConfig | WatchedPlan] = {}
    for name, node in config.plans.items():
        path: KeyPath = ("backup", "plans", name)
        if (watched := PLANS_BY_KIND.get(_kind(node, ""))) is not None:
            if (found := to_whole_struct(watched, node, findings, path)) is not None:
                plans[name] = found
        elif (plan := to_whole_struct(PlanConfig, node, findings, path)) is not None:
            plans[name] = _checked_plan(plan, path, config.stores, host_names, findings)
    _check_foreign(plans, host_names, findings)
    return BackupConfig(stores=stores, plans=plans, signing=config.signing)


def _checked_plan(
    plan: PlanConfig, path: KeyPath, stores: Mapping[str, Any], host_names: Collection[str], findings: Findings
) -> PlanConfig:
    unknown = _("no such kind of source")
    sources = options_by_name((*path, "sources"), plan.sources, SOURCES, unknown, findings)
    for name, made in sources.items():
        _check_place(made, (*path, "sources", name), host_names, findings)
    if not plan.sources:
        findings.add_at((*path, "sources"), _("nothing to back up; add a source"))
    _check_stores(plan, path, stores, findings)
    _check_schedule(plan, path, findings)
    if plan.keep is not None and not any(msgspec.structs.astuple(msgspec.structs.replace(plan.keep, tagged=None))):
        findings.add_at((*path, "keep"), _("keep sets no retention; write last: 7, or remove keep to keep all"))
    if plan.encrypt is not None:
        _check_encrypt(plan, plan.encrypt, path, findings)
    return msgspec.structs.replace(plan, sources=sources)


def _check_foreign(plans: Mapping[str, Any], host_names: Collection[str], findings: Findings) -> None:
    seen: dict[str, str] = {}
    for name, plan in plans.items():
        if not isinstance(plan, WatchedPlan):
            continue
        path: KeyPath = ("backup", "plans", name)
        _check_place(plan, path, host_names, findings)
        _check_schedule(plan, path, findings)
        for key, what in plan.problems():
            findings.add_at((*path, key), what)
        if plan.place in seen:
            findings.add_at(path, _("plan {name} already watches it", name=seen[plan.place]))
        seen.setdefault(plan.place, name)


def _check_place(made: Any, path: KeyPath, host_names: Collection[str], findings: Findings) -> None:
    """Checks ``host``, ``path`` and ``url``, which mean the same in every kind that has them."""
    check_host_name(getattr(made, "host", None), (*path, "host"), host_names, findings)
    folder = getattr(made, "path", None)
    if isinstance(folder, str) and not folder.startswith("/"):
        what = _(
            "{value} is not an absolute path; write one, because cron runs in a different directory",
            value=quoted(folder),
        )
        findings.add_at((*path, "path"), what)
    if _holds_password(getattr(made, "url", "")):
        what = _("the address contains a password; remove it and set password: env:NAME or file:PATH")
        findings.add_at((*path, "url"), what)


def _holds_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:  # what opens it says what is wrong
        return "@" in url


def _check_stores(plan: PlanConfig, path: KeyPath, stores: Mapping[str, Any], findings: Findings) -> None:
    wanted = [("store", plan.store, (*path, "store"))]
    wanted += [("copies", name, (*path, "copies", str(at))) for at, name in enumerate(plan.copies, 1)]
    seen: set[str] = set()
    for _key, name, here in wanted:
        if name not in stores:
            what = _("no store named {value}", value=quoted(name))
            findings.add_at(here, f"{what}; {rather(name, stores)}")
        elif name in seen:
            findings.add_at(here, _("{value} is listed twice; a copy needs a different store", value=quoted(name)))
        seen.add(name)


def _check_schedule(plan: PlanConfig | WatchedPlan, path: KeyPath, findings: Findings) -> None:
    if plan.schedule is None:
        if plan.late_after is not None:
            findings.add_at((*path, "late_after"), _("late_after needs a schedule; add schedule: 0 2 * * *"))
        return
    try:
        read_cron(plan.schedule)
    except UsageError as error:
        findings.add_at((*path, "schedule"), f"{error.message}; {error.hint}")


def _check_encrypt(plan: PlanConfig, encrypt: EncryptConfig, path: KeyPath, findings: Findings) -> None:
    from pyrage import RecipientError, x25519  # only where something is encrypted

    for at, recipient in enumerate(encrypt.recipients, 1):
        try:
            x25519.Recipient.from_str(recipient)
        except RecipientError:
            what = _("{value} is not an age public key; age-keygen prints one: age1…", value=quoted(recipient))
            findings.add_at((*path, "encrypt", "recipients", str(at)), what)
    if plan.format == "manual":
        what = _("the restore.sh of format: manual cannot read encrypted sets; remove encrypt, or change format")
        findings.add_at((*path, "encrypt"), what)
    if plan.drill and encrypt.identity is None:
        what = _("a drill needs the private key: add identity: file:PATH, or remove drill")
        findings.add_at((*path, "encrypt", "identity"), what)


def period_of(config: TimePeriodConfig) -> TimePeriod:
    """Return a recurring period. Raises ValueError with a sentence for people."""
    return time_period(
        times=[(each.start_time, each.end_time) for each in config.times],
        weekdays=config.weekdays,
        days_of_month=config.days_of_month,
        months=config.months,
        years=config.years,
        location=config.location,
    )


def _suppression_problems(
    intervals: tuple[TimeIntervalConfig, ...], mutes: tuple[MuteConfig, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong: the path of the key below ``alerts``, and a sentence."""
    names = [each.name for each in intervals]
    for number, interval in enumerate(intervals, 1):
        at = ("time_intervals", str(number))
        if interval.name in names[: number - 1]:
            yield (*at, "name"), _("there is another one of this name; rename one of them")
        for place, period in enumerate(interval.time_intervals, 1):
            try:
                period_of(period)
            except ValueError as error:
                yield (*at, "time_intervals", str(place)), str(error)
    for number, mute in enumerate(mutes, 1):
        for name in mute.intervals:
            if name not in names:
                what = _("no time interval named {value}", value=quoted(name))
                yield ("mute", str(number), "intervals"), f"{what}; {rather(name, names)}"
