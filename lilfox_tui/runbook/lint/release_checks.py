"""Hazards of releases, rollbacks and restarts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.i18n import _
from lilfox_tui.runbook.lint.source import Source, hazard
from lilfox_tui.runbook.model import Problem

_RESTARTS = r"\bsystemctl\s+restart\s+\S+|\bservice\s+\S+\s+restart\b"
_LOOKS = r"\bcurl\b|\bwget\b|/health|pg_isready|redis-cli ping|\bnc\s+-z"
_RELOADS = r"\bnginx\s+-s\s+reload\b|\bsystemctl\s+(?:reload|restart)\s+nginx\b"


def check(source: Source) -> Iterator[Problem]:
    """What is to be said of one fence."""
    if source.fence.language in ("yaml", "yml"):
        for line, _found in source.each(r"\bimage:\s*\S+:latest\b"):
            yield hazard(line, "unpinned", _("which version that is changes by itself; name a tag or a digest"))
    if not source.shell:
        return
    yield from _switching(source)
    yield from _versions(source)
    yield from _values(source)
    yield from _restarting(source)


def _switching(source: Source) -> Iterator[Problem]:
    for line, found in source.each(r"^(sudo\s+)?sed\s+(?:-\w+\s+)*-i\w*\s+.*?(/etc/\S+|\S+)$"):
        if not source.has(r"\bgrep\b|nginx\s+-T"):
            yield hazard(
                line,
                "sed-matches-nothing",
                _("sed exits 0 when it changes nothing; read back afterwards (grep -q) what must stand there"),
            )
        if found[2].startswith("/etc/") and not found[1] and source.has(r"\bsudo\b"):
            yield hazard(line, "without-sudo", _("{path} is root's, and only other lines have sudo", path=found[2]))
    for line, _found in source.each(_RELOADS):
        if not source.has(r"\bnginx\s+-t\b"):
            yield hazard(
                line,
                "reload-untested",
                _("a configuration with a fault is kept out only if it is tested; nginx -t first"),
            )
    for line, found in source.each(r"^(CURRENT_\w+|ACTIVE_\w+)="):
        again = [number for number, other in source.each(rf"^{found[1]}=") if number != line]
        if source.script and again and line < again[0] and not source.has(r"\bcat\b|\bread\b|nginx\s+-T"):
            yield hazard(
                line,
                "state-forgotten",
                _(
                    "${name} begins anew with each call, whatever is in force; read it back from what serves",
                    name=found[1],
                ),
            )


def _versions(source: Source) -> Iterator[Problem]:
    for line, _found in source.each(r"\bgit\s+pull\b"):
        yield hazard(
            line, "unpinned", _("takes what is newest just then; fetch, and check out the commit that was tested")
        )
    for line, _found in source.each(r"\balembic\s+upgrade\b|\bmanage\.py\s+migrate\b|\bflyway\s+migrate\b"):
        if not source.has(r"pg_dump|backup|pg_basebackup"):
            yield hazard(
                line,
                "migrates-without-backup",
                _("changes the schema, and nothing to go back to was kept; back up first"),
            )
    restart = source.first(_RESTARTS)
    for line, _found in source.each(r"\bgit\s+(?:checkout|reset)\b"):
        if restart and not source.has(r"\bpip\s+install\b|\bnpm\s+ci\b|alembic\s+downgrade"):
            yield hazard(
                line,
                "checkout-alone",
                _("dependencies and schema stay those of the other version; go back with all three, and look first"),
            )


def _values(source: Source) -> Iterator[Problem]:
    """Arguments of a script."""
    for line, found in source.each(r"^(?:local\s+)?(\w+)=\"?\$\{?1\b"):
        used = [text for _line, text in source.lines if re.search(rf"\$\{{?{found[1]}\b", text)]
        if used and all(re.match(r"(?:echo|log|printf)\b", text) for text in used):
            yield hazard(line, "value-unused", _("${name} is only said, never used", name=found[1]))
        checked = rf"=~|\bcase\b|rev-parse|-z\s+\"?\${found[1]}"
        risky = any(re.search(r"\bgit\b|\brm\b|/[^\s/]*\$|\bpsql\b", text) for text in used)
        if risky and not source.has(checked):
            yield hazard(
                line,
                "value-unchecked",
                _("${name} is taken as it comes: --force, ../; test its form first", name=found[1]),
            )


def _restarting(source: Source) -> Iterator[Problem]:
    if source.has(r"\bis-active\b") and source.has(_RESTARTS) and source.script:
        line = source.first(_RESTARTS)
        if not source.has(r"\bis-enabled\b|maintenance"):
            yield hazard(
                line,
                "starts-what-was-stopped",
                _("also starts what somebody stopped on purpose, as often as it is called; is-enabled, a limit"),
            )
        if not source.has(_LOOKS):
            after = next((n for n, _f in source.each(r"\bis-active\b") if n > line), line)
            yield hazard(
                after,
                "active-is-not-healthy",
                _("active says that a process runs, not that it answers; ask its health"),
            )
    elif source.script and (line := source.first(_RESTARTS)) and not source.has(rf"{_LOOKS}|is-active"):
        yield hazard(
            line,
            "restart-unchecked",
            _("the only one that serves is stopped and started, and nobody looks whether it answers; ask its health"),
        )
