"""Who can use a Redis server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from lilfox_tui.audit.facts import Fact, Facts
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fix
from lilfox_tui.core.i18n import tr


def parse_pairs(reply: Any) -> Mapping[str, str]:
    """The reply to CONFIG GET, which is a list of names and values (RESP 2) or a map (RESP 3)."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


ACCESS = Fact("access", ("CONFIG", "GET", "bind", "protected-mode", "requirepass"), parse_pairs)
USERS = Fact("users", ("ACL", "LIST"), tuple)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """A server beyond loopback whose user ``default`` needs no password."""
    settings = facts[ACCESS]
    addresses = [word.lstrip("-") for word in settings["bind"].split()]
    beyond = [word for word in addresses or ["*"] if not _loopback(word)]
    open_users = [line for line in facts[USERS] if line.startswith("user default on") and " nopass " in line]
    if beyond and open_users and settings["protected-mode"] == "no":
        yield AuditFinding(
            "default",
            tr(
                "bind {addresses}, protected-mode no, and the user default needs no password",
                addresses=" ".join(beyond),
            ),
            Fix(
                tr("Set a password, and listen only on the addresses that clients use."),
                "/etc/redis/redis.conf",
                ("requirepass A-LONG-RANDOM-PASSWORD", "bind 127.0.0.1 -::1"),
                ("systemctl restart redis-server",),
            ),
        )


def _loopback(word: str) -> bool:
    try:
        return ipaddress.ip_address(word).is_loopback
    except ValueError:
        return word == "localhost"


CHECKS = (
    AuditCheck(
        "redis-no-password",
        AuditSeverity.CRITICAL,
        tr("everyone on the network can use Redis"),
        tr("CONFIG SET and MODULE LOAD let a stranger write files and run programs as Redis."),
        (ACCESS, USERS),
        judge,
        "https://redis.io/docs/latest/operate/oss_and_stack/management/security/",
    ),
)
