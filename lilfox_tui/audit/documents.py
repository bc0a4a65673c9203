"""The result of an audit as JSON, as SARIF 2.1.0, and as Markdown. None of them contains a secret or a line number in
what identifies a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from lilfox_tui import __version__
from lilfox_tui.audit.catalogue import group_of
from lilfox_tui.audit.model import SEVERITY_TEXTS, AuditCheck, AuditSeverity, NotChecked
from lilfox_tui.audit.states import Entry, Result
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import clean
from lilfox_tui.redact import redact

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = dict(zip(AuditSeverity, ("note", "warning", "error", "error"), strict=True))
_SCORES = dict(zip(AuditSeverity, ("2.0", "5.0", "8.0", "9.5"), strict=True))
"""``security-severity`` of each, by which GitHub sorts."""


def shown(text: object) -> str:
    """Text of a host as one line without secrets and escapes."""
    return clean(redact(str(text)))


def json_document(result: Result, checks: Sequence[AuditCheck]) -> dict[str, Any]:
    """The document of ``--json``; its schema is ``cli/schemas/audit.json``."""
    return {
        "at": result.at.isoformat(),
        "checks": [check.id for check in checks],
        "findings": [_finding(entry) for entry in result.entries],
        "gone": [
            {"id": each.check, "target": {"kind": each.kind, "name": each.name}, "subject": shown(each.subject)}
            for each in result.gone
        ],
        "not_checked": [
            {"id": each.check.id, "target": _target(each), "reason": shown(each.reason)} for each in result.not_checked
        ],
        "passed": [{"id": each.check.id, "target": _target(each)} for each in result.passed],
    }


def _target(each: Any) -> dict[str, str]:
    return {"kind": each.target.kind, "name": each.target.name}


def _finding(entry: Entry) -> dict[str, Any]:
    found, fix = entry.found, entry.found.finding.fix
    accepted = entry.accepted
    return {
        "id": found.check.id,
        "group": group_of(found.check),
        "tags": list(found.check.tags),
        "severity": found.severity.name.lower(),
        "state": entry.state,
        "target": _target(found),
        "subject": shown(found.finding.subject),
        "title": str(found.check.title),
        "evidence": shown(found.finding.evidence),
        "fix": {"text": str(fix.text), "file": fix.file, "lines": list(fix.lines), "commands": list(fix.commands)},
        "first_seen": entry.first_seen.isoformat(),
        "fingerprint": found.fingerprint,
        "accepted": None if accepted is None else {"why": accepted.why, "until": accepted.until},
        "reference": found.check.reference,
    }


def sarif_document(result: Result, checks: Sequence[AuditCheck]) -> dict[str, Any]:
    """SARIF 2.1.0 (OASIS): one rule for each check, also for those that found nothing. A finding that is accepted has a
    suppression, and a check that could not be made a notification."""
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "LilFox",
                        "semanticVersion": __version__,
                        "rules": [_rule(check) for check in checks],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [_notification(each) for each in result.not_checked],
                    }
                ],
                "results": [_sarif_result(entry, checks) for entry in result.entries],
            }
        ],
    }


def _rule(check: AuditCheck) -> dict[str, Any]:
    return {
        "id": check.id,
        "shortDescription": {"text": str(check.title)},
        "fullDescription": {"text": str(check.why)},
        "helpUri": check.reference,
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"tags": [group_of(check), *check.tags], "security-severity": _SCORES[check.severity]},
    }


def _notification(each: NotChecked) -> dict[str, Any]:
    text = f"{each.target.kind} {each.target.name}: {shown(each.reason)}"
    return {"associatedRule": {"id": each.check.id}, "level": "warning", "message": {"text": text}}


def _sarif_result(entry: Entry, checks: Sequence[AuditCheck]) -> dict[str, Any]:
    found = entry.found
    where = f"{found.target.kind}/{found.target.name}"
    accepted = entry.accepted if entry.state == "accepted" else None
    return {
        "ruleId": found.check.id,
        "ruleIndex": list(checks).index(found.check),
        "level": _LEVELS[found.severity],
        "message": {"text": f"{where}: {shown(found.finding.evidence)}. {found.finding.fix.text}"},
        "locations": [
            {
                "logicalLocations": [
                    {"fullyQualifiedName": f"{where}/{shown(found.finding.subject)}", "kind": "resource"}
                ]
            }
        ],
        "partialFingerprints": {"lilfox/v1": found.fingerprint},
        "suppressions": []
        if accepted is None
        else [
            {
                "kind": "external",
                "status": "accepted",
                "justification": f"{accepted.why} ({accepted.until})",
            }
        ],
    }


def markdown_lines(result: Result) -> Iterator[str]:
    """A report for people: a table of the findings, then each with its evidence and fix."""
    yield "# " + _("Audit of {time}", time=result.at.strftime("%Y-%m-%d %H:%M UTC"))
    yield ""
    yield summary(result)
    for entry in result.entries:
        found, fix = entry.found, entry.found.finding.fix
        yield ""
        yield f"## {_cell(found.target.name)}: {_cell(found.check.title)} ({SEVERITY_TEXTS[found.severity]})"
        yield ""
        yield f"`{found.check.id}` {_cell(found.finding.evidence)}"
        yield ""
        yield str(fix.text)
        for lines in filter(None, (fix.lines, fix.commands)):
            yield ""
            yield "```"
            yield from map(shown, lines)
            yield "```"
    if result.not_checked:
        yield ""
        yield "## " + _("Could not check")
        yield ""
        yield from (
            f"- {_cell(each.target.name)}: `{each.check.id}`: {_cell(each.reason)}" for each in result.not_checked
        )


def _cell(text: object) -> str:
    """Text of a host that Markdown takes for nothing else."""
    return "".join(f"\\{char}" if char in r"\`*_{}[]<>()#+-!|" else char for char in shown(text))


def summary(result: Result) -> str:
    """``2 high, 1 medium; 1 accepted; 3 not checked; 12 passed``."""
    open_now = [each for each in result.entries if each.state != "accepted"]
    counts = Counter(each.found.severity for each in open_now)
    worst_first = sorted(counts.items(), reverse=True)
    parts = [listed(f"{count} {SEVERITY_TEXTS[severity]}" for severity, count in worst_first) or _("no findings")]
    if accepted := len(result.entries) - len(open_now):
        parts.append(ngettext("{count} accepted", "{count} accepted", accepted))
    if result.gone:
        parts.append(ngettext("{count} gone", "{count} gone", len(result.gone)))
    if result.not_checked:
        parts.append(ngettext("{count} not checked", "{count} not checked", len(result.not_checked)))
    parts.append(ngettext("{count} passed", "{count} passed", len(result.passed)))
    return _("; ").join(parts)
