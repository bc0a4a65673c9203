"""Repositories of restic, Borg and pgBackRest: when the newest snapshot was written, read from their files without a
password."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import SETTINGS, Printed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_duration

DEFAULT_RPO_S = 2 * 86400
# pgBackRest: the archive of WAL is as much a backup as the set before it. Of Borg only the last write can be told.
_FOUND = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
newest() { find "$@" -exec stat -c %Y {} + 2>/dev/null | sort -n | tail -n 1; }
show() { printf '%s %s %s %s\n' "$1" "${2:-0}" "$(stat -c %Y -- "$3")" "$4"; }
printf 'now %s\n' "$(date +%s)"
IFS='
'
set --
for folder in /srv /backup /backups /var/backups /mnt /media /home /root /opt /data; do
    [ -d "$folder" ] && set -- "$@" "$folder/"
done
for folder in $(sed -n 's,^/dev/[^ ]* \(/[^ ]*\) .*,\1,p' /proc/mounts | grep -vE '^/(boot|usr|var/lib)?(/|$)'); do
    set -- "$@" "$folder/"
done
{
    printf '%s\n' "$LILFOX_REPOSITORIES" /var/lib/pgbackrest
    sed -n 's/^repo[0-9]*-path[[:space:]]*=[[:space:]]*//p' \
        /etc/pgbackrest.conf /etc/pgbackrest/pgbackrest.conf /etc/pgbackrest/conf.d/*.conf 2>/dev/null
    find "$@" -xdev -maxdepth 4 -type d \( -name .git -o -name node_modules -o -name proc \) -prune \
        -o \( -path '*/config' -o -name backup.info \) -type f -print |
        sed 's,/config$,,; s,/backup/[^/]*/backup\.info$,,'
} | sed 's,\(.\)/*$,\1,; s,//*,/,g' | sort -u | while IFS= read -r place; do
    [ -n "$place" ] || continue
    if [ -f "$place/config" ] && [ -d "$place/snapshots" ] && [ -d "$place/keys" ] && [ -d "$place/index" ]; then
        show restic "$(newest "$place/snapshots" -type f)" "$place/config" "$place"
    elif [ -f "$place/config" ] && [ -d "$place/data" ] && grep -qs 'Borg Backup repo' "$place/README"; then
        show borg "$(newest "$place" -maxdepth 1 -type f -name 'index.*')" "$place/config" "$place"
    elif [ -d "$place/backup" ] && [ -n "$(find "$place/backup" -maxdepth 2 -name backup.info)" ]; then
        for file in "$place"/backup/*/backup.info; do
            stanza=${file%/backup.info}; stanza=${stanza##*/}
            stopped=$(sed -n 's/.*"backup-timestamp-stop":\([0-9]*\).*/\1/p' "$file" | sort -n | tail -n 1)
            grep -q '^\[' "$file" || stopped=$(stat -c %Y -- "$file")
            archived=$(newest "$place/archive/$stanza" -mindepth 2 -maxdepth 2 -type d)
            [ "${archived:-0}" -gt "${stopped:-0}" ] && [ "${stopped:-0}" -gt 0 ] && stopped=$archived
            show "pgbackrest:$stanza" "$stopped" "$file" "$place"
        done
    else
        for named in $LILFOX_REPOSITORIES; do [ "${named%/}" = "$place" ] && printf 'none 0 0 %s\n' "$place"; done
    fi
done
exit 0
"""
_NAMES = {"restic": "restic", "borg": "Borg", "pgbackrest": "pgBackRest"}


class BackupRepository(Struct, frozen=True):
    """A repository: when its newest snapshot was written, None without one, and when it was made; seconds since 1970.
    ``kind`` is empty where there is none at a path of the configuration."""

    kind: str
    stanza: str
    newest: int | None
    made: int
    path: str


class BackupRepositories(Struct, frozen=True):
    """The repositories of a host, and its time."""

    now: int
    found: tuple[BackupRepository, ...]


def parse_repositories(printed: Printed) -> BackupRepositories:
    """The repositories, by kind and path."""
    (_now, now), *lines = (line.split(" ", 1) for line in printed.lines())
    found = []
    for kind, rest in lines:
        written, made, path = rest.split(" ", 2)
        name, _colon, stanza = kind.partition(":")
        known = name if name in _NAMES else ""
        found.append(BackupRepository(known, stanza, _time(written) or None, _time(made), path))
    return BackupRepositories(_time(now), tuple(found))


def _time(word: str) -> int:
    if not re.fullmatch(r"\d{1,10}", word):
        raise ValueError(word)
    return int(word)


REPOSITORIES = Fact("repositories", _FOUND, parse_repositories)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Repositories whose newest snapshot is older than the RPO."""
    answer = facts[REPOSITORIES]
    rpo = facts[SETTINGS].rpo or DEFAULT_RPO_S
    if not answer.found:
        raise Absent
    missing = ""
    for each in answer.found:
        if not each.kind:
            missing = each.path
        elif answer.now - (each.newest or each.made) > rpo:
            subject = f"{each.path}: {each.stanza}" if each.stanza else each.path
            yield AuditFinding(subject, _evidence(each, answer.now, human_duration(rpo)), _fix(each))
    if missing:
        raise NotKnown(tr("{path}: no repository of restic, Borg or pgBackRest", path=missing))


def _evidence(each: BackupRepository, now: int, goal: str) -> Message:
    name = _NAMES[each.kind]
    if each.newest is None:
        return tr("{path}: a repository of {name} without a snapshot; the RPO is {goal}",
                  path=each.path, name=name, goal=goal)  # fmt: skip
    at = datetime.fromtimestamp(each.newest, UTC).strftime("%Y-%m-%d %H:%M UTC")
    age = human_duration(now - each.newest)
    if each.kind == "borg":
        return tr("{path}: the last write to this repository of {name} was {age} ago ({at}); the RPO is {goal}",
                  path=each.path, name=name, age=age, at=at, goal=goal)  # fmt: skip
    return tr("{path}: the newest snapshot in this repository of {name} is {age} old ({at}); the RPO is {goal}",
              path=each.path, name=name, age=age, at=at, goal=goal)  # fmt: skip


def _fix(each: BackupRepository) -> Fix:
    path = shlex.quote(each.path)
    if each.kind == "pgbackrest":
        stanza = each.stanza if re.fullmatch(r"[\w.-]+", each.stanza) else shlex.quote(each.stanza)
        text = tr("Find out why there is no newer one, in its log and the timer that starts it. Then back up.")
        return Fix(text, commands=(f"runuser -u postgres -- pgbackrest --stanza={stanza} backup",))
    look = {"restic": f"restic -r {path} snapshots --latest 1", "borg": f"borg list --last 1 {path}"}[each.kind]
    text = tr(
        "Find out why there is no newer one: whether a timer or cron starts {name}, and what it said. Then back up. "
        "If the repository is no longer in use, remove it, or accept the finding.",
        name=_NAMES[each.kind],
    )
    return Fix(text, commands=("systemctl list-timers --all", look))


CHECKS = (
    AuditCheck(
        "repository-too-old",
        AuditSeverity.MEDIUM,
        tr("a backup repository has no recent snapshot"),
        tr("Everything that was written since then is lost when the data is."),
        (REPOSITORIES, SETTINGS),
        judge,
        "https://restic.readthedocs.io/en/stable/design.html",
        target="host",
    ),
)
