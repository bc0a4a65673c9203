"""Lint checks of operations: backups, restores, releases, rollbacks and restarts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.core.i18n import _
from lilfox_tui.runbook.lint.script_checks import FenceSource, hazard
from lilfox_tui.runbook.model import Problem

# Hazards of shell scripts that back up and restore.


_DUMPS = r"\b(?:pg_dump|pg_dumpall|pg_basebackup|mysqldump|mongodump)\b"
_WRITES_BACKUP = rf"{_DUMPS}|\btar\s+-?\w*c\w*|\bcp\s+\S*\.env\b"
_CLIENTS = r"\b(?:pg_dump|psql|pg_restore|pg_dumpall)\b"


def check_backup(source: FenceSource) -> Iterator[Problem]:
    """Yield the problems of one fence."""
    if not source.shell:
        return
    yield from _dumping(source)
    yield from _restoring(source)
    yield from _clients(source)
    if source.script and source.has(_WRITES_BACKUP):
        yield from _keeping(source)
        yield from _writing(source)


def _dumping(source: FenceSource) -> Iterator[Problem]:
    if not source.has("pipefail"):
        for line, _found in source.each(rf"(?:{_DUMPS}|\btar\s+-?\w*c)[^|]*\|(?!\|)"):
            yield hazard(
                line,
                "pipe-hides-failure",
                _("when the first command of a pipe fails, the pipe exits 0 and leaves a short file; set -o pipefail"),
            )
    if (line := source.first(r"\bpg_dump\b")) and not source.has(r"pg_dumpall|globals"):
        yield hazard(
            line,
            "dump-without-roles",
            _("pg_dump omits roles, their passwords and settings; also keep pg_dumpall --globals-only"),
        )


def _keeping(source: FenceSource) -> Iterator[Problem]:
    """Yield problems with the retention of old backups."""
    if not source.stops:
        for line, _found in source.each(r"\bfind\b.*-mtime.*(?:-delete|-exec\s+rm|xargs\s+\S*rm)"):
            yield hazard(
                line,
                "prunes-after-failure",
                _("also runs after a failure, by file time: the last good backup is deleted; prune verified ones"),
            )
    dated = source.first(r"\b(?:cp|tar)\b.*\$\{?\w*(?:DATE|STAMP)")
    if dated and not source.has(r"-delete|\brm\b|prune|forget"):
        yield hazard(
            dated,
            "never-pruned",
            _("writes files with new names, and nothing here deletes old ones; the disk fills up"),
        )
    if source.has(r"=\$\(date[^)]*%[ST]") and (
        line := source.first(r"^(?:bash|sh|source|\.)\s+\S+\.sh\b|^\./\S+\.sh\b")
    ):
        yield hazard(
            line,
            "two-clocks",
            _("that script reads the time again: its names may differ by a second; pass the name to it"),
        )


def _writing(source: FenceSource) -> Iterator[Problem]:
    """Yield problems with how backups are written."""
    first = source.first(_WRITES_BACKUP)
    if not source.has(r"\bumask\s+0?[07]77|chmod\s+0?[67]00|install\s+-m"):
        yield hazard(first, "readable-by-all", _("every user of the host can read what it writes; set umask 077 first"))
    if not source.has(r"\bflock\b|\blockfile\b|mkdir\s+\S*lock"):
        yield hazard(first, "no-lock", _("two runs at once (cron and a person) write to the same files; use flock"))
    for line, found in source.each(r"""^\w+=["']?(/(?:backup|mnt|media|srv/backup)\S*?)["']?$"""):
        if not source.has(r"\bmountpoint\b|\bfindmnt\b"):
            yield hazard(
                line,
                "no-mount-check",
                _(
                    "when {path} is not mounted, everything is written to the system disk; check with mountpoint -q",
                    path=found[1],
                ),
            )
    for line, found in source.each(r"""^\w*LOG\w*=["']?\$\{?(\w*(?:BACKUP|ROOT|DEST)\w*)"""):
        yield hazard(
            line,
            "log-on-same-disk",
            _(
                "the log is on the disk that backups fill: a full disk silences it; log elsewhere ({name})",
                name=found[1],
            ),
        )


def _restoring(source: FenceSource) -> Iterator[Problem]:
    for line, _found in source.each(r"\bgunzip\s+(?!.*(?:-\w*[ckt]|--keep|--stdout|--test))\S"):
        yield hazard(line, "gunzip-removes", _("removes the .gz, and with it the backup; use gunzip -c, or -k"))
    for line, _found in source.each(r"\btar\s+-?\w*x.*\s-C\s*/(?:\s|$)"):
        yield hazard(
            line,
            "unpacks-into-root",
            _("unpacks into /, wherever the files were; unpack into another directory and move them over"),
        )
    for line, _found in source.each(r"\bcp\s+\S*(?:backup|BACKUP|env_)\S*\s+\S*\.env$"):
        yield hazard(
            line,
            "overwrites-secrets",
            _("overwrites .env with the permissions of umask; use install -m 0600, keep the old file"),
        )
    restores = source.first(r"\bpsql\b.*<\s*\S|\|\s*psql\b|\bpg_restore\b|\btar\s+-?\w*x")
    if restores and source.script and not source.has(r"(?:\[\[?|\btest)\s+-[efrs]\s|gzip\s+-t|--test"):
        yield hazard(
            restores,
            "restore-without-preflight",
            _("starts to overwrite before every part is known to be present and intact; check all of them first"),
        )


def _clients(source: FenceSource) -> Iterator[Problem]:
    for line, found in source.each(r"\bpsql\b.*?(?:<\s*\S|\s-f\s)|\|\s*psql\b"):
        if "ON_ERROR_STOP" not in found.string:
            yield hazard(
                line,
                "psql-goes-on",
                _("psql continues after errors and exits 0; use -X -1 -v ON_ERROR_STOP=1, into an empty database"),
            )
    if source.has(r"PGPASS|PGSERVICE"):
        return
    for line, found in source.each(rf"{_CLIENTS}.*\s-U\s"):
        unattended = source.script or re.search(r"<|\|", found.string)
        if unattended and not re.search(r"\s(?:-w|--no-password)\b", found.string):
            yield hazard(
                line, "asks-password", _("may wait for a password that nobody enters; use -w and PGPASSFILE, mode 0600")
            )


# Hazards of releases, rollbacks and restarts.


_RESTARTS = r"\bsystemctl\s+restart\s+\S+|\bservice\s+\S+\s+restart\b"
_LOOKS = r"\bcurl\b|\bwget\b|/health|pg_isready|redis-cli ping|\bnc\s+-z"
_RELOADS = r"\bnginx\s+-s\s+reload\b|\bsystemctl\s+(?:reload|restart)\s+nginx\b"


def check_release(source: FenceSource) -> Iterator[Problem]:
    """Yield the problems of one fence."""
    if source.fence.language in ("yaml", "yml"):
        for line, _found in source.each(r"\bimage:\s*\S+:latest\b"):
            yield hazard(line, "unpinned", _("this version changes by itself; pin a tag or a digest"))
    if not source.shell:
        return
    yield from _switching(source)
    yield from _versions(source)
    yield from _values(source)
    yield from _restarting(source)


def _switching(source: FenceSource) -> Iterator[Problem]:
    for line, found in source.each(r"^(sudo\s+)?sed\s+(?:-\w+\s+)*-i\w*\s+.*?(/etc/\S+|\S+)$"):
        if not source.has(r"\bgrep\b|nginx\s+-T"):
            yield hazard(
                line,
                "sed-matches-nothing",
                _("sed exits 0 when it changes nothing; afterwards check for the expected text (grep -q)"),
            )
        if found[2].startswith("/etc/") and not found[1] and source.has(r"\bsudo\b"):
            yield hazard(
                line, "without-sudo", _("{path} belongs to root, and only other lines use sudo", path=found[2])
            )
    for line, _found in source.each(_RELOADS):
        if not source.has(r"\bnginx\s+-t\b"):
            yield hazard(
                line,
                "reload-untested",
                _("only a test keeps out a broken configuration; run nginx -t first"),
            )
    for line, found in source.each(r"^(CURRENT_\w+|ACTIVE_\w+)="):
        again = [number for number, other in source.each(rf"^{found[1]}=") if number != line]
        if source.script and again and line < again[0] and not source.has(r"\bcat\b|\bread\b|nginx\s+-T"):
            yield hazard(
                line,
                "state-forgotten",
                _(
                    "${name} is reset on every call, whatever is active; read it back from the live system",
                    name=found[1],
                ),
            )


def _versions(source: FenceSource) -> Iterator[Problem]:
    for line, _found in source.each(r"\bgit\s+pull\b"):
        yield hazard(
            line, "unpinned", _("pulls whatever is newest at that moment; fetch, and check out the tested commit")
        )
    for line, _found in source.each(r"\balembic\s+upgrade\b|\bmanage\.py\s+migrate\b|\bflyway\s+migrate\b"):
        if not source.has(r"pg_dump|backup|pg_basebackup"):
            yield hazard(
                line,
                "migrates-without-backup",
                _("changes the schema without a backup to return to; back up first"),
            )
    restart = source.first(_RESTARTS)
    for line, _found in source.each(r"\bgit\s+(?:checkout|reset)\b"):
        if restart and not source.has(r"\bpip\s+install\b|\bnpm\s+ci\b|alembic\s+downgrade"):
            yield hazard(
                line,
                "checkout-alone",
                _("dependencies and schema stay at the other version; roll back all three, and check first"),
            )


def _values(source: FenceSource) -> Iterator[Problem]:
    """Yield problems with the arguments of a script."""
    for line, found in source.each(r"^(?:local\s+)?(\w+)=\"?\$\{?1\b"):
        used = [text for _line, text in source.lines if re.search(rf"\$\{{?{found[1]}\b", text)]
        if used and all(re.match(r"(?:echo|log|printf)\b", text) for text in used):
            yield hazard(line, "value-unused", _("${name} is only printed, never used", name=found[1]))
        checked = rf"=~|\bcase\b|rev-parse|-z\s+\"?\${found[1]}"
        risky = any(re.search(r"\bgit\b|\brm\b|/[^\s/]*\$|\bpsql\b", text) for text in used)
        if risky and not source.has(checked):
            yield hazard(
                line,
                "value-unchecked",
                _("${name} is used unchecked (--force, ../); check its form first", name=found[1]),
            )


def _restarting(source: FenceSource) -> Iterator[Problem]:
    if source.has(r"\bis-active\b") and source.has(_RESTARTS) and source.script:
        line = source.first(_RESTARTS)
        if not source.has(r"\bis-enabled\b|maintenance"):
            yield hazard(
                line,
                "starts-what-was-stopped",
                _("also starts what was stopped on purpose, on every call; check is-enabled, set a limit"),
            )
        if not source.has(_LOOKS):
            after = next((n for n, _f in source.each(r"\bis-active\b") if n > line), line)
            yield hazard(
                after,
                "active-is-not-healthy",
                _("active means that a process runs, not that it responds; check its health"),
            )
    elif source.script and (line := source.first(_RESTARTS)) and not source.has(rf"{_LOOKS}|is-active"):
        yield hazard(
            line,
            "restart-unchecked",
            _("restarts the only serving instance without checking that it responds; check its health"),
        )
