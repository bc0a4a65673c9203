"""Scripts that cron or a unit runs, and that dump a database: whether a dump that failed is noticed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import Printed
from lilfox_tui.core.i18n import tr
from lilfox_tui.redact import redact

# Scripts that such a script calls are looked at too, one step on: by an absolute path, or by one below the script's own
# folder or the one above it. The tables of cron are scripts of sh.
_SCRIPTS = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
dumps='(pg_dump|pg_dumpall|pg_basebackup|mysqldump|mariadb-dump|mongodump)'
words() { tr -s ' \t"'"'"'=;&|()<>' '\n' | grep -E "$1" | sort -u; }
files() { while IFS= read -r file; do [ -f "$file" ] && printf '%s\n' "$file"; done; }
tables=$(ls -d /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/root 2>/dev/null | files)
IFS='
'
named=$(
    {
        [ -z "$tables" ] || cat $tables
        sed -n 's/^ExecStart=[-@:+!]*//p' /etc/systemd/system/*.service /usr/local/lib/systemd/system/*.service
    } 2>/dev/null | grep -v '^[[:space:]]*#' | words '^/' | files
    ls -d /etc/cron.daily/* /etc/cron.hourly/* /etc/cron.weekly/* 2>/dev/null | files
)
scripts=$(grep -lsIE -m 1 '^#!.*sh' /dev/null $named)
called=$(
    for script in $(grep -lsIE -m 1 '^[[:space:]]*[^#[:space:]].*\.(sh|bash)' /dev/null $scripts); do
        head -c 65536 -- "$script" | grep -v '^[[:space:]]*#' | words '\.(sh|bash)$' | while IFS= read -r word; do
            word=${word#./}
            for path in "$word" "${script%/*}/$word" "${script%/*/*}/$word"; do
                case $path in /*) [ -f "$path" ] && printf '%s\n' "$path" && break ;; esac
            done
        done
    done
)
grep -lsIE -m 1 "$dumps" /dev/null $tables $scripts $called | sort -u | head -n 100 | while IFS= read -r script; do
    first=$(head -n 1 -- "$script" | cut -c 1-200)
    case $script in /etc/crontab|/etc/cron.d/*|/var/spool/cron/*) first='#!/bin/sh' ;; esac
    head -c 65536 -- "$script" | grep -qE 'pipefail|PIPESTATUS|dump complete' && piped=checked || piped=unchecked
    head -c 65536 -- "$script" | grep -E "^[^#]*$dumps([[:space:]]|\$)" | head -n 5 | cut -c 1-300 |
        while IFS= read -r line; do printf '%s %s\n%s\n>%s\n' "$piped" "$script" "$first" "$line"; done
done
exit 0
"""
_DUMP = re.compile(r"\b(?:pg_dump|pg_dumpall|pg_basebackup|mysqldump|mariadb-dump|mongodump)(?:\s|\Z)")
_NEXT_COMMAND = re.compile(r";|&&|\|\|")
_SHELLS = re.compile(r"#!\s*(?:/usr/bin/env\s+)?(?:\S*/)?(bash|zsh|ksh)\b")


class DumpLine(Struct, frozen=True):
    """A line of a script that dumps a database. ``checked``: the script sets ``pipefail``; ``first`` is its first
    line."""

    script: str
    first: str
    line: str
    checked: bool

    @property
    def hides(self) -> bool:
        """Whether the status of the dump is lost in a pipe."""
        pipes = [each.split("|")[:-1] for each in _NEXT_COMMAND.split(self.line)]
        return not self.checked and any(_DUMP.search(program) for pipe in pipes for program in pipe)


def parse_dumps(printed: Printed) -> list[DumpLine]:
    """Three lines for each dump: how pipes are checked and the script, its first line, and the line of the dump."""
    lines = printed.lines()
    found = []
    for head, first, line in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        piped, _blank, script = head.partition(" ")
        if piped not in ("checked", "unchecked"):
            raise ValueError(head)
        found.append(DumpLine(script, first, line.removeprefix(">").strip(), piped == "checked"))
    return found


DUMPS = Fact("dump-scripts", _SCRIPTS, parse_dumps)


def judge_pipes(facts: Facts) -> Iterator[AuditFinding]:
    """Scripts that pipe a dump into another program, and have the status of that alone."""
    dumps = facts[DUMPS]
    if not dumps:
        raise Absent
    for script in dict.fromkeys(each.script for each in dumps if each.hides):
        dump = next(each for each in dumps if each.script == script and each.hides)
        evidence = tr("{script}: {line}; the script does not set pipefail", script=script, line=redact(dump.line))
        yield AuditFinding(script, evidence, _fix(dump))


def _fix(dump: DumpLine) -> Fix:
    if _SHELLS.match(dump.first):
        text = tr("Let the script fail when the dump does, and check the newest dump: it may be empty.")
        return Fix(text, commands=(f"sed -i '1a set -e -o pipefail' {shlex.quote(dump.script)}",))
    return Fix(
        tr(
            "Write the dump to a file, check its status, and compress it then: sh has no pipefail. Check the newest "
            "dump: it may be empty."
        )
    )


CHECKS = (
    AuditCheck(
        "backup-failure-hidden",
        AuditSeverity.HIGH,
        tr("a backup script does not notice that the dump failed"),
        tr(
            "The status of a pipe is that of its last program: a dump that failed leaves an empty file, is called a "
            "success, and older dumps are removed all the same."
        ),
        (DUMPS,),
        judge_pipes,
        "https://www.gnu.org/software/bash/manual/bash.html#Pipelines",
        target="host",
    ),
)
