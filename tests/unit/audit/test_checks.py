"""What holds for every check of the audit, and the judgement of answers that were captured once."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.audit.catalogue import chosen, groups, kind_of
from lilfox_tui.audit.model import AuditCheck, Fact, Facts, Found, NotChecked, NotKnown, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.hosts import LIMIT_BYTES, Printed, _FactScript
from lilfox_tui.audit.targets.plans import PlanAnswer
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import UsageError
from tests.app.backups_made import NOW, made_set

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


ASKED = {
    "a shell of its own": ("cd /; x=1; IFS=:; set -f; set -- a b; printf '%s ' $# \"$@\" $x", "2 a b 1 ", 0),
    "no words": ("printf '%s ' $# $x", "0 ", 0),
    "a status": ("echo out; echo err >&2; exit 3", "out\n", 3),
    "no such program": ("lilfox-none", "", 127),
    "a mistake": ("if then", "", 2),
    "another program": ("exec printf 'a\\n\\n'", "a\n\n", 0),
    "input": ("cat", "", 0),
    "endless": ("yes", "y\n" * (LIMIT_BYTES // 2), None),
    "after it": ("echo still", "still\n", 0),
    "no end of a line": ("printf 'a\\377'", "a\udcff", 0),
}


def test_each_script_is_answered_as_if_it_were_the_only_one() -> None:
    facts = [Fact(name, script, str) for name, (script, _text, _status) in ASKED.items()]
    for together in (facts, facts[:7], facts[8:], *([fact] for fact in facts)):
        question = _FactScript(together)
        output = subprocess.run(["sh"], input=question.script.encode(), capture_output=True, check=True).stdout
        answers = question.read(output)
        assert answers is not None
        for fact in together:
            _script, text, status = ASKED[fact.name]
            answer = answers[fact.name]
            assert answer.text == text, fact.name
            assert answer.truncated == (status is None), fact.name
            assert status is None or answer.status == status, fact.name


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
    "host 5\n./system.slice/shop.service/memory.events:oom_kill 3\n": ["shop.service", "host"],
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


DEBIAN = "running 6.1.0-9-amd64\n"
RESTARTS = {
    "": ["good"],
    "required\n": ["reboot"],
    "required\nlibc6\n" + DEBIAN: ["reboot"],
    DEBIAN: ["good"],
    DEBIAN + "installed 6.1.0-9-amd64\ninstalled 6.1.0-8-amd64\n": ["good"],
    DEBIAN + "installed 6.1.0-9-amd64\ninstalled 6.1.0-10-amd64\n": ["reboot"],
    DEBIAN + "installed 6.1.0-8-amd64\ninstalled 6.12.9+bpo-amd64\n": ["reboot"],
    DEBIAN + "installed 6.1.0-9-amd64\ninstalled 6.1.0-10-cloud-amd64\ninstalled 6.1.0-10-amd64.old\n": ["good"],
    "running 6.12.41+deb13-amd64\ninstalled 6.12.43+deb13-amd64\n": ["reboot"],
    "running 5.15.0-92-generic\ninstalled 5.15.0-101-generic\n": ["reboot"],
    "running 6.18.44-own\ninstalled 6.1.0-9-amd64\n": ["good"],
    "installed 6.1.0-9-amd64\n": ["good"],
    "weak\n" + DEBIAN: ["? the answer about reboot-required cannot be read"],
    "other 6.1.0\n": ["? the answer about reboot-required cannot be read"],
}


@pytest.mark.parametrize(("text", "told"), RESTARTS.items())
def test_a_restart_that_an_update_waits_for(text: str, told: list[str]) -> None:
    assert outcomes("reboot-required", {"reboot-required": Printed(text)}) == told


ALGORITHMS = (
    "file /etc/ssh/sshd_config\nciphers aes128-ctr\nmacs hmac-sha1\nkexalgorithms curve25519-sha256\n"
    "hostkeyalgorithms ssh-rsa,ssh-dss,ssh-rsa-cert-v01@openssh.com,ssh-ed25519\n"
)
HOST_KEYS = {
    "": [],
    "/etc/ssh/key\n256 SHA256:abc root@web-1 (ED25519)\n": [],
    "/etc/ssh/key\n3072 SHA256:abc no comment (RSA)\n": ["sshd -T: hostkeyalgorithms has ssh-rsa"],
    "/etc/ssh/key\n1024 SHA256:abc (DSA)\n": ["sshd -T: hostkeyalgorithms has ssh-dss"],
    "/etc/ssh/key\n1024 SHA256:abc a (RSA)\n": [
        "sshd -T: hostkeyalgorithms has ssh-rsa",
        "ssh-keygen -l: /etc/ssh/key is an RSA key of 1024 bits",
    ],
    "/etc/ssh/key\n": ["the answer about sshd-keys cannot be read"],
}


@pytest.mark.parametrize(("text", "told"), HOST_KEYS.items())
def test_sshd_offers_what_it_has_a_key_for(text: str, told: list[str]) -> None:
    answers = {"sshd-settings": Printed(ALGORITHMS), "sshd-lines": Printed(""), "sshd-keys": Printed(text)}
    found = judged(Target("host", "web-1"), [CHECKS["ssh-weak-algorithms"]], answers)
    assert [
        str(each.finding.evidence if isinstance(each, Found) else each.reason)
        for each in found
        if isinstance(each, Found | NotChecked)
    ] == told


def test_an_algorithm_of_certificates_needs_one() -> None:
    key = Printed("/etc/ssh/key\n3072 SHA256:abc (RSA)\n")
    settings = ALGORITHMS.replace("ssh-rsa,ssh-dss,", "") + "hostcertificate /etc/ssh/key-cert.pub\n"
    answers = {"sshd-settings": Printed(settings), "sshd-lines": Printed(""), "sshd-keys": key}
    assert outcomes("ssh-weak-algorithms", answers) == ["HostKeyAlgorithms"]


@pytest.mark.parametrize("reply", [[], {}, ["bind", "*"], {"protected-mode": "no"}])
def test_a_redis_that_does_not_tell_its_settings_is_not_checked(reply: Any) -> None:
    told = outcomes("redis-no-password", {"access": reply, "users": ["user default on nopass ~* &* +@all"]})
    assert told == ["? the answer about access cannot be read"]


def test_a_fact_that_no_check_declares_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Facts({})[HOST[0].facts[0]]
    with pytest.raises(NotKnown):
        Facts({HOST[0].facts[0].name: NotKnown(HOST[0].title)})[HOST[0].facts[0]]


def plan_findings(check: str, *sets: BackupSet) -> list[str]:
    """The evidence of a check of a plan with these sets, of which one is to be tested every two days."""
    goals = AuditConfig(rpo=Seconds(86400), drill_every=Seconds(2 * 86400))
    plan = PlanConfig(sources={}, store="s")
    answer = PlanAnswer("lilfox", NOW, UTC, plan, goals, {}, {"s": sets}, frozenset())
    found = judged(Target("plan", "lilfox"), [CHECKS[check]], {"plan": answer})
    return [str(each.finding.evidence) for each in found if isinstance(each, Found)]


def test_a_read_of_a_set_is_no_restore_test_of_it() -> None:
    made = made_set(timedelta(days=3), "restored", took_s=41.0)
    assert made.proof is not None
    read = replace(made, proof=replace(made.proof, at=NOW - timedelta(minutes=1)))
    [told] = plan_findings("backup-drill", read)
    assert told == f"the last restore test, of {made.id}, was 2 d 23 h ago; the goal is 2 d"
    older = replace(made, proof=replace(made.proof, at=NOW - timedelta(minutes=1), tested=None))
    [told] = plan_findings("backup-drill", older)
    assert told.startswith(f"the time of the last restore test, of {made.id}, is not recorded; it may be 2 d 23 h ago")
    assert not plan_findings("backup-drill", older, made_set(timedelta(days=1), "restored", took_s=41.0))


def test_a_plan_without_a_set_has_no_newest_one() -> None:
    """The title of a check is one for all that it finds: a plan without any good set, and one whose last is old."""
    assert plan_findings("backup-rpo") == ["the plan has no set"]
    assert plan_findings("backup-rpo", made_set(timedelta(hours=1), "broken")) == ["no set of the plan is intact"]
    [old] = plan_findings("backup-rpo", made_set(timedelta(days=3), "intact"))
    assert old.endswith("is 3 d old; the RPO is 1 d")
    assert str(CHECKS["backup-rpo"].title) == "no backup that can be trusted is recent enough"
