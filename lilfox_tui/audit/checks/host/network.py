"""What listens on a host's addresses, and its firewall."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.hosts.addresses import Address

NftRule = Sequence[Mapping[str, Any]]
"""The statements of a rule as nft tells them in JSON."""
ChainKey = tuple[str, str, str]
"""The family, the table and the name of a chain."""
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
_UNREADABLE = tr("cannot read the output of {command}", command="nft -j list ruleset")
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


class Chain(Struct, frozen=True):
    """A base chain that input packets of these IP ``versions`` meet, and what becomes of those that no rule is for."""

    key: ChainKey
    versions: frozenset[int]
    drops: bool


class Firewall(Struct, frozen=True):
    """The base chains of input, and the rules of all chains: input chains jump to others."""

    inputs: tuple[Chain, ...]
    rules: Mapping[ChainKey, tuple[NftRule, ...]]

    @property
    def drops(self) -> frozenset[int]:
        """The IP versions whose packets are dropped unless a rule accepts them."""
        return frozenset(version for chain in self.inputs if chain.drops for version in chain.versions)

    def lets_in(self, port: int, version: int) -> bool:
        """Whether every base chain accepts a stranger's packets to a TCP port. Raises NotKnown where that depends on a
        rule that nft cannot tell."""
        results = []
        for chain in self.inputs:
            if version in chain.versions:
                try:
                    ends = self._ends(chain.key, port, {})
                except (LookupError, TypeError, AttributeError, ValueError, RecursionError):  # what no kernel has
                    raise NotKnown(_UNREADABLE) from None
                results.append({not chain.drops if end is None else end for end in ends})
        if {False} in results:
            return False
        if all(each == {True} for each in results):
            return True
        raise NotKnown(tr("a rule of the firewall has an extension of iptables that nft cannot tell"))

    def _ends(self, key: ChainKey, port: int, known: dict[ChainKey, set[bool | None]]) -> set[bool | None]:
        """How a chain may end for such packets: accepted, dropped, or back where it was jumped to from (None)."""
        if key not in known:
            known[key] = {None}  # the kernel refuses loops
            known[key] = self._walked(key, port, known)
        return known[key]

    def _walked(self, key: ChainKey, port: int, known: dict[ChainKey, set[bool | None]]) -> set[bool | None]:
        found: set[bool | None] = set()
        for rule in self.rules.get(key, ()):
            applies = _applies(rule, port)
            if applies is False:
                continue
            ends, leaves = self._effect(key, rule, port, known)
            if applies and (leaves or None not in ends):
                return found | ends
            found |= ends - {None}
        return found | {None}

    def _effect(
        self, key: ChainKey, rule: NftRule, port: int, known: dict[ChainKey, set[bool | None]]
    ) -> tuple[set[bool | None], bool]:
        """How a rule may end, and whether the rest of its chain is left out all the same."""
        words = {word: each[word] for each in rule for word in each}
        if "accept" in words:
            return {True}, True
        if "drop" in words or "reject" in words:
            return {False}, True
        for word in ("jump", "goto"):
            if word in words:
                return self._ends((*key[:2], words[word]["target"]), port, known), word == "goto"
        if "xt" in words and (words["xt"] or {}).get("type") != "match":  # a target of iptables
            return {True, False, None}, False
        return {None}, "return" in words


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
        raise NotKnown(_UNREADABLE) from None
    rules: dict[ChainKey, list[NftRule]] = defaultdict(list)
    for each in entries:
        if "rule" in each:
            rule = each["rule"]
            rules[rule["family"], rule["table"], rule["chain"]].append(rule["expr"])
    inputs = []
    for each in entries:
        chain = each.get("chain", {})
        if chain.get("hook") == "input":
            key = (chain["family"], chain["table"], chain["name"])
            versions = {"inet": {4, 6}, "ip": {4}, "ip6": {6}}.get(chain["family"], set())
            drops = chain.get("policy") == "drop" or bool(rules[key] and _drops_all(rules[key][-1]))
            inputs.append(Chain(key, frozenset(versions), drops))
    return Firewall(tuple(inputs), {key: tuple(found) for key, found in rules.items()})


def _drops_all(rule: NftRule) -> bool:
    """Whether a rule drops or rejects every packet that gets to it."""
    kinds = {next(iter(each)) for each in rule}
    return bool(kinds & {"drop", "reject"}) and kinds <= {"drop", "reject", "counter", "log"}


def _applies(rule: NftRule, port: int) -> bool | None:
    """Whether a rule is for a stranger's first packet to a TCP port, not only for those of an address or an interface;
    None where nft cannot tell."""
    for each in rule:
        match = each.get("match")
        if match is None:
            continue
        if not _fits(match["left"], match["op"], match["right"], port):
            return False
    return None if any("xt" in each for each in rule) else True


def _fits(left: Any, op: str, right: Any, port: int) -> bool:
    kind, words = next(iter(left.items())) if isinstance(left, dict) else ("", {})
    name = words.get("field", words.get("key")) if isinstance(words, dict) else None
    if (kind, name) in (("payload", "saddr"), ("meta", "iif"), ("meta", "iifname")):
        return op == "!="
    if op not in ("==", "in"):
        return False
    if (kind, name) == ("payload", "dport"):
        return words.get("protocol", "tcp") in ("tcp", "th") and _holds(right, port)
    wanted = {("meta", "l4proto"): "tcp", ("ct", "state"): "new"}.get((kind, str(name)))
    return wanted is not None and _holds(right, wanted)


def _holds(right: Any, wanted: int | str) -> bool:
    if isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        return isinstance(wanted, int) and bool(low <= wanted <= high)
    if isinstance(right, dict | list):
        return any(_holds(each, wanted) for each in (right if isinstance(right, list) else right.get("set", ())))
    return bool(right == wanted)


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
    return facts[FIREWALL].lets_in(listener.port, 4 if listener.address is None else listener.address.version)


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
        *([f"        tcp dport {{ {', '.join(map(str, served))} }} accept"] if served else []),
        "    }",
        "}",
    )
    text = tr(
        "Write these lines to {file}. They accept the TCP ports that other hosts can reach now, apart from those of "
        "databases. Add the UDP ports that you need, such as that of WireGuard.",
        file=file,
    )
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
