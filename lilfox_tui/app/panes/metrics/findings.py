"""Findings of the audit: in one line, as a section of the page of what they are about, as choices, and as a page. Pure.

Nothing of audit/ is imported: what is shown comes with the overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from lilfox_tui.app import dialogs
from lilfox_tui.app.panes.metrics.sections import Section, SectionStyle, draw_sections, text_section
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, fit, human_age
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import AuditView, FindingView


def audit_text(view: AuditView) -> str:
    """The result of the newest audit: ``1 critical, 2 high``, or why there is none."""
    if view.error is not None:
        return _("the audit failed: {why}", why=view.error)
    return listed(f"{count} {severity}" for severity, count in view.by_severity()) or _("no findings")


def audit_summary(view: AuditView) -> str:
    """The whole result in a sentence: what was found, and what could not be checked."""
    parts = [audit_text(view)]
    if view.error is None:
        if view.not_checked:
            parts.append(ngettext("{count} not checked", "{count} not checked", len(view.not_checked)))
        parts.append(ngettext("{count} passed", "{count} passed", view.passed))
    return clauses(parts)


def audit_detail(view: AuditView, now: datetime, glyphs: Glyphs) -> list[Row]:
    """The row of the findings as text, and what enter does."""
    head = (Piece(f" {glyphs.degraded} ", "degraded"), Piece(_("audit"), "strong"))
    age = "" if view.at is None else _("{time} ago", time=human_age((now - view.at).total_seconds()))
    told = _("running now") if view.running else _("enter lists the findings; :audit runs it again")
    return [
        (*head, Piece(f"  {age}  ", "muted"), Piece(audit_summary(view), "degraded")),
        (Piece("   "), Piece(told)),
    ]


def finding_row(finding: FindingView, glyphs: Glyphs, widths: tuple[int, int] = (0, 0), *, named: bool = False) -> Row:
    """A finding in one line: how urgent it is, its check, its subject, and what is wrong; ``named``: with its target.
    ``widths`` are those of the columns of urgency and check (:func:`finding_widths`)."""
    role = ROLES[finding.level] if finding.is_open else "muted"
    mark = glyphs.level(finding.level if finding.is_open else Level.GOOD)
    until = "" if finding.is_open else "  " + _("accepted until {day}", day=finding.accepted_until)
    subject = finding.subject if finding.subject not in (finding.target, finding.check) else ""
    severity, check = str(finding.severity_text), finding.check
    return (
        Piece(f"{mark} ", role),
        Piece(fit(severity, max(widths[0], cell_width(severity))) + "  ", role),
        *((Piece(f"{finding.target}  ", "strong"),) if named else ()),
        Piece(fit(check, max(widths[1], cell_width(check))) + "  ", "strong" if finding.is_open else "muted"),
        *((Piece(f"{subject}  ", "text"),) if subject else ()),
        Piece(str(finding.title), "muted" if subject or not finding.is_open else "text"),
        Piece(until, "muted"),
    )


def finding_widths(findings: Sequence[FindingView]) -> tuple[int, int]:
    """The cells of the columns of urgency and check in a list of these findings."""
    severities = [cell_width(str(each.severity_text)) for each in findings]
    return max(severities, default=0), max((cell_width(each.check) for each in findings), default=0)


def finding_sections(findings: Sequence[FindingView], glyphs: Glyphs) -> list[Section]:
    """The findings on one host or backend as a section of its page; none without any."""
    if not findings:
        return []
    widths = finding_widths(findings)
    rows: list[Row] = [(Piece(" "), *finding_row(each, glyphs, widths)) for each in findings]
    return [text_section(_("Findings"), rows, note=(Piece(_("enter opens one"), "muted"),))]


def finding_choices(view: AuditView, findings: Sequence[FindingView], glyphs: Glyphs) -> list[dialogs.Choice]:
    """The findings below the names of their targets; last what could not be checked, where these are all findings."""
    choices: list[dialogs.Choice] = []
    widths = finding_widths(findings)
    targets = list(dict.fromkeys((each.kind, each.target) for each in findings))  # that of the most severe one first
    ordered = sorted(findings, key=lambda each: (not each.is_open, targets.index((each.kind, each.target))))
    for (is_open, kind, target), those in groupby(ordered, key=lambda each: (each.is_open, each.kind, each.target)):
        name = _target(kind, target)
        choices.append(_title(name if is_open else _("{target}: accepted", target=name)))
        choices += (
            dialogs.Choice(
                each.key,
                (Piece(" "), *finding_row(each, glyphs, widths)),
                f"{each.check} {each.target} {each.severity} {each.severity_text} {each.title} {each.evidence}",
                more=each.evidence,
            )
            for each in those
        )
    if view.not_checked and len(findings) == len(view.findings):
        choices.append(_title(_("Could not check")))
        choices += _unchecked(view, glyphs)
    return choices


def _target(kind: str, name: str) -> str:
    kinds = {"host": _("host"), "service": _("service"), "backend": _("backend"), "plan": _("backup plan")}
    return f"{kinds.get(kind, kind)} {name}"


def _title(name: str) -> dialogs.Choice:
    return dialogs.Choice(name, (Piece(name, "title"),), "", possible=False, title=True)


def _unchecked(view: AuditView, glyphs: Glyphs) -> Iterator[dialogs.Choice]:
    """A row for each target and reason, which often is the same for many checks."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in view.not_checked:
        reasons.setdefault((each.target, each.reason), []).append(each.check)
    for (target, reason), checks in reasons.items():
        row = (Piece(f" {glyphs.unknown} ", "muted"), Piece(f"{target}  ", "strong"), Piece(reason, "muted"))
        names = listed(checks)
        yield dialogs.Choice(f"{target} {reason}", row, f"{target} {reason} {names}", possible=False, more=names)


# The page of one finding.


def finding_page(finding: FindingView, now: datetime, style: SectionStyle) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    level = finding.level if finding.is_open else Level.GOOD
    age = human_age((now - finding.first_seen).total_seconds())
    rows: list[Row] = [
        (
            Piece(f" {style.glyphs.level(level)} ", ROLES[level]),
            Piece(finding.check, "strong"),
            Piece(f"   {finding.severity_text}", ROLES[level]),
            Piece("   " + _target(finding.kind, finding.target), "text"),
            Piece("   " + _("found {time} ago", time=age), "muted"),
        ),
        (Piece("   "), Piece(f"{finding.title}: {finding.subject}", ROLES[level])),
    ]
    parts = [
        text_section(_("Evidence"), [_text(finding.evidence)]),
        text_section(_("Why"), [_text(str(finding.why))]),
        text_section(_("Fix"), _fix_rows(finding), note=_fix_note(finding)),
        text_section(_("Reference"), [_text(finding.reference, "accent")]) if finding.reference else None,
        text_section(_("Accepted"), _acceptance(finding)) if finding.accepted_until else None,
    ]
    return [*rows, *draw_sections([[each] for each in parts if each is not None], style)]


def _text(text: str, role: str = "text") -> Row:
    return (Piece(" "), Piece(text, role))


def _fix_rows(finding: FindingView) -> list[Row]:
    rows = [_text(str(finding.fix))]
    if finding.lines and finding.file:
        rows.append((Piece(" " + finding.file + ":", "muted"),))
    rows += [(Piece("   "), Piece(line, "strong")) for line in finding.lines]
    rows += [(Piece("   $ ", "muted"), Piece(command, "strong")) for command in finding.commands]
    return rows


def _fix_note(finding: FindingView) -> Row:
    copies = _("y copies the lines") if finding.lines else _("y copies the commands")
    told = [copies] if finding.copied else []
    if finding.is_open:
        told.append(_("a accepts the finding"))
    return tuple(Piece(each, "muted") for each in told)


def _acceptance(finding: FindingView) -> list[Row]:
    day, why = finding.accepted_until, finding.accepted_why
    if finding.is_open:
        return [_text(_("no longer accepted since {day}: {why}", day=day, why=why), "degraded")]
    rows = [_text(_("accepted until {day}: {why}", day=day, why=why))]
    if finding.by_config:
        rows.append(_text(_("by the configuration"), "muted"))
    return rows
