"""What listens on a host's addresses, and its firewall."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.facts import Fact, Facts, NotKnown
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fix
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import listed, tr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_SOCKETS = "exec ss -Hlntp"
_ADDRESSES = "exec ip -o address show"
_FIREWALL = "exec nft -j list ruleset"
PRIVATE_SERVICES = {
    "postgres": "PostgreSQL",
    "redis-server": "Redis",
    "valkey-server": "Valkey",
    "mysqld": "MySQL",
    "mariadbd": "MariaDB",
    "mongod": "MongoDB",
    "memcached": "memcached",
    "etcd": "etcd",
    "dockerd": "Docker API",
    "kubelet": "kubelet",
    "epmd": "Erlang port mapper",
    "influxd": "InfluxDB",
    "clickhouse-serv": "ClickHouse",
}
"""Programs that only the hosts of an application should reach, by the name of the process (15 characters)."""
PRIVATE_PORTS = {
    2375: "Docker API",
    2376: "Docker API",
    2379: "etcd",
    2380: "etcd",
    3306: "MySQL",
    4369: "Erlang port mapper",
    5432: "PostgreSQL",
    5672: "RabbitMQ",
    5984: "CouchDB",
    6379: "Redis",
    9042: "Cassandra",
    9200: "Elasticsearch",
    9300: "Elasticsearch",
    10250: "kubelet",
    11211: "memcached",
    15672: "RabbitMQ management",
    27017: "MongoDB",
}
"""What usually listens on these ports, where the process is another one or not known."""
_PUBLISHER = "docker-proxy"
"""Its ports are forwarded before the input chain, so no rule of that chain protects them."""


class Listener(Struct, frozen=True):
    """A TCP socket that listens. ``address`` is None for all addresses; ``process`` is empty without the rights to see
    it."""

    address: Address | None
    port: int
    process: str

    @property
    def service(self) -> str:
        """The name of a service that only an application's hosts should reach; empty for others."""
        return PRIVATE_SERVICES.get(self.process) or PRIVATE_PORTS.get(self.port, "")


class Firewall(Struct, frozen=True):
    """The rules that input packets meet. ``drops`` are the IP versions whose packets are dropped unless a rule accepts
    them."""

    drops: frozenset[int]
    rules: tuple[tuple[Mapping[str, Any], ...], ...]

    def opens(self, port: int) -> bool:
        """Whether the first rule that is for every packet to ``port`` accepts it. Raises NotKnown for rules that nft
        cannot tell."""
        for rule in self.rules:
            if not _matches(rule, port):
                continue
            if any("accept" in each for each in rule):
                return True
            if any("drop" in each or "reject" in each for each in rule):
                return False
        return False


def parse_sockets(printed: Printed) -> Sequence[Listener]:
    """The listeners in the output of ``ss``."""
    found = []
    for line in printed.lines():
        _state, _queued, _backlog, local, *rest = line.split()
        host, _colon, port = local.rpartition(":")
        host = host.strip("[]").partition("%")[0]
        named = re.search(r'users:\(\("([^"]+)"', " ".join(rest))
        address = None if host in ("*", "0.0.0.0", "::") else ipaddress.ip_address(host)  # noqa: S104  # not bound here
        found.append(Listener(address, int(port), "" if named is None else named[1]))
    return found


def parse_addresses(printed: Printed) -> list[Address]:
    """The host's own addresses, without those that no other host reaches."""
    words = [line.split() for line in printed.lines()]
    found = [ipaddress.ip_interface(line[3]).ip for line in words if line[2] in ("inet", "inet6")]
    return [address for address in found if not address.is_loopback and not address.is_link_local]


def parse_firewall(printed: Printed) -> Firewall:
    """The input chains of nftables, which are also those of iptables-nft, ufw and firewalld."""
    if printed.status == NO_PROGRAM:
        raise NotKnown(tr("nft is not installed, so the rules of the firewall cannot be read"))
    if printed.status and not printed.root:
        printed.lines()
    try:
        entries = json.loads("\n".join(printed.lines()))["nftables"]
    except (ValueError, KeyError, TypeError):
        raise NotKnown(tr("cannot read the output of {command}", command="nft -j list ruleset")) from None
    chains = [each["chain"] for each in entries if each.get("chain", {}).get("hook") == "input"]
    rules = [each["rule"] for each in entries if "rule" in each]
    drops: set[int] = set()
    for chain in chains:
        own = [rule["expr"] for rule in rules if _same(rule, chain)]
        if chain.get("policy") == "drop" or (own and _ends(own[-1])):
            drops |= {"inet": {4, 6}, "ip": {4}, "ip6": {6}}.get(chain["family"], set())
    tables = {(chain["family"], chain["table"]) for chain in chains}
    return Firewall(
        frozenset(drops), tuple(tuple(rule["expr"]) for rule in rules if (rule["family"], rule["table"]) in tables)
    )


def _same(rule: Mapping[str, Any], chain: Mapping[str, Any]) -> bool:
    return (rule["family"], rule["table"], rule["chain"]) == (chain["family"], chain["table"], chain["name"])


def _ends(rule: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a rule drops or rejects every packet that gets to it."""
    kinds = {next(iter(each)) for each in rule}
    return bool(kinds & {"drop", "reject"}) and kinds <= {"drop", "reject", "counter", "log"}


def _matches(rule: Sequence[Mapping[str, Any]], port: int) -> bool:
    """Whether a rule is for every packet to ``port``, not only for those of an address, an interface or a state."""
    for each in rule:
        if "xt" in each:
            raise NotKnown(tr("a rule of the firewall has an extension of iptables that nft cannot tell"))
        match = each.get("match")
        if match is None:
            continue
        field = match["left"].get("payload", {}).get("field") if isinstance(match["left"], dict) else None
        if field != "dport" or match["op"] not in ("==", "in") or not _holds(match["right"], port):
            return False
    return True


def _holds(right: Any, port: int) -> bool:
    if isinstance(right, dict):
        if "range" in right:
            low, high = right["range"]
            return bool(low <= port <= high)
        return any(_holds(each, port) for each in right.get("set", ()))
    return bool(right == port)


SOCKETS = Fact("sockets", _SOCKETS, parse_sockets)
ADDRESSES = Fact("addresses", _ADDRESSES, parse_addresses)
FIREWALL = Fact("firewall", _FIREWALL, parse_firewall)


_BIND_TEXT = tr("Let it listen only on this machine, or on the address that its clients use.")
_BIND_FIX = Fix(_BIND_TEXT)
_BIND_FIXES = {
    "PostgreSQL": Fix(
        _BIND_TEXT,
        commands=(
            "psql -U postgres -c \"ALTER SYSTEM SET listen_addresses = 'localhost'\"",
            "systemctl restart postgresql",
        ),
    ),
    "Redis": Fix(_BIND_TEXT, "/etc/redis/redis.conf", ("bind 127.0.0.1 -::1",), ("systemctl restart redis-server",)),
}
"""How each service is told where to listen."""


def judge_listening(facts: Facts) -> Iterator[AuditFinding]:
    """Databases, caches and APIs that other hosts reach although only the application's should."""
    own = facts[ADDRESSES]
    wide = [each for each in facts[SOCKETS] if each.service and (each.address is None or each.address.is_global)]
    seen: set[tuple[str, int]] = set()
    for listener in wide:
        if (listener.service, listener.port) in seen or not _reachable(listener, facts):
            continue
        seen.add((listener.service, listener.port))
        public = [address for address in own if address.is_global]
        if listener.address is not None:
            public = [listener.address]
        evidence = tr(
            "{service} listens on port {port} of {addresses}, and the firewall lets everyone in",
            service=listener.service,
            port=listener.port,
            addresses=listed(map(str, public or own)),
        )
        yield AuditFinding(
            f"{listener.service}:{listener.port}",
            evidence,
            _BIND_FIXES.get(listener.service, _BIND_FIX),
            AuditSeverity.CRITICAL if public else AuditSeverity.MEDIUM,
        )


def _reachable(listener: Listener, facts: Facts) -> bool:
    if listener.process == _PUBLISHER:
        return True
    firewall = facts[FIREWALL]
    return 4 not in firewall.drops or firewall.opens(listener.port)


def judge_firewall(facts: Facts) -> Iterator[AuditFinding]:
    """Input that is accepted unless a rule drops it."""
    drops, own = facts[FIREWALL].drops, facts[ADDRESSES]
    used = {address.version for address in own}
    for version in sorted(used - drops):
        yield AuditFinding(
            f"IPv{version}",
            tr("no input chain of nftables drops what no rule of it accepts (IPv{version})", version=version),
            _firewall_fix(facts[SOCKETS]),
        )


def _firewall_fix(listeners: Sequence[Listener]) -> Fix:
    """A ruleset that keeps what is served now, databases and the like excepted."""
    served = sorted({each.port for each in listeners if not each.service and (each.address is None or _outside(each))})
    file = "/etc/nftables.conf"
    lines = (
        "#!/usr/sbin/nft -f",
        "table inet filter",
        "delete table inet filter",
        "table inet filter {",
        "    chain input {",
        "        type filter hook input priority filter; policy drop;",
        "        ct state established,related accept",
        "        iif lo accept",
        "        meta l4proto { icmp, ipv6-icmp } accept",
        f"        tcp dport {{ {', '.join(map(str, served))} }} accept",
        "    }",
        "}",
    )
    text = tr("Write these lines to {file}. They accept the ports that other hosts can reach now.", file=file)
    return Fix(
        text, file, lines, ("nft -c -f /etc/nftables.conf", "systemctl enable nftables", "systemctl restart nftables")
    )


def _outside(listener: Listener) -> bool:
    return listener.address is not None and not listener.address.is_loopback


CHECKS = (
    AuditCheck(
        "public-database",
        AuditSeverity.CRITICAL,
        tr("a database, cache or API listens for everyone"),
        tr("Whoever finds the port can try passwords and known faults, or needs none."),
        (SOCKETS, ADDRESSES, FIREWALL),
        judge_listening,
        "https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-LISTEN-ADDRESSES",
    ),
    AuditCheck(
        "firewall",
        AuditSeverity.MEDIUM,
        tr("the firewall accepts input by default"),
        tr("Every port that a program opens by mistake is reachable at once."),
        (SOCKETS, ADDRESSES, FIREWALL),
        judge_firewall,
        "https://wiki.nftables.org/wiki-nftables/index.php/Simple_ruleset_for_a_server",
    ),
)
