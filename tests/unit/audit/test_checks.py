"""What holds for every check of the audit, and the judgement of answers that were captured once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.audit.catalogue import chosen, groups, kind_of
from lilfox_tui.audit.facts import Facts, NotKnown
from lilfox_tui.audit.model import AuditCheck, Found, NotChecked, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.hosts import LIMIT_BYTES, Printed, _FactScript
from lilfox_tui.core.errors import UsageError

CHECKS = {check.id: check for check in chosen([])}
HOST = [check for check in CHECKS.values() if kind_of(check) == "host"]


def outcomes(check: str, answers: Mapping[str, Any]) -> list[str]:
    """What comes of a check: subjects of findings, ``?`` with the reason, or ``good``; nothing if it is absent."""
    told = []
    for each in judged(Target("host", "web-1"), [CHECKS[check]], answers):
        if isinstance(each, Found):
            told.append(each.finding.subject)
        else:
            told.append(f"? {each.reason}" if isinstance(each, NotChecked) else "good")
    return told


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_check_says_what_why_and_where_it_is_from(check: AuditCheck) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.id)
    assert str(check.title)[-1] not in ".!"
    assert str(check.why).endswith(".")
    assert check.reference.startswith("https://")
    assert check.facts


def test_ids_and_facts_are_named_once() -> None:
    assert len(CHECKS) == sum(map(len, groups().values()))
    facts: dict[tuple[str, str], Any] = {}
    for check in CHECKS.values():
        for fact in check.facts:
            assert facts.setdefault((kind_of(check), fact.name), fact) is fact
    with pytest.raises(UsageError):
        chosen(["nosuch"])


@pytest.mark.parametrize("check", HOST, ids=lambda check: check.id)
def test_an_answer_that_failed_is_never_a_pass(check: AuditCheck) -> None:
    for printed in (
        Printed("", status=1),
        Printed("", status=1, root=False),
        Printed("", status=124),
        Printed("x" * LIMIT_BYTES, truncated=True),
    ):
        told = outcomes(check.id, {fact.name: printed for fact in check.facts})
        assert [each[:2] for each in told] == ["? "], printed


@given(st.text(), st.integers(0, 255), st.booleans())
def test_no_answer_of_a_host_ends_the_audit(text: str, status: int, root: bool) -> None:
    for check in HOST:
        answers = {fact.name: Printed(text, status, root) for fact in check.facts}
        list(judged(Target("host", "web-1"), [check], answers))


@given(st.binary(max_size=300))
def test_no_output_passes_for_an_answer(output: bytes) -> None:
    facts = [fact for check in HOST for fact in check.facts]
    assert _FactScript(facts).read(output) is None


CLOCKS = {
    "NTP=yes\nNTPSynchronized=yes\n": ["good"],
    "NTP=no\nNTPSynchronized=no\n": ["clock"],
    "NTP=yes\nNTPSynchronized=no\n": ["clock"],
    "container\n": [],
    "": ["? timedatectl does not say whether the clock is synchronised"],
}


@pytest.mark.parametrize(("text", "told"), CLOCKS.items())
def test_a_clock_that_nothing_synchronises(text: str, told: list[str]) -> None:
    assert outcomes("clock-not-synchronised", {"clock": Printed(text)}) == told


METHODS = {
    "any": ["PasswordAuthentication"],
    "password": ["PasswordAuthentication"],
    "publickey,password": ["good"],
    "publickey,keyboard-interactive:pam publickey": ["good"],
    "publickey,password password": ["PasswordAuthentication"],
}


@pytest.mark.parametrize(("methods", "told"), METHODS.items())
def test_a_password_beside_a_key_opens_nothing_alone(methods: str, told: list[str]) -> None:
    file = "/etc/ssh/sshd_config"
    settings = f"file {file}\npasswordauthentication yes\nauthenticationmethods {methods}\n"
    answers = {"sshd-settings": Printed(settings), "sshd-lines": Printed(f"{file}:1:Port 22\n")}
    assert outcomes("ssh-password-auth", answers) == told


UNITS = (
    "./system.slice/nginx.service/memory.events:oom_kill 0\n"
    "./system.slice/shop.service/memory.events:oom_kill 3\n"
    "./user.slice/user-1000.slice/user@1000.service/app.slice/ide.service/memory.events:oom_kill 1\n"
)
KILLS = {
    "host 4\n" + UNITS: ["shop.service", "ide.service"],
    "host 2\n./system.slice/nginx.service/memory.events:oom_kill 0\n": ["host"],
    "./system.slice/nginx.service/memory.events:oom_kill 0\n": ["good"],
    "host 0\n": ["good"],
    "": ["? the kernel does not count memory by unit (no memory.events in /sys/fs/cgroup)"],
}


@pytest.mark.parametrize(("text", "told"), KILLS.items())
def test_kills_for_lack_of_memory(text: str, told: list[str]) -> None:
    assert outcomes("oom-kills", {"oom-kills": Printed(text)}) == told


def _chain(name: str, *rules: list[dict[str, Any]], hook: str = "", policy: str = "accept") -> list[dict[str, Any]]:
    place = {"family": "inet", "table": "filter"}
    base = {"hook": hook, "policy": policy} if hook else {}
    return [
        {"chain": {**place, "name": name, **base}},
        *({"rule": {**place, "chain": name, "expr": rule}} for rule in rules),
    ]


def _match(kind: str, name: str, right: Any, *, op: str = "==", protocol: str = "tcp") -> dict[str, Any]:
    left = {"protocol": protocol, "field": name} if kind == "payload" else {"key": name}
    return {"match": {"left": {kind: left}, "op": op, "right": right}}


REDIS = _match("payload", "dport", 6379)
ACCEPT, DROP = {"accept": None}, {"drop": None}
TOLD = "? a rule of the firewall has an extension of iptables that nft cannot tell"
RULESETS: list[tuple[str, list[list[dict[str, Any]]], str]] = [
    ("drop", [[REDIS, ACCEPT]], "Redis:6379"),
    ("drop", [[_match("payload", "dport", 6379, protocol="udp"), ACCEPT]], "good"),
    (
        "drop",
        [[_match("meta", "l4proto", "tcp"), _match("payload", "dport", 6379, protocol="th"), ACCEPT]],
        "Redis:6379",
    ),
    ("drop", [[REDIS, _match("ct", "state", {"set": ["new", "untracked"]}), ACCEPT]], "Redis:6379"),
    ("drop", [[_match("ct", "state", ["established", "related"], op="in"), ACCEPT]], "good"),
    ("drop", [[{"jump": {"target": "own"}}]], "Redis:6379"),
    ("drop", [[_match("payload", "saddr", "10.0.0.7"), {"jump": {"target": "own"}}]], "good"),
    ("drop", [[REDIS, {"return": None}], [{"goto": {"target": "own"}}]], "good"),
    ("accept", [], "Redis:6379"),
    ("accept", [[REDIS, DROP]], "good"),
    ("accept", [[_match("payload", "saddr", "10.0.0.0/8"), REDIS, ACCEPT], [REDIS, DROP]], "good"),
    ("accept", [[_match("payload", "saddr", "10.0.0.0/8", op="!="), REDIS, DROP]], "good"),
    ("accept", [[_match("payload", "saddr", "10.0.0.7"), DROP]], "Redis:6379"),
    ("accept", [[{"xt": {"type": "match", "name": "multiport"}}, {"jump": {"target": "fail2ban"}}]], "Redis:6379"),
    ("accept", [[{"xt": {"type": "match", "name": "multiport"}}, DROP]], TOLD),
    ("drop", [[{"xt": None}, ACCEPT]], TOLD),
    ("drop", [[{"xt": None}, ACCEPT], [REDIS, ACCEPT]], "Redis:6379"),
    ("drop", [[{"match": {}}]], "? cannot read the output of nft -j list ruleset"),
]


@pytest.mark.parametrize(("policy", "rules", "told"), RULESETS)
def test_what_a_ruleset_lets_in(policy: str, rules: list[list[dict[str, Any]]], told: str) -> None:
    entries = [
        *_chain("input", *rules, hook="input", policy=policy),
        *_chain("own", [REDIS, ACCEPT]),
        *_chain("fail2ban", [_match("payload", "saddr", "192.0.2.7"), {"reject": None}], [{"return": None}]),
        *_chain("output", [ACCEPT], [REDIS, ACCEPT], hook="output"),  # the packets of other hooks are not input
    ]
    answers = {
        "sockets": Printed('LISTEN 0 511 0.0.0.0:6379 0.0.0.0:* users:(("redis-server",pid=7,fd=6))'),
        "addresses": Printed("2: eth0 inet 203.0.113.7/24 brd 203.0.113.255 scope global eth0"),
        "firewall": Printed(json.dumps({"nftables": entries})),
    }
    assert outcomes("public-database", answers) == [told]


def test_an_ipv6_address_is_not_protected_by_rules_for_ipv4() -> None:
    chain = {"family": "ip", "table": "filter", "name": "input", "hook": "input", "policy": "drop"}
    answers = {
        "sockets": Printed('LISTEN 0 511 [2a01:4f8::7]:6379 [::]:* users:(("redis-server",pid=7,fd=6))'),
        "addresses": Printed("2: eth0 inet6 2a01:4f8::7/64 scope global"),
        "firewall": Printed(json.dumps({"nftables": [{"chain": chain}]})),
    }
    assert outcomes("public-database", answers) == ["Redis:6379"]
    assert outcomes("firewall", answers) == ["IPv6"]


def test_a_host_without_apt_is_not_known_to_be_up_to_date() -> None:
    told = outcomes("reboot-required", {"reboot-required": Printed("", status=127)})
    assert told == ["? no apt on this host; LilFox knows only the updates of Debian and Ubuntu"]


@pytest.mark.parametrize("reply", [[], {}, ["bind", "*"], {"protected-mode": "no"}])
def test_a_redis_that_does_not_tell_its_settings_is_not_checked(reply: Any) -> None:
    told = outcomes("redis-no-password", {"access": reply, "users": ["user default on nopass ~* &* +@all"]})
    assert told == ["? the answer about access cannot be read"]


def test_a_fact_that_no_check_declares_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Facts({})[HOST[0].facts[0]]
    with pytest.raises(NotKnown):
        Facts({HOST[0].facts[0].name: NotKnown(HOST[0].title)})[HOST[0].facts[0]]
