"""Secrets in logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.secret_values import Secret, is_token, secrets_in
from lilfox_tui.audit.targets.hosts import OWN_WORDS, Printed
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.redact import redact

# What packages write about packages is left out: passwd is the name of one.
_LINES = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
pattern='passw|passphrase|pwd|secret|token|api.?key|access.?key|private.?key|authorization|bearer|cookie'
pattern="$pattern"'|://[^/@ ]*:[^/@ ]*@|AKIA|gh[pousr]_|glpat-|sk_live|xox[bp]-|eyJ'
{
    find /var/log -xdev -type d \( -name apt -o -name installer -o -name journal -o -name sysstat \
        -o -name unattended-upgrades -o -name private \) -prune -o -type f -size +0 -mtime -8 \
        \( -name '*.log' -o -name '*_log' -o -name syslog -o -name messages \) \
        ! -name dpkg.log ! -name alternatives.log ! -name bootstrap.log ! -name fontconfig.log -print
    IFS='
'
    for file in $LILFOX_LOGS; do [ -f "$file" ] && printf '%s\n' "$file"; done
} | sort -u | head -n 100 | while IFS= read -r file; do
    printf 'log %s\n' "$file"
    tail -c 1048576 -- "$file" | grep -aiE -- "$pattern" | tail -n 20 | cut -c 1-600 | sed 's/^/>/'
done
echo 'log journal'
journalctl --quiet --no-pager --boot --lines=5000 --output=with-unit 2>/dev/null |
    grep -aiE -- "$pattern" | tail -n 60 | cut -c 1-600 | sed 's/^/>/'
exit 0
"""
_OF_JOURNAL = re.compile(r"\S+ [\d-]+ [\d:]+ \S+ \S+ ([^\s\[]+?)(?:\[[^\]]*\])*: (.*)")
_STATUS = re.compile(r'" (\d{3}) (?:\d+|-)')
_SHOWN = 160


class Leak(Struct, frozen=True):
    """Lines of a log that have a secret: where, the name that stands before it, how many lines, and the last one,
    masked."""

    log: str
    name: str
    count: int
    line: str


def parse_lines(printed: Printed) -> list[Leak]:
    """The secrets in the lines that were found by their words."""
    found: dict[tuple[str, str], Leak] = {}
    log = ""
    for line in printed.lines():
        if line.startswith("log "):
            log = line.removeprefix("log ")
        if not line.startswith(">") or any(each in line for each in OWN_WORDS):
            continue
        place, text = log, line[1:]
        if log == "journal" and (named := _OF_JOURNAL.match(text)):
            place, text = f"journal: {named[1]}", named[2]
        for secret in _certain(text):
            key = (place, secret.name)
            count = found[key].count + 1 if key in found else 1
            found[key] = Leak(place, secret.name, count, redact(text)[:_SHOWN])
    return list(found.values())


def _certain(text: str) -> list[Secret]:
    """The secrets in a line; none in a request that was refused, for those are guesses of strangers."""
    status = _STATUS.search(text)
    if status is not None and status[1][0] not in "23":
        return []
    return [each for each in secrets_in(text) if (each.is_password and len(each.value) > 5) or is_token(each.value)]


LEAKS = Fact("secrets-in-logs", _LINES, parse_lines)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Secrets in the newest part of each log."""
    for leak in facts[LEAKS]:
        evidence = ntr(
            "{log}: {count} line, the last one: {line}",
            "{log}: {count} lines, the last one: {line}",
            leak.count,
            log=leak.log,
            line=leak.line,
        )
        text = tr("Mask it before it is logged, change it, and remove it from the log, its rotated files and backups.")
        yield AuditFinding(f"{leak.log}: {leak.name}".removesuffix(": "), evidence, Fix(text))


CHECKS = (
    AuditCheck(
        "secret-in-log",
        AuditSeverity.HIGH,
        tr("a log has secrets"),
        tr("More people read logs than may know the secret, and logs are copied to other systems and kept for long."),
        (LEAKS,),
        judge,
        "https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html#data-to-exclude",
    ),
)
