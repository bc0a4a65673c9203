"""Who can connect to PostgreSQL: pg_hba.conf, passwords and TLS."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.audit.checks.postgresql.settings import RELOAD, SETTINGS, ServerSettings, psql
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.postgresql import Composed
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.redact import MASK, names_a_secret

_RULES = Composed(
    """
    SELECT CASE WHEN has_table_privilege('pg_hba_file_rules', 'SELECT')
                 AND has_function_privilege('pg_hba_file_rules()', 'EXECUTE')
                THEN 'SELECT * FROM pg_hba_file_rules' ELSE 'SELECT WHERE false' END
    """
)
_OLD_PASSWORDS = Composed(
    """
    SELECT CASE WHEN has_table_privilege('pg_authid', 'SELECT')
                THEN $q$ SELECT ARRAY(SELECT rolname FROM pg_authid
                                       WHERE rolcanlogin AND rolpassword ~ '^md5' ORDER BY 1) AS roles $q$
                ELSE 'SELECT NULL AS roles' END
    """
)
_OPEN_SESSIONS = """
SELECT count(*) AS count FROM pg_stat_ssl JOIN pg_stat_activity a USING (pid)
 WHERE NOT ssl AND NOT a.client_addr <<= '127.0.0.0/8' AND a.client_addr <> '::1'
"""
"""Sessions from other hosts without TLS."""

_ANY = ("0.0.0.0/0", "::/0")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_+./@:-]+")
_WITHOUT_TLS = frozenset({"host", "hostnossl", "hostnogssenc"})
_BY_PASSWORD = frozenset({"trust", "password", "md5", "ident"})
"""Methods that scram-sha-256 takes the place of."""


class HbaRule(Struct, frozen=True):
    """A line of pg_hba.conf. ``address`` is a network or one of the words that stand for some; empty for ``local``.
    ``options`` have no secrets (``ldapbindpasswd``, ``radiussecrets``). ``hides`` are the lines of its file that no
    connection gets to because of it."""

    file: str
    line: int
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    method: str
    options: tuple[str, ...] = ()
    hides: tuple[int, ...] = ()

    def __str__(self) -> str:
        lists = (",".join(map(_quoted, words)) for words in (self.databases, self.users))
        return " ".join(filter(None, (self.kind, *lists, self.address, self.method, *map(_quoted, self.options))))

    @property
    def any_address(self) -> bool:
        """Whether it is for clients at every address."""
        return self.address == "all" or self.address in _ANY

    @property
    def beyond(self) -> bool:
        """Whether it is for other hosts too."""
        if self.kind == "local" or self.address in ("samehost", "localhost"):
            return False
        try:
            return not ipaddress.ip_network(self.address).is_loopback
        except ValueError:
            return True

    def covers(self, later: HbaRule) -> bool:
        """Whether no connection gets to a ``later`` rule, because this one is read first. False where that is not
        sure."""
        kinds = self.kind in (later.kind, "host") and later.kind.startswith(self.kind)
        databases = set(self.databases) >= set(later.databases)
        databases |= self.databases == ("all",) and "replication" not in later.databases
        users = self.users == ("all",) or set(self.users) >= set(later.users)
        return kinds and databases and users and (self.address in ("all", later.address) or self._contains(later))

    def _contains(self, later: HbaRule) -> bool:
        try:
            mine, other = ipaddress.ip_network(self.address), ipaddress.ip_network(later.address)
        except ValueError:
            return False
        return mine.version == other.version and other.subnet_of(mine)  # type: ignore[arg-type]  # of one version


def _quoted(word: str) -> str:
    return word if _PLAIN_WORD.fullmatch(word.replace("=", "", 1)) else f'"{word}"'


def parse_rules(rows: list[Any]) -> list[HbaRule]:
    """The rules that a connection can get to. Raises NotKnown for a file with errors, of which the server keeps the
    rules that it read before."""
    if not rows:
        raise NotKnown(
            tr("the role may not read the view {view}: grant it SELECT, and EXECUTE of {function}",
               view="pg_hba_file_rules", function="pg_hba_file_rules()")
        )  # fmt: skip
    found: list[HbaRule] = []
    for row in rows:
        if row["error"] is not None and row["type"] is not None:
            continue  # only a warning: nothing can match it, as hostssl without TLS
        if row["error"] is not None:
            raise NotKnown(tr("line {line} of pg_hba.conf: {reason}", line=row["line_number"], reason=row["error"]))
        rule = HbaRule(
            row.get("file_name") or "", row["line_number"], row["type"], tuple(row["database"]),
            tuple(row["user_name"]), _address(row["address"], row["netmask"]), row["auth_method"],
            tuple(map(_without_secret, row["options"] or ())),
        )  # fmt: skip
        place = next((place for place, before in enumerate(found) if before.covers(rule)), None)
        if place is None:
            found.append(rule)
        elif found[place].file == rule.file:
            found[place] = replace(found[place], hides=(*found[place].hides, rule.line))
    return found


def _without_secret(option: str) -> str:
    name, equals, _value = option.partition("=")
    return f"{name}={MASK}" if equals and names_a_secret(name) else option


def _address(address: str | None, mask: str | None) -> str:
    if address is None or mask is None:
        return address or ""
    return f"{address}/{int(ipaddress.ip_address(mask)).bit_count()}"


def parse_roles(rows: list[Any]) -> list[str]:
    """The roles; raises NotKnown if only a superuser may see them."""
    (row,) = rows
    if row["roles"] is None:
        raise NotKnown(tr("only a superuser may see how passwords are stored: name one as user: of this backend"))
    return list(row["roles"])


RULES = Fact("hba-rules", _RULES, parse_rules)
OLD_PASSWORDS = Fact("md5-passwords", _OLD_PASSWORDS, parse_roles)
OPEN_SESSIONS = Fact("sessions-without-tls", _OPEN_SESSIONS, lambda rows: int(rows[0]["count"]))


def _listens_beyond(settings: ServerSettings) -> bool:
    """Whether other hosts can connect at all."""
    words = [word.strip() for word in settings["listen_addresses"].value.split(",")]
    return any(word not in ("", "localhost", "::1") and not word.startswith("127.") for word in words)


def _usable(facts: Facts) -> list[HbaRule]:
    """The rules that let somebody in at an address that the server listens on."""
    beyond = _listens_beyond(facts[SETTINGS])
    rules = [rule for rule in facts[RULES] if rule.method != "reject"]
    return [rule for rule in rules if beyond or not rule.beyond or (rule.any_address and rule.method == "trust")]


def _evidence(rule: HbaRule, settings: ServerSettings) -> Message:
    return tr("{file}:{line}: {rule}", file=rule.file or settings["hba_file"].value, line=rule.line, rule=rule)


def _fix(text: Message, rule: HbaRule, settings: ServerSettings) -> Fix:
    """The rule as it should be, in all respects: so the fixes of several checks for one rule are the same. What it
    hides becomes a comment: a connection could get to that once the rule is for fewer. No command writes a rule whose
    secret is not known here."""
    file = rule.file or settings["hba_file"].value
    mended = _mended(rule, tls=settings["ssl"].value == "on")
    if any(option.endswith(f"={MASK}") for option in mended.options):
        return Fix(text, commands=(psql(RELOAD),))
    edits = [
        f"{rule.line}c {mended}",
        *(f"{line}s/^[^#]/#&/" for line in rule.hides),
    ]
    words = " ".join(f"-e {shlex.quote(each)}" for each in edits)
    return Fix(text, commands=(f"sed -i {words} {shlex.quote(file)}", psql(RELOAD)))


def _mended(rule: HbaRule, *, tls: bool) -> HbaRule:
    method = rule.method
    if method in _BY_PASSWORD:
        method = "peer" if rule.kind == "local" else "scram-sha-256"
    kind = "hostssl" if tls and rule.beyond and rule.kind in _WITHOUT_TLS else rule.kind
    options = () if method != rule.method else rule.options
    address = "samenet" if rule.any_address else rule.address
    return replace(rule, kind=kind, address=address, method=method, options=options)


def judge_trust(facts: Facts) -> Iterator[AuditFinding]:
    """Rules with the method trust; less urgent where only programs on the server's host can use them."""
    settings = facts[SETTINGS]
    for rule in _usable(facts):
        if rule.method == "trust":
            near = not rule.beyond or not _listens_beyond(settings)
            text = tr(
                "Set passwords for the roles first (\\password in psql). Local ones then use peer, the OS user's name."
            )
            yield AuditFinding(
                str(rule),
                _evidence(rule, settings),
                _fix(text, rule, settings),
                AuditSeverity.HIGH if near else None,
            )


def judge_any_address(facts: Facts) -> Iterator[AuditFinding]:
    """Rules for every address, unless clients need a certificate."""
    settings = facts[SETTINGS]
    for rule in _usable(facts):
        if rule.any_address and rule.method != "cert" and _listens_beyond(settings):
            text = tr("Name the networks of your clients. samenet means every network that the server's host is in.")
            by_tls = rule.kind == "hostssl" and rule.method not in _BY_PASSWORD
            severity = AuditSeverity.HIGH if by_tls else None
            yield AuditFinding(str(rule), _evidence(rule, settings), _fix(text, rule, settings), severity)


def judge_passwords(facts: Facts) -> Iterator[AuditFinding]:
    """Passwords that are stored as MD5, new ones that would be, and rules that have them sent as they are."""
    settings = facts[SETTINGS]
    stored = settings["password_encryption"].value
    if stored != "scram-sha-256":
        fix = Fix(
            tr("Store new passwords as SCRAM. Existing ones stay MD5 until they are set again."),
            commands=(psql("ALTER SYSTEM SET password_encryption = 'scram-sha-256'", RELOAD),),
        )
        evidence = tr("{name} = {value}", name="password_encryption", value=stored)
        yield AuditFinding("password_encryption", evidence, fix)
    for role in facts[OLD_PASSWORDS]:
        evidence = tr("pg_authid: the password of {role} begins with md5", role=role)
        text = tr("Set the password again once password_encryption is scram-sha-256.")
        quoted = role.replace('"', '""')
        yield AuditFinding(role, evidence, Fix(text, commands=(psql(f'\\password "{quoted}"'),)))
    for rule in _usable(facts):
        if rule.method == "password" and rule.kind in _WITHOUT_TLS and rule.beyond:
            text = tr("Use SCRAM, which never sends the password.")
            yield AuditFinding(str(rule), _evidence(rule, settings), _fix(text, rule, settings))


def judge_tls(facts: Facts) -> Iterator[AuditFinding]:
    """Rules that let other hosts in without TLS: all if the server has none, more urgent if somebody uses them."""
    settings = facts[SETTINGS]
    rules = [rule for rule in _usable(facts) if rule.beyond and rule.kind in _WITHOUT_TLS]
    if not rules or not _listens_beyond(settings):
        return
    if settings["ssl"].value == "off":
        evidence = tr("ssl = off; {rules}", rules=listed(str(_evidence(rule, settings)) for rule in rules))
        yield AuditFinding("ssl", evidence, _certificate(settings))
        return
    sessions = facts[OPEN_SESSIONS]
    for rule in rules:
        evidence = _evidence(rule, settings)
        if sessions:
            evidence = ntr("{rule}; {count} session without TLS now", "{rule}; {count} sessions without TLS now",
                           sessions, rule=evidence)  # fmt: skip
        text = tr("Require TLS from other hosts. Clients use it unless they set sslmode=disable.")
        severity = None if sessions else AuditSeverity.MEDIUM
        yield AuditFinding(str(rule), evidence, _fix(text, rule, settings), severity)


def _certificate(settings: ServerSettings) -> Fix:
    folder = settings["data_directory"].value
    files = {
        name: value if (value := settings[name].value).startswith("/") else f"{folder}/{value}"
        for name in ("ssl_cert_file", "ssl_key_file")
    }
    certificate, key = map(shlex.quote, files.values())
    place = shlex.quote(folder)
    return Fix(
        tr("Give the server a certificate. This one is self-signed: replace it by one of your CA."),
        commands=(
            f"openssl req -new -x509 -days 825 -nodes -subj /CN=$(hostname) -out {certificate} -keyout {key}",
            f"chmod 600 {key}; chown --reference={place} {certificate} {key}",
            psql("ALTER SYSTEM SET ssl = on", RELOAD),
        ),
    )


CHECKS = (
    AuditCheck(
        "postgresql-hba-trust",
        AuditSeverity.CRITICAL,
        tr("clients can connect to PostgreSQL without a password"),
        tr("With trust, anyone who can connect is whichever role they name, also a superuser."),
        (RULES, SETTINGS),
        judge_trust,
        "https://www.postgresql.org/docs/current/auth-trust.html",
    ),
    AuditCheck(
        "postgresql-hba-any-address",
        AuditSeverity.CRITICAL,
        tr("clients can connect to PostgreSQL from any address"),
        tr("Then only the firewall keeps the internet from guessing passwords."),
        (RULES, SETTINGS),
        judge_any_address,
        "https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",
    ),
    AuditCheck(
        "postgresql-md5-passwords",
        AuditSeverity.HIGH,
        tr("PostgreSQL stores or accepts passwords without SCRAM"),
        tr("An MD5 hash, from a backup for example, is enough to log in, and its password is guessed fast."),
        (SETTINGS, OLD_PASSWORDS, RULES),
        judge_passwords,
        "https://www.postgresql.org/docs/current/auth-password.html",
    ),
    AuditCheck(
        "postgresql-no-tls",
        AuditSeverity.HIGH,
        tr("remote clients can connect to PostgreSQL without TLS"),
        tr("Statements, rows and new passwords then cross the network in plain text."),
        (RULES, SETTINGS, OPEN_SESSIONS),
        judge_tls,
        "https://www.postgresql.org/docs/current/ssl-tcp.html",
    ),
)
