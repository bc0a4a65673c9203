"""What stands on which host, by the configuration: while a host is down, alerts about what stands on it are silenced.

A host is down while an alert is pending or firing that says so, as that of ``host_rules.yml`` does. If that alert ends
without having fired, nothing was told, and what it silenced is told. So no alert is lost: each that is silenced has one
about a host that is told, or will be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from lilfox_tui.alerts.model import HOST_DOWN, INHIBITED, Alert, RuleView
from lilfox_tui.config.model import Config, ServiceConfig
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.query import cached_parse
from lilfox_tui.promql.tree import BinaryOperation, FunctionApplication, Node, NumberLiteral, Selector
from lilfox_tui.scrape.labels import NAME, quoted

HOST_RULES = Path(__file__).with_name("host_rules.yml")
_REACHABLE = "lilfox_host_reachable"
_UP = ("lilfox_host_up", _REACHABLE)
_OVER_TIME = ("max_over_time", "last_over_time")
"""Functions that give 0 only while the newest value is 0."""
_NAMES = ("service", "job", "backend", "log", "cluster")
"""Labels that name something of the configuration."""


class HostDependencies(Struct, frozen=True):
    """``parents`` has each host that may be down, with those that it depends on itself; ``stands_on`` by label and name
    the hosts of services, backends, logs and scrape jobs; ``addresses`` the host of each address."""

    parents: Mapping[str, tuple[str, ...]] = {}
    stands_on: Mapping[tuple[str, str], tuple[str, ...]] = {}
    addresses: Mapping[str, str] = {}

    def hosts_of(self, labels: Labels) -> frozenset[str]:
        """Return the hosts that the subject of an alert stands on, with those that these depend on."""
        found: list[str] = []
        for name, value in labels:
            if name == "host" and value in self.parents:
                found.append(value)
            elif name == "instance" and (host := self.addresses.get(host_part(value))) is not None:
                found.append(host)
            elif name in _NAMES:
                found += self.stands_on.get((name, value), ())
        return self.with_parents(found)

    def with_parents(self, hosts: Iterable[str]) -> frozenset[str]:
        """Return the hosts and all that they depend on."""
        return _closure(hosts, self.parents)

    def suppressed(
        self, alerts: Sequence[Alert], rules: Iterable[RuleView], not_told: Collection[Labels]
    ) -> dict[Labels, tuple[str, ...]]:
        """Return by what each alert is silenced that stands on a host that is down; none of them may be resolved. Those
        in ``not_told`` are silenced by the configuration already: they do not make a host down."""
        saying = {rule.key: rule for rule in rules if rule.kind == "alert" and says_host_down(rule.expression)}
        about = {
            alert.labels: (host, saying[alert.rule])
            for alert in alerts
            if alert.rule in saying and (host := alert.label("host")) in self.parents
        }
        telling = {labels: said for labels, said in about.items() if labels not in not_told}
        down = {host for host, rule in telling.values() if says_host_down(rule.expression) == _REACHABLE}
        if not down:
            return {}
        told_by = {host: labels for labels, (host, rule) in telling.items() if not _is_own(rule)}
        found: dict[Labels, tuple[str, ...]] = {}
        for alert in alerts:
            host, rule = about.get(alert.labels, ("", None))
            below = self.with_parents([host]) - {host} if host else self.hosts_of(alert.labels)
            if causes := self._topmost(below & down, down):
                found[alert.labels] = tuple(HOST_DOWN + cause for cause in causes)
            elif rule is not None and _is_own(rule) and host in told_by:
                found[alert.labels] = (INHIBITED + source_text(told_by[host]),)
        return found

    def _topmost(self, hosts: Iterable[str], down: set[str]) -> list[str]:
        """Return those that depend on none that is down."""
        return sorted(host for host in hosts if not (self.with_parents([host]) - {host}) & down)


def source_text(labels: Labels) -> str:
    """Return the name and the other labels of an alert: ``NodeDown{instance="a:1"}``."""
    inner = ", ".join(f"{name}={quoted(value)}" for name, value in labels if name != "alertname")
    name = dict(labels).get("alertname", "")
    return f"{name}{{{inner}}}" if inner else name


def _closure(names: Iterable[str], below: Mapping[str, Iterable[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += below.get(name, ())
    return frozenset(found)


def _is_own(rule: RuleView) -> bool:
    return Path(rule.key.partition(";")[0]).name == HOST_RULES.name and rule.group == "lilfox_hosts"


# Rules that say that a host is down.


@lru_cache(maxsize=4096)
def says_host_down(expression: str) -> str:
    """Return the series by which an alert with that expression says that the host in its label ``host`` is down; empty
    if it does not say so."""
    if not any(name in expression for name in _UP):
        return ""
    try:
        tree = cached_parse(expression).tree
    except LilFoxError:
        return ""
    while isinstance(tree, BinaryOperation) and tree.op in ("and", "unless"):
        tree = tree.left
    return _series_of_host(tree.left) if isinstance(tree, BinaryOperation) and _is_zero(tree) else ""


def _series_of_host(node: Node) -> str:
    if isinstance(node, FunctionApplication) and node.function.name in _OVER_TIME and len(node.arguments) == 1:
        node = node.arguments[0]
    if not isinstance(node, Selector) or node.shift != (0, None):
        return ""
    names = (each.value for each in node.matchers if each.name == NAME and each.op == "=")
    return next((name for name in names if name in _UP), "")


def _is_zero(tree: BinaryOperation) -> bool:
    """Whether only the values below 1 of the left side fulfil the comparison."""
    if tree.as_bool or not isinstance(tree.right, NumberLiteral):
        return False
    limit = tree.right.value
    if tree.op == "<":
        return limit <= 1
    return limit < 1 if tree.op in ("==", "<=") else tree.op == "!=" and limit == 1


# What stands on which host.


def host_part(address: str) -> str:
    """Return the host of ``HOST``, ``HOST:PORT`` or a URL, in lower case; empty if there is none."""
    try:
        return urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""


def _is_everywhere(address: str) -> bool:
    """Whether the address means another machine on each machine."""
    if address in ("", "localhost"):
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def dependencies_of(config: Config) -> HostDependencies:
    """Return what the configuration says. Hosts that are this machine cannot be down."""
    remote = {name: host for name, host in config.hosts.items() if not host.local}
    named = {name: host_part(host.address or name) for name, host in remote.items()}
    shared = Counter(named.values())
    addresses = {each: name for name, each in named.items() if shared[each] == 1 and not _is_everywhere(each)}
    parents = {name: tuple(each for each in host.depends_on if each in remote) for name, host in remote.items()}
    below = {
        **{("backend", name): _of_backend(each, addresses) for name, each in config.backends.items()},
        **{("log", name): [each.host] for name, each in config.logs.items()},
        **{("job", name): [each.from_] for name, each in config.scrape.items()},
        **{("cluster", name): [each.from_] for name, each in config.clusters.items()},
    }
    stands_on = {key: _kept(hosts, parents) for key, hosts in below.items()}
    for name in config.services:
        hosts = _kept(_of_service(name, config, stands_on, addresses), parents)
        stands_on["service", name] = hosts
        stands_on["job", name] = tuple(dict.fromkeys((*hosts, *stands_on.get(("job", name), ()))))
    return HostDependencies(parents, stands_on, addresses)


def _kept(hosts: Iterable[str | None], known: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host for host in hosts if host is not None and host in known))


def _of_backend(options: object, addresses: Mapping[str, str]) -> Iterator[str | None]:
    yield getattr(options, "host", None)
    for key in ("url", "address"):
        place = getattr(options, key, None)
        if isinstance(place, str) and not isinstance(place, SecretRef):
            yield addresses.get(host_part(place))


def _of_service(
    name: str,
    config: Config,
    stands_on: Mapping[tuple[str, str], tuple[str, ...]],
    addresses: Mapping[str, str],
) -> Iterator[str | None]:
    """Yield the hosts of a service and of what it depends on."""
    services = {each: service.depends_on for each, service in config.services.items()}
    for other in sorted(_closure([name], services)):
        if other in config.services:
            yield from _of_one(config.services[other], stands_on, addresses)
        elif ("backend", other) in stands_on:
            yield from stands_on["backend", other]
        else:
            yield other


def _of_one(
    service: ServiceConfig, stands_on: Mapping[tuple[str, str], tuple[str, ...]], addresses: Mapping[str, str]
) -> Iterator[str | None]:
    yield service.from_
    if service.lines is not None:
        yield from stands_on.get(("log", service.lines.log), ())
    elif service.certificate is not None:
        yield addresses.get(host_part(service.certificate.address or ""))
    elif service.deadline is None:
        yield addresses.get(host_part(service.url))
