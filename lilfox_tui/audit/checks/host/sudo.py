"""sudo: who may run everything as root without a password."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import tr

_SCRIPT = r"""
[ -e /etc/sudoers ] || exit 127
[ -r /etc/sudoers ] || exit 1
grep -rHnE '^[^#]*NOPASSWD:' /etc/sudoers /etc/sudoers.d
[ $? -lt 2 ]
"""
_RULE = re.compile(r"([^:]+):(\d+):\s*(\S+)\s.*NOPASSWD:\s*((?:\w+:\s*)*)(.*)")


class SudoRule(Struct, frozen=True):
    """A rule without a password: its file and line, for whom it is, and the commands."""

    file: str
    line: int
    who: str
    commands: tuple[str, ...]


def parse(printed: Printed) -> list[SudoRule]:
    """The rules in grep's ``FILE:NUMBER:LINE``. sudo skips files whose names contain a dot or end in a tilde."""
    if printed.status == NO_PROGRAM:
        raise Absent
    found = []
    for text in printed.lines():
        match = _RULE.match(text)
        if match is None:
            continue
        file, number, who, _tags, commands = match.groups()
        name = file.rpartition("/")[2]
        if file.startswith("/etc/sudoers.d/") and ("." in name or name.endswith("~")):
            continue
        found.append(SudoRule(file, int(number), who, tuple(each.strip() for each in commands.split(","))))
    return found


RULES = Fact("sudo-rules", _SCRIPT, parse)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Rules whose commands are ALL."""
    for rule in facts[RULES]:
        if "ALL" in rule.commands:
            yield AuditFinding(
                f"{rule.file}: {rule.who}",
                tr("{file}:{line}: {who} may run ALL with NOPASSWD", file=rule.file, line=rule.line, who=rule.who),
                Fix(
                    tr("Remove NOPASSWD from the rule, or name the commands that need it instead of ALL."),
                    commands=(f"visudo -f {shlex.quote(rule.file)}",),
                ),
            )


CHECKS = (
    AuditCheck(
        "sudo-nopasswd",
        AuditSeverity.MEDIUM,
        tr("sudo gives root without a password"),
        tr("Whoever gets into this account, by a stolen key or a fault of a program, is root."),
        (RULES,),
        judge,
        "https://www.sudo.ws/docs/man/sudoers.man/#NOPASSWD",
    ),
)
