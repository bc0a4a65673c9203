"""Log files: those that nothing rotates, and those that several processes write over."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import combinations

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import Printed
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_bytes

LARGE_BYTES = 50 * 1024 * 1024
"""A log that has grown to this with nothing to rotate it is a finding; smaller ones are left out."""
_RECENT_DAYS = 7
_ROTATION = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
command -v logrotate >/dev/null && echo installed
{
    systemctl is-enabled --quiet logrotate.timer ||
    { [ -x /etc/cron.daily/logrotate ] &&
        ! { [ -d /run/systemd/system ] && grep -q run/systemd/system /etc/cron.daily/logrotate; }; } ||
    grep -rqsE '^[^#]*logrotate' /etc/crontab /etc/cron.d /var/spool/cron
} 2>/dev/null && echo scheduled
files=$({
    echo /etc/logrotate.conf
    sed -n 's/^[[:space:]]*include[[:space:]]\{1,\}//p' /etc/logrotate.conf | while read -r included; do
        [ -d "$included" ] && find "$included" -maxdepth 1 -type f ! -name '.*' ! -name '*.dpkg-*' || echo "$included"
    done
} 2>/dev/null | while IFS= read -r file; do [ -r "$file" ] && printf '%s\n' "$file"; done)
set -f; IFS='
'
[ -z "$files" ] || awk '{ sub(/#.*/, ""); print ">" $0 }' $files
exit 0
"""
_FILES = rf"""
[ "$LILFOX_UID" = 0 ] || exit 1
echo files
{{
    find /var/log -xdev -type d \( -name journal -o -name private -o -name installer \) -prune -o \
        -type f -size +{LARGE_BYTES // 512} -mtime -{_RECENT_DAYS} -print
    IFS='
'
    [ -z "$LILFOX_LOGS" ] ||
        find $LILFOX_LOGS -maxdepth 0 -type f -size +{LARGE_BYTES // 512} -mtime -{_RECENT_DAYS} -print 2>/dev/null
}} | sort -u | while IFS= read -r file; do
    rotated=0
    for other in "$file".* "$file"-* "${{file%.*}}"[-.][0-9]*; do
        [ -e "$other" ] && [ "$other" != "$file" ] && rotated=1
    done
    printf '%s %s\n' "$rotated" "$(stat -c '%b %B' -- "$file") $(stat -c '%a %U %G' -- "${{file%/*}}") $file"
done
exit 0
"""
_WRITERS = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
echo writers
set -- -lname '/var/log/*' -o -lname '*.log'
IFS='
'
for file in $LILFOX_LOGS; do set -- "$@" -o -lname "$file"; done
find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 \( "$@" \) -print 2>/dev/null | head -n 1000 | while IFS= read -r link; do
    path=$(readlink "$link") || continue
    case $path in *' (deleted)'|*/journal/*) continue ;; esac
    process=${link%/fd/*}; number=${link##*/}
    place=$(sed -n 's/^\(pos\|flags\):[[:space:]]*//p' "$process/fdinfo/$number" 2>/dev/null | tr '\n' ' ')
    case $place in *[12]' ') ;; *) continue ;; esac
    unit=$(sed -n 's,.*/\([^/]*\.service\)$,\1,p' "$process/cgroup" 2>/dev/null | head -n 1)
    printf '%s %s %s%s %s\n' "${process#/proc/}" "$number" "$place" "${unit:--}" "$path"
done
exit 0
"""
# Of a process with two logs in one folder, what both end with. Fractions are left out: each handler may ask for the
# time itself. The daemons of syslog write into several logs by design.
_TAILS = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
echo tails
find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -lname '*.log' -printf '%h %l\n' 2>/dev/null | sort -u | head -n 2000 |
    awk '{ pid = $1; sub(/^[^ ]* /, ""); folder = $0; sub(/\/[^\/]*$/, "", folder); key = pid " " folder
        count[key]++; files[key] = files[key] $0 "\n" }
        END { for (key in count) if (count[key] > 1) printf "%s", files[key] }' |
    sort -u | head -n 24 | while IFS= read -r file; do
        [ -s "$file" ] || continue
        printf 'log %s\n' "$file"
        tail -c 32768 -- "$file" | tail -n 31 | head -n 30 | tr -d '\0' |
            sed 's/[.,][0-9][0-9]*//g; s/^/>/' | cut -c 1-300
    done
exit 0
"""
_SYSLOG = re.compile(r"/var/log/(?:syslog|messages|(?:auth|kern|daemon|user|mail|cron|debug)\.log)")
_SAME_LINES = 10
_APPEND = 0o2000
_OUTPUTS = {1: "StandardOutput", 2: "StandardError"}
_SCRIPTS = frozenset({"prerotate", "postrotate", "firstaction", "lastaction", "preremove"})
_OLD = re.compile(r".*(?:\.(?:gz|xz|zst|bz2|old|\d+)|[-._]\d{4}-?\d\d-?\d\d.*)")


class Logrotate(Struct, frozen=True):
    """The configuration of logrotate: whether it is there, whether something starts it, and its patterns."""

    installed: bool
    scheduled: bool
    patterns: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether a pattern matches ``path``; as in glob(7), ``*`` does not match a slash."""
        words = path.split("/")
        for pattern in self.patterns:
            parts = pattern.split("/")
            if len(parts) == len(words) and all(map(fnmatchcase, words, parts)):
                return True
        return False


class LargeLog(Struct, frozen=True):
    """A large log that was written lately: its size, whether there are rotated files of it, its folder's rights."""

    path: str
    size_bytes: int
    has_rotated: bool
    folder_mode: int
    folder_owner: str
    folder_group: str


class LogWriter(Struct, frozen=True):
    """A file descriptor through which a process writes a log. ``unit`` is ``-`` outside of services."""

    pid: int
    number: int
    position: int
    appends: bool
    unit: str
    path: str


def parse_rotation(printed: Printed) -> Logrotate:
    """What logrotate's configuration names, in front of each block of directives."""
    lines = printed.lines()
    patterns: list[str] = []
    pending: list[str] = []
    inside = script = False
    for line in (each[1:].strip() for each in lines if each.startswith(">")):
        if script or line in _SCRIPTS:
            script = line != "endscript"
        elif inside:
            inside = not line.startswith("}")
        elif line:
            head, opens, rest = (line, "", "") if re.search(r"\{[^{},]*+,[^{}]*+\}", line) else line.partition("{")
            if head.rstrip().endswith("{"):
                head, opens = head.rstrip()[:-1], "{"
            pending += [word for word in shlex.split(head) if word.startswith("/")]
            if opens:
                patterns += [each for word in pending for each in _expanded(word)]
                pending, inside = [], "}" not in rest
    return Logrotate("installed" in lines, "scheduled" in lines, tuple(patterns))


def _expanded(pattern: str) -> list[str]:
    """The patterns of one with braces: ``/var/log/{a,b}.log``."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        return [pattern]
    choices = (pattern[: braces.start()] + each + pattern[braces.end() :] for each in braces[1].split(","))
    return [each for choice in choices for each in _expanded(choice)]


def parse_files(printed: Printed) -> list[LargeLog]:
    """The large logs, without rotated ones."""
    found = []
    _heading, *lines = printed.lines()
    for line in lines:
        rotated, blocks, unit, mode, owner, group, path = line.split(" ", 6)
        size = int(blocks) * int(unit)
        if size >= LARGE_BYTES and not _OLD.fullmatch(path.rpartition("/")[2]):
            found.append(LargeLog(path, size, rotated == "1", int(mode, 8), owner, group))
    return found


def parse_writers(printed: Printed) -> list[LogWriter]:
    """The descriptors that write logs."""
    _heading, *lines = printed.lines()
    words = [line.split(" ", 5) for line in lines]
    return [
        LogWriter(int(pid), int(number), int(position), bool(int(flags, 8) & _APPEND), unit, path)
        for pid, number, position, flags, unit, path in words
    ]


def parse_tails(printed: Printed) -> dict[str, list[str]]:
    """The newest lines of logs, by their paths, without fractions of numbers."""
    _heading, *lines = printed.lines()
    found: dict[str, list[str]] = {}
    path = ""
    for line in lines:
        if line.startswith("log "):
            path = line.removeprefix("log ")
            found[path] = []
        elif line.startswith(">"):
            found[path].append(line[1:])
    return {path: each for path, each in found.items() if not _SYSLOG.fullmatch(path)}


TAILS = Fact("log-tails", _TAILS, parse_tails)
ROTATION = Fact("logrotate", _ROTATION, parse_rotation)
FILES = Fact("large-logs", _FILES, parse_files)
WRITERS = Fact("log-writers", _WRITERS, parse_writers)


def judge_rotation(facts: Facts) -> Iterator[AuditFinding]:
    """Large logs that nothing rotates."""
    logrotate = facts[ROTATION]
    for log in facts[FILES]:
        covered = logrotate.covers(log.path)
        if log.has_rotated or (covered and logrotate.installed and logrotate.scheduled):
            continue
        size = human_bytes(log.size_bytes)
        if covered and logrotate.installed:
            evidence = tr(
                "{path}: {size}; logrotate has a rule for it, but neither a timer nor cron starts logrotate",
                path=log.path,
                size=size,
            )
            commands = ("systemctl enable --now logrotate.timer",)
            yield AuditFinding(log.path, evidence, Fix(tr("Start logrotate every day."), commands=commands))
        else:
            evidence = tr("{path}: {size}; no rule of logrotate, no rotated files", path=log.path, size=size)
            yield AuditFinding(log.path, evidence, _rotation_fix(log, logrotate))


def _rotation_fix(log: LargeLog, logrotate: Logrotate) -> Fix:
    name = log.path.strip("/").replace("/", "-").removesuffix(".log")
    file = f"/etc/logrotate.d/{name}"
    path = f'"{log.path}"' if " " in log.path else log.path
    rules = ["daily", "maxsize 100M", "rotate 14", "compress", "delaycompress", "missingok", "notifempty"]
    rules.append("copytruncate")
    if log.folder_mode & 0o022:  # logrotate refuses a folder that others can write to
        rules.append(f"su {log.folder_owner} {log.folder_group}")
    text = tr("Write these lines to {file}. The program does not need a restart.", file=file)
    install = () if logrotate.installed else ("apt-get install -y logrotate",)
    start = () if logrotate.scheduled else ("systemctl enable --now logrotate.timer",)
    lines = (f"{path} {{", *(f"    {rule}" for rule in rules), "}")
    return Fix(text, file, lines, (*install, f"logrotate --debug {shlex.quote(file)}", *start))


def judge_twice(facts: Facts) -> Iterator[AuditFinding]:
    """Two logs of one folder with the same lines, where the name of one begins with that of the other."""
    tails = facts[TAILS]
    for first, second in combinations(sorted(tails), 2):
        names = first.removesuffix(".log"), second.removesuffix(".log")
        if not (names[0].startswith(names[1]) or names[1].startswith(names[0])):
            continue
        same = len(set(tails[first]) & set(tails[second]))
        if same >= _SAME_LINES:
            evidence = tr(
                "{first} and {second}: {count} of the newest {all} lines are the same",
                first=first, second=second, count=same, all=min(len(tails[first]), len(tails[second])),
            )  # fmt: skip
            text = tr(
                "Remove one of the two handlers from the logging of the program and restart it, then remove that log."
            )
            yield AuditFinding(f"{first}: {second.rpartition('/')[2]}", evidence, Fix(text))


def judge_writers(facts: Facts) -> Iterator[AuditFinding]:
    """Logs that two processes have opened, one of them not for appending. What a process has from its parent is one
    description of the file, and harmless."""
    by_path: dict[str, list[LogWriter]] = {}
    for writer in facts[WRITERS]:
        by_path.setdefault(writer.path, []).append(writer)
    for path, writers in by_path.items():
        if not _opened_twice(writers):
            continue
        for unit in sorted({each.unit for each in writers if not each.appends}):
            own = [each for each in writers if each.unit == unit and not each.appends]
            others = sorted({each.unit for each in writers if each.unit != unit}) or [unit]
            evidence = tr(
                "{path}: {unit} has opened it without O_APPEND (process {pid}), and {others} writes to it too",
                path=path,
                unit=unit,
                pid=own[0].pid,
                others=listed(others),
            )
            yield AuditFinding(f"{path}: {unit}", evidence, _writer_fix(path, unit, own))


def _opened_twice(writers: Sequence[LogWriter]) -> bool:
    """Whether two processes have opened the file themselves: they are of two services, or have it under no number and
    at no position in common."""
    return any(_opened_each(one, other, writers) for one in writers for other in writers if one.pid < other.pid)


def _opened_each(one: LogWriter, other: LogWriter, writers: Sequence[LogWriter]) -> bool:
    if one.unit != other.unit:
        return "-" not in (one.unit, other.unit)
    first, second = ([each for each in writers if each.pid == pid] for pid in (one.pid, other.pid))
    in_common = {each.number for each in first} & {each.number for each in second}
    return not in_common and not {each.position for each in first} & {each.position for each in second}


def _writer_fix(path: str, unit: str, own: Sequence[LogWriter]) -> Fix:
    outputs = sorted({_OUTPUTS[each.number] for each in own if each.number in _OUTPUTS}, reverse=True)
    if unit == "-" or len({each.number for each in own} - set(_OUTPUTS)) or not outputs:
        return Fix(_text_of_program())
    file = f"/etc/systemd/system/{unit}.d/50-log.conf"
    text = tr("Write these lines to {file}, then restart the service.", file=file)
    lines = ("[Service]", *(f"{output}=append:{path}" for output in outputs))
    return Fix(text, file, lines, ("systemctl daemon-reload", f"systemctl restart {unit}"))


def _text_of_program() -> Message:
    return tr("Open it for appending in the program (mode “a”), or let each process write a file of its own.")


CHECKS = (
    AuditCheck(
        "log-not-rotated",
        AuditSeverity.MEDIUM,
        tr("nothing rotates a large log"),
        tr("It grows until the file system is full, and then everything on it fails."),
        (ROTATION, FILES),
        judge_rotation,
        "https://man7.org/linux/man-pages/man8/logrotate.8.html",
    ),
    AuditCheck(
        "log-written-twice",
        AuditSeverity.LOW,
        tr("a program writes each record to two logs"),
        tr("It takes twice the disk, and a collector that reads *.log counts and alerts on each record twice."),
        (TAILS,),
        judge_twice,
        "https://docs.python.org/3/howto/logging-cookbook.html#using-file-rotation",
    ),
    AuditCheck(
        "log-overwritten",
        AuditSeverity.MEDIUM,
        tr("two processes overwrite each other's lines in a log"),
        tr("Each writes at its own offset, so lines of the other are lost or cut."),
        (WRITERS,),
        judge_writers,
        "https://man7.org/linux/man-pages/man2/open.2.html",
    ),
)
