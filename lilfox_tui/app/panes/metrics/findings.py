"""Findings of the audit: in one line, as a section of the page of what they are about, as choices, and as a page. Pure.

Nothing of audit/ is imported: what is shown comes with the overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct

from lilfox_tui.app import dialogs
from lilfox_tui.app.panes.metrics.finding_state import same_check
from lilfox_tui.app.panes.metrics.sections import (
    Band,
    Section,
    SectionStyle,
    beside_each_other,
    draw_sections,
    runbook_rows,
    text_section,
)
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured, config_pieces, shell_pieces
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_age
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
    """The row of the findings as text, and what enter does, or what could not be read or stored of the result."""
    head = (Piece(f" {glyphs.degraded} ", "degraded"), Piece(_("audit"), "strong"))
    age = "" if view.at is None else _("{time} ago", time=human_age((now - view.at).total_seconds()))
    told = Piece(_("running now") if view.running else _("enter lists the findings; :audit runs it again"))
    if view.problems and not view.running:
        told = Piece(clean(str(view.problems[0])), "degraded")
    return [
        (*head, Piece(f"  {age}  ", "muted"), Piece(audit_summary(view), "degraded")),
        (Piece("   "), told),
    ]


def finding_row(finding: FindingView, glyphs: Glyphs, widths: tuple[int, int] = (0, 0), *, named: bool = False) -> Row:
    """A finding in one line: how urgent it is, its check, its subject, and what is wrong; ``named``: with its target.
    ``widths`` are those of the columns of urgency and check (:func:`finding_widths`)."""
    role = ROLES[finding.level] if finding.is_open else "muted"
    mark = glyphs.level(finding.level if finding.is_open else Level.GOOD)
    until = "" if finding.is_open else "  " + _("accepted until {day}", day=finding.accepted_until)
    subject = finding.subject if _tells(finding) else ""
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
        name = target_text(kind, target)
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


def target_text(kind: str, name: str) -> str:
    """What was checked, with its kind."""
    kinds = {
        "host": _("host"),
        "service": _("service"),
        "backend": _("backend"),
        "plan": _("backup plan"),
        "configuration": _("configuration"),
        "source": _("source code"),
    }
    return f"{kinds.get(kind, kind)} {name}" if name != kind else kinds.get(kind, kind)


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


class FindingPage(Struct, frozen=True):
    """The contents of the page; ``now`` is aware UTC, ``view`` the result that has the finding, and ``runbooks`` are
    the titles of those that are for it."""

    finding: FindingView
    now: datetime
    view: AuditView
    runbooks: Sequence[str] = ()


def no_finding(*, rewound: bool) -> list[Row]:
    """Why there is no such page."""
    told = _("this finding is gone: the newest audit did not find it")
    if rewound:
        told = _("the results of the audit are not recorded for the past")
    return [(Piece("   " + told, "muted"),)]


def finding_page(page: FindingPage, style: SectionStyle) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    finding = page.finding
    level = finding.level if finding.is_open else Level.GOOD
    subject = f": {finding.subject}" if _tells(finding) else ""
    rows: list[Row] = [
        (
            Piece(f" {style.glyphs.level(level)} ", ROLES[level]),
            Piece(finding.check, "strong"),
            Piece(f"   {finding.severity_text}", ROLES[level]),
            Piece("   " + target_text(finding.kind, finding.target), "text"),
        ),
        (Piece("   "), Piece(f"{finding.title}{subject}", ROLES[level])),
        _seen_row(page),
        *runbook_rows(page.runbooks),
    ]
    others = [
        _others(_("Also found"), _elsewhere(page, style.glyphs), (Piece(_("enter lists them"), "muted"),)),
        _others(_("Also on {name}", name=finding.target), _on_target(page, style.glyphs)),
    ]
    texts = [
        text_section(_("Evidence"), [(Piece(" "), *coloured(finding.evidence))]),
        text_section(_("Why"), [_text(str(finding.why))]),
    ]
    ends = [
        text_section(_("Accepted"), _acceptance(finding)) if finding.accepted_until else None,
        text_section(_("Reference"), [_text(finding.reference, "link")]) if finding.reference else None,
    ]
    bands: list[Band] = [
        *beside_each_other(texts, style.width, _BESIDE),
        [text_section(_("Fix"), _fix_rows(finding), note=_fix_note(finding))],
        *beside_each_other([each for each in others if each is not None], style.width, _BESIDE),
        *beside_each_other([each for each in ends if each is not None], style.width, _BESIDE),
    ]
    return [*wrapped(rows, style.width), *draw_sections(bands, style)]


_BESIDE = 72
"""Cells from which a text stands beside another one."""
_OTHERS_SHOWN = 8


def _seen_row(page: FindingPage) -> Row:
    """When the finding was seen first, and how old the result is that has it."""
    first, at = page.finding.first_seen, page.view.at
    age = human_age((page.now - first).total_seconds())
    told = [_("first seen {at:%Y-%m-%d %H:%M} UTC, {age} ago", at=first, age=age)]
    if page.view.running:
        told.append(_("being checked again now"))
    elif at is not None:
        told.append(_("last checked {age} ago", age=human_age((page.now - at).total_seconds())))
    return (Piece("   " + clauses(told), "muted"),)


def _elsewhere(page: FindingPage, glyphs: Glyphs) -> list[Row]:
    """The other findings of the same check, on this target and on others."""
    found = [each for each in same_check(page.view, page.finding) if each.key != page.finding.key]
    rows: list[Row] = []
    for each in found:
        role = ROLES[each.level] if each.is_open else "muted"
        until = "" if each.is_open else "  " + _("accepted until {day}", day=each.accepted_until)
        rows.append(
            (
                Piece(f" {glyphs.level(each.level if each.is_open else Level.GOOD)} ", role),
                Piece(target_text(each.kind, each.target), "strong"),
                Piece(f"  {each.subject}" if _tells(each) else ""),
                Piece(until, "muted"),
            )
        )
    return rows


def _on_target(page: FindingPage, glyphs: Glyphs) -> list[Row]:
    """The findings of other checks on the same target."""
    finding = page.finding
    found = [each for each in page.view.about(finding.kind, finding.target) if each.check != finding.check]
    widths = finding_widths(found)
    return [(Piece(" "), *finding_row(each, glyphs, widths)) for each in found]


def _others(title: str, rows: Sequence[Row], note: Row = ()) -> Section | None:
    """The first of the rows as a section, and how many more there are; None without any."""
    if (more := len(rows) - _OTHERS_SHOWN) > 0:
        rest = _text(ngettext("and {count} more", "and {count} more", more), "muted")
        rows = [*rows[:_OTHERS_SHOWN], rest]
    return text_section(title, rows, note=note) if rows else None


def _tells(finding: FindingView) -> bool:
    """Whether the subject of a finding says more than its target and check."""
    return finding.subject not in (finding.target, finding.check, finding.kind)


def _text(text: str, role: str = "text") -> Row:
    return (Piece(" "), Piece(text, role))


def _fix_rows(finding: FindingView) -> list[Row]:
    rows = [_text(str(finding.fix))]
    if finding.lines and finding.file:
        rows.append((Piece(" "), Piece(finding.file, "link"), Piece(":", "muted")))
    rows += [(Piece("   "), *config_pieces(line)) for line in finding.lines]
    for command in finding.commands:
        begins, sign = True, "$ "
        for line in command.split("\n"):
            pieces, begins = shell_pieces(line, begins=begins)
            rows.append((Piece(f"   {sign}", "muted"), *pieces))
            sign = "  "
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
