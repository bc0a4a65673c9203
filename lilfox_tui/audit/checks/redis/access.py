"""Who can use a Redis server, and for what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, plain
from lilfox_tui.audit.targets.redis import INFO, USE, RedisInfo, RedisSettings, parse_settings, redis_cli
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.hosts.addresses import is_loopback

_CATEGORIES = {
    "config|set": frozenset({"admin", "slow", "dangerous"}),
    "debug": frozenset({"admin", "slow", "dangerous"}),
    "flushall": frozenset({"keyspace", "write", "slow", "dangerous"}),
    "flushdb": frozenset({"keyspace", "write", "slow", "dangerous"}),
    "keys": frozenset({"keyspace", "read", "slow", "dangerous"}),
    "module|load": frozenset({"admin", "slow", "dangerous"}),
}
"""The commands that an application should not have, and the categories of the ACL that they are in."""
_SWITCHES = {"debug": "enable-debug-command", "module|load": "enable-module-command"}
"""RedisSettings that close a command for everybody, or for all but loopback, whatever the ACL says."""
_OF_PEOPLE = re.compile(r"(?i)admin|root|super|operator|^ops|^dba|sentinel|replica|exporter|monitor|backup|lilfox")
"""Names of users that are not an application's."""
_PLACEHOLDER = "NAME"


class RedisAccess(Struct, frozen=True):
    """The addresses that the server listens on, none for all, and whether it is in protected mode."""

    bind: tuple[str, ...]
    protected: bool


class AclUser(Struct, frozen=True):
    """A user of the ACL. ``rules`` are those for commands, in their order: first the user's own, then those of its
    selectors, which allow more."""

    name: str
    on: bool
    nopass: bool
    password: bool
    rules: tuple[tuple[str, ...], ...]

    @property
    def can_log_in(self) -> bool:
        """Whether somebody can be this user."""
        return self.on and (self.nopass or self.password)

    def may(self, command: str) -> bool:
        """Whether it may run ``command``, which has a subcommand after a bar where that matters."""
        return any(_allows(rules, command) for rules in self.rules)


class AclClient(Struct, frozen=True):
    """A connection: the user that it is, its name, and the library that made it, empty where none says so."""

    user: str
    name: str
    library: str


def _allows(rules: Sequence[str], command: str) -> bool:
    words = {command, command.partition("|")[0], "@all", *(f"@{each}" for each in _CATEGORIES[command])}
    allowed = False
    for rule in rules:
        if rule in ("allcommands", "nocommands"):
            allowed = rule == "allcommands"
        elif rule[1:].lower() in words:
            allowed = rule[0] == "+"
    return allowed


def parse_access(reply: Mapping[str, str]) -> RedisAccess:
    """The settings."""
    addresses = tuple(word.lstrip("-") for word in reply["bind"].split())
    return RedisAccess(addresses, reply["protected-mode"] != "no")


def parse_users(lines: Sequence[str]) -> list[AclUser]:
    """The users in the reply to ACL LIST."""
    found = []
    for line in lines:
        own, *selectors = line.replace(")", "").split(" (")
        title, name, *words = own.split()
        if title != "user":
            raise ValueError(line)
        parts = [words, *(each.split() for each in selectors)]
        rules = tuple(
            tuple(word for word in part if word[0] in "+-" or word in ("allcommands", "nocommands")) for part in parts
        )
        password = any(word[0] == "#" for word in words)
        found.append(AclUser(name, "on" in words, "nopass" in words, password, rules))
    if not found:
        raise ValueError(lines)
    return found


def parse_clients(text: str) -> list[AclClient]:
    """The connections in the reply to CLIENT LIST."""
    found = []
    for line in text.splitlines():
        fields = dict(word.partition("=")[::2] for word in line.split(" "))
        found.append(AclClient(fields["user"], fields["name"], fields.get("lib-name", "")))
    if not found:
        raise ValueError(text)
    return found


def parse_commands(reply: list[Any]) -> frozenset[str]:
    """The commands that the server has; those that it has renamed are not among them."""
    return frozenset(each[0].lower() for each in reply if each is not None)


ACCESS = Fact("access", RedisSettings(("bind", "protected-mode")), parse_access)
USERS = Fact("users", ("ACL", "LIST"), parse_users)
CLIENTS = Fact("clients", ("CLIENT", "LIST"), parse_clients)
SWITCHES = Fact("command-switches", RedisSettings((*_SWITCHES.values(), "aclfile")), parse_settings)
COMMANDS = Fact(
    "commands", ("COMMAND INFO", *dict.fromkeys(each.partition("|")[0] for each in _CATEGORIES)), parse_commands
)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """A server beyond loopback whose user ``default`` needs no password."""
    access = facts[ACCESS]
    beyond = [word for word in access.bind or ("*",) if not is_loopback(word)]
    open_users = [each for each in facts[USERS] if each.name == "default" and each.on and each.nopass]
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


def judge_commands(facts: Facts) -> Iterator[AuditFinding]:
    """Users of an application that may run commands for people."""
    info, users, switches = facts[INFO], facts[USERS], facts[SWITCHES]
    known = facts[COMMANDS]
    there = [
        command
        for command in _CATEGORIES
        if command.partition("|")[0] in known and switches.get(_SWITCHES.get(command, ""), "yes") == "yes"
    ]
    people = [each.name for each in users if each.can_log_in and _is_of_people(each, facts) and each.may("config|set")]
    for user in _of_applications(facts):
        open_commands = [command for command in there if user.may(command)]
        if not open_commands:
            continue
        names = [command.partition("|")[0] for command in open_commands]
        called = {name: info.calls.get(command, 0) for name, command in zip(names, open_commands, strict=True)}
        calls = [f"{name.upper()} {count}" for name, count in called.items() if count]
        evidence = tr("user {user} may run {commands}", user=user.name, commands=listed([*map(str.upper, names)]))
        if calls:
            evidence = tr(
                "user {user} may run {commands}; calls of all users since the start: {calls}",
                user=user.name, commands=listed([*map(str.upper, names)]), calls=listed(calls),
            )  # fmt: skip
        fix = _fix(info, user, names, aclfile=bool(switches.get("aclfile")), people=people)
        yield AuditFinding(user.name, evidence, fix, AuditSeverity.MEDIUM if names == ["keys"] else None)


def _is_of_people(user: AclUser, facts: Facts) -> bool:
    """Whether a user is LilFox's own, or one of administrators or tools by its name."""
    return user.name != "default" and (user.name == facts[USE].user or bool(_OF_PEOPLE.search(user.name)))


def _of_applications(facts: Facts) -> Iterator[AclUser]:
    """The users that can log in, without those of administrators and tools. ``default``, beside other users of
    applications, and the user that LilFox is too are an application's if a library is connected as it."""
    own = facts[USE].user
    able = [each for each in facts[USERS] if each.can_log_in]
    named = [each for each in able if each.name != "default" and not _is_of_people(each, facts)]
    yield from named
    for each in able:
        if each.name == "default" and not named:
            yield each
        elif each.name == "default" or (each.name == own and not _OF_PEOPLE.search(own)):
            clients = [client for client in facts[CLIENTS] if client.user == each.name and client.library]
            if any(not _OF_PEOPLE.search(client.name) for client in clients):
                yield each


def _fix(info: RedisInfo, user: AclUser, names: Sequence[str], *, aclfile: bool, people: Sequence[str]) -> Fix:
    less = " ".join(f"-{name}" for name in sorted({*names, "acl"}))
    change = redis_cli(info, f"ACL SETUSER {plain(user.name, _PLACEHOLDER)} {less}")
    keep = "ACL SAVE" if aclfile else "CONFIG REWRITE" if info.config_file else ""
    if user.name != "default" or people:
        text = tr("Revoke the commands from the user, once the application no longer runs them.")
        person = f"--user {plain(people[0], _PLACEHOLDER)} --askpass " if user.name == "default" else ""
        return Fix(text, commands=(change, *([redis_cli(info, f"{person}{keep}")] if keep else [])))
    steps = [
        f"password=$({redis_cli(info, 'ACL GENPASS')})",
        redis_cli(info, "ACL SETUSER admin on \">$password\" '~*' '&*' +@all"),
        change,
        f"REDISCLI_AUTH=$password {redis_cli(info, f'--user admin {keep}')}" if keep else "",
        'echo "admin: $password"',
    ]
    text = tr(
        "Once the application no longer runs these commands, create a user for administrators and LilFox, and revoke "
        "them from the default user. The new password is printed: set user: and password: of this backend."
    )
    return Fix(text, commands=(" && ".join(filter(None, steps)),))


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
    AuditCheck(
        "redis-dangerous-commands",
        AuditSeverity.HIGH,
        tr("the application may run commands that block or empty Redis"),
        tr(
            "One mistake or injection in the application empties the server (FLUSHALL), blocks all its clients (KEYS) "
            "or changes its settings (CONFIG)."
        ),
        (INFO, USE, USERS, CLIENTS, SWITCHES, COMMANDS),
        judge_commands,
        "https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/",
    ),
)
