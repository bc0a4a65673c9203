"""Who can use a Redis server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.facts import Fact, Facts
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fix
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.addresses import is_loopback


class RedisAccess(Struct, frozen=True):
    """The addresses that the server listens on, none for all, and whether it is in protected mode."""

    bind: tuple[str, ...]
    protected: bool


def parse_access(reply: Any) -> RedisAccess:
    """The reply to CONFIG GET, which is a list of names and values (RESP 2) or a map (RESP 3)."""
    settings = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    addresses = tuple(word.lstrip("-") for word in settings["bind"].split())
    return RedisAccess(addresses, settings["protected-mode"] != "no")


ACCESS = Fact("access", ("CONFIG", "GET", "bind", "protected-mode"), parse_access)
USERS = Fact("users", ("ACL", "LIST"), tuple)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """A server beyond loopback whose user ``default`` needs no password."""
    access = facts[ACCESS]
    beyond = [word for word in access.bind or ("*",) if not is_loopback(word)]
    open_users = [line for line in facts[USERS] if line.startswith("user default on") and " nopass " in line]
    if beyond and open_users and not access.protected:
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
