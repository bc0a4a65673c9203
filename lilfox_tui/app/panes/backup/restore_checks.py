"""What the restore wizard knows before a restore, as rows: what it will do, the checks, the sessions that block it, and
what is newer than the backup. Pure: the check results in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.panes.backup.restore_state import Looked, RestoreChoice, RestoreState
from lilfox_tui.app.panes.backup.rows import SET_ROLES, fact_row
from lilfox_tui.app.rendering.columns import Column, choose, heading, line
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.backup.checks import labelled, status_text
from lilfox_tui.backup.source import losses
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_bytes, human_duration
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check, ServerSession

_CHECK_LEVELS = {"good": Level.GOOD, "warning": Level.DEGRADED, "bad": Level.FAILING}
_CHECK_ROLES = {"good": "good", "warning": "degraded", "bad": "failing"}
_INDENT = 7
"""Cells before what is told below a check."""
_MOST_SESSIONS = 12
_SESSION_TEXTS = 24
"""Cells of the longest text of a session, but its statement."""
_LEAST_QUERY, _QUERY = 12, 300


def widest(texts: Iterable[str], most: int) -> int:
    """Return the width of the widest text in cells, ``most`` at most."""
    return min(most, max((cell_width(clean(text)) for text in texts), default=0))


# ---- what the restore will do ------------------------------------------------------------------------------------


def outlook_rows(state: RestoreState, glyphs: Glyphs) -> list[Row]:
    """What the restore will do, as far as it is known: what blocks it, what it leaves out, what it replaces, and how
    long it took last."""
    choice, looked = state.choice, state.looked
    rows: list[Row] = []
    for each in choice.chosen:
        where = each.place or ("" if looked is None else looked.where.get(each.name, ""))
        target = where or (_("no target yet") if choice.planless else _("original location"))
        rows.append(fact_row("" if rows else _("replaces"), labelled(each.name, target), "text"))
    return [*prospect_rows(state, glyphs), *rows, _took_row(choice)]


def what_is_restored(choice: RestoreChoice, zone: tzinfo) -> Row:
    """What is known of the set."""
    size = human_bytes(sum(each.size_bytes for each in choice.sources))
    state = fact_row(_("set"), status_text(choice.status), SET_ROLES[choice.status])
    began = "" if choice.began is None else f"{choice.began.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
    started = "  " + _("started {time}", time=began) if began else ""
    return (*state, Piece(f"  {size}{started}", "muted"))


def _took_row(choice: RestoreChoice) -> Row:
    """How long restoring this set took, or the newest one that was restore-tested."""
    if choice.tested_s is not None:
        return (*fact_row(_("took"), human_duration(choice.tested_s)),
                Piece("  " + _("in the last restore test of this set"), "muted"))  # fmt: skip
    if choice.rto_s is not None:
        return (*fact_row(_("took"), human_duration(choice.rto_s)),
                Piece("  " + _("in the last restore test of the plan, of another set"), "muted"))  # fmt: skip
    return fact_row(_("took"), _("not known: no set is restore-tested"), "muted")


def prospect_rows(state: RestoreState, glyphs: Glyphs) -> Iterator[Row]:
    """What blocks the restore first, and what it leaves out; what is not known of the choices is told as such."""
    looked = state.looked
    if looked is None:
        yield fact_row(_("checks"), _("they run once each source has a target"), "muted")
        return
    if not state.is_looked_at:
        yield fact_row(_("checks"), _("not made for this choice yet: the page Checks makes them"), "muted")
        return
    yield from _labelled(_("checks"), _blocking(looked, glyphs))
    yield from _labelled(_("leaves out"), _losses(looked, glyphs))


def _labelled(label: str, rows: Iterable[Row]) -> Iterator[Row]:
    for place, row in enumerate(rows):
        yield (*fact_row(label if place == 0 else "", ""), *row)


def _blocking(looked: Looked, glyphs: Glyphs) -> Iterator[Row]:
    """The first failed check, else how many warn or passed."""
    bad = [check for check in looked.checks if check.state == "bad"]
    if looked.error is not None:
        yield _said(Level.FAILING, str(looked.error), glyphs)
    elif bad:
        text = _("blocked: {what}", what=labelled(str(bad[0].about), bad[0].brief or bad[0].found))
        more = len(bad) - 1
        rest = "  " + ngettext("and {count} more", "and {count} more", more) if more else ""
        yield (*_said(Level.FAILING, text, glyphs), Piece(rest, "failing"))
    elif not looked.checked:
        yield (Piece(f"{glyphs.unknown} " + _("checking …"), "muted"),)
    elif warned := sum(check.state == "warning" for check in looked.checks):
        text = ngettext("nothing blocks it, {count} warning", "nothing blocks it, {count} warnings", warned)
        yield _said(Level.DEGRADED, text, glyphs)
    else:
        yield _said(Level.GOOD, _passed(len(looked.checks), all_of_them=True), glyphs)


def _said(level: Level, text: str, glyphs: Glyphs) -> Row:
    role = {Level.GOOD: "good", Level.DEGRADED: "degraded"}.get(level, "failing")
    return (Piece(f"{glyphs.level(level)} ", role), Piece(text, role))


def _passed(count: int, *, all_of_them: bool) -> str:
    if all_of_them:
        return ngettext("the only check passed", "all {count} checks passed", count)
    return ngettext("{count} check passed", "{count} checks passed", count)


# ---- what the restore leaves out ---------------------------------------------------------------------------------


def loss_rows(looked: Looked, glyphs: Glyphs) -> Iterator[Row]:
    """What is taken out of use, in rows and files; the word can be typed before it is counted."""
    yield from ((Piece(" "), *row) for row in _losses(looked, glyphs))
    yield BLANK


def _losses(looked: Looked, glyphs: Glyphs) -> Iterator[Row]:
    if looked.changes is None:
        if looked.uncounted is not None:
            why = _("not known what only the retained data will have: {error}", error=looked.uncounted)
            yield (Piece(f"{glyphs.unknown} ", "degraded"), Piece(why, "degraded"))
        elif looked.error is None:
            yield (Piece(f"{glyphs.unknown} ", "muted"), Piece(_("counting what is newer than the backup …"), "muted"))
        else:
            yield (Piece(f"{glyphs.unknown} ", "muted"), Piece(_("not known"), "muted"))
        return
    lost = losses(change for changes in looked.changes.values() for change in changes)
    for text in lost:
        yield (Piece(f"{glyphs.failing} ", "failing"), Piece(text, "failing"))
    if not lost:
        same = not any(looked.changes.values())
        text = _("no differences from the backup were found") if same else _("no data newer than the backup was found")
        yield (Piece(f"{glyphs.good} ", "good"), Piece(text, "good"))


# ---- the checks --------------------------------------------------------------------------------------------------


def check_rows(looked: Looked | None, width: int, glyphs: Glyphs, *, all_of_them: bool = False) -> Iterator[Row]:
    """The result, then the failed checks and the warnings, each with what to do; the passed ones in one line, unless
    ``all_of_them`` is set."""
    if looked is None:
        return
    verdict, *hint = _verdict(looked, glyphs)
    done = looked.checked or looked.error is not None
    if looked.checked_at is not None and done:  # what they found, such as the sessions, is not looked at again
        verdict = (*verdict, Piece("  " + _("as of {time}", time=f"{looked.checked_at:%H:%M:%S}"), "muted"))
    yield from (verdict, *hint)
    if looked.checks:
        yield BLANK
    about = widest((str(check.about) for check in looked.checks), max(20, width * 2 // 5))
    told = widest((str(check.about) for check in looked.checks if check.state != "good"), about)
    good = [check for check in looked.checks if check.state == "good"]
    for state in ("bad", "warning"):
        for check in [check for check in looked.checks if check.state == state]:
            yield from _check(check, about if all_of_them else told, width, glyphs)
    if all_of_them or len(good) == 1:
        for check in good:
            yield from _check(check, about, width, glyphs)
    elif good:
        passed = _passed(len(good), all_of_them=len(good) == len(looked.checks) and looked.checked)
        more = Piece("  " + _("o shows them"), "muted")
        yield (Piece(f"   {glyphs.level(Level.GOOD)} ", "good"), Piece(passed, "good"), more)


def _verdict(looked: Looked, glyphs: Glyphs) -> Iterator[Row]:
    """Whether the checks block the restore, or why that is not known."""
    if looked.error is not None:
        yield (Piece(f"   {glyphs.failing} ", "failing"), Piece(str(looked.error), "failing"))
        if str(looked.error.hint):
            yield (Piece(" " * _INDENT), Piece(str(looked.error.hint)))
    elif not looked.checked:
        yield (Piece(f"   {glyphs.unknown} " + _("checking …"), "muted"),)
    elif looked.ready:
        yield (Piece("   " + _("No check blocks the restore. Nothing has been written yet."), "good"),)
    else:
        yield (Piece("   " + _("Blocked by the failed checks. Nothing was written."), "failing"),)


def _check(check: Check, about: int, width: int, glyphs: Glyphs) -> Iterator[Row]:
    role = _CHECK_ROLES[check.state]
    yield (
        Piece(f"   {glyphs.level(_CHECK_LEVELS[check.state])} ", role),
        Piece(fit(fit_middle(str(check.about), about), about), "strong"),
        Piece("  "),
        Piece(str(check.brief or check.found), role),
    )
    if check.sessions:
        yield from session_rows(check.sessions, width)
    if check.sessions and check.allowed_by:
        yield from _keys_for_sessions()
        return
    if check.state != "good" and str(check.hint):
        yield (Piece(" " * _INDENT), Piece(str(check.hint)))
    if check.allowed_by:
        option = option_texts()[check.allowed_by]
        yield (Piece(" " * _INDENT), Piece(_("To allow it anyway, press space: {option}", option=option)))


def _keys_for_sessions() -> Iterator[Row]:
    """What to do about sessions that block the restore."""
    told = (
        ("space", _("terminates them during the swap")),
        ("R", _("rechecks: stop these applications first, or wait until they disconnect")),
    )
    width = widest((key for key, _text in told), _INDENT)
    yield from ((Piece(" " * _INDENT + fit(key, width), "accent"), Piece(f"  {text}")) for key, text in told)


def option_texts() -> dict[str, str]:
    """What each option allows."""
    return {
        "other-server": _("allow restoring to a different server"),
        "end-sessions": _("terminate blocking sessions during the swap"),
        "run-code": _("allow running the code in the dump"),
        "no-read-back": _("faster: compare large tables only while they are loaded"),
    }


def space_does(state: RestoreState, act: str, source: str) -> str:
    """What ``space`` does now on a line of the first page or of that of the checks; empty for nothing."""
    choice = state.choice
    if act in ("whole", "source", "only"):
        if act == "whole":
            return "" if choice.whole else _("choose")
        only = bool(choice.spec.only) and choice.only_of == source
        return _("deselect") if (only if act == "only" else choice.takes(source)) else _("choose")
    if act == "end-sessions":
        return _("leave the sessions alone") if choice.allows(act) else _("terminate the sessions")
    if act == "no-read-back":
        return _("read tables back") if choice.allows(act) else _("do not read tables back")
    return _("disallow") if choice.allows(act) else _("allow")


# ---- the sessions that block it ----------------------------------------------------------------------------------


class _SessionWidths(Struct, frozen=True):
    pid: int
    role: int
    application: int
    client: int
    state: int


def session_rows(sessions: Sequence[ServerSession], width: int) -> Iterator[Row]:
    """The sessions as a table, and below it what those are whose application says so."""
    shown, indent = sessions[:_MOST_SESSIONS], _INDENT
    columns = choose(_session_columns(shown), width - indent - 1)
    yield heading(columns, indent)
    for each in shown:
        yield (Piece(" " * indent), *line(columns, each))
    if len(sessions) > len(shown):
        yield (Piece(" " * indent + _("and {count} more", count=len(sessions) - len(shown)), "muted"),)
    said = _applications()
    for name in dict.fromkeys(each.application for each in sessions):
        if name in said:
            yield (Piece(" " * indent), Piece(name, "accent"), Piece(f"  {said[name]}", "muted"))


def _session_columns(sessions: Sequence[ServerSession]) -> list[Column[ServerSession]]:
    def text(name: str, title: str) -> int:
        return max(cell_width(title), widest((str(getattr(each, name)) for each in sessions), _SESSION_TEXTS))

    titles = _("pid"), _("user"), _("application"), _("from"), _("state")
    pid, role, application, client, state = map(text, ("pid", "role", "application", "client", "state"), titles)
    return [
        Column(lambda: _("pid"), pid, lambda each: (Piece(str(each.pid), "strong"),), 0, right=True),
        Column(lambda: _("user"), role, lambda each: (Piece(each.role),), 3),
        Column(lambda: _("application"), application, _application, 0),
        Column(lambda: _("from"), client, lambda each: (Piece(each.client, "muted"),), 4),
        Column(lambda: _("state"), state, _session_state, 1),
        Column(lambda: _("for"), 9, lambda each: (Piece(human_duration(each.since_s)),), 1, right=True),
        Column(lambda: _("statement"), _LEAST_QUERY, _statement, 2, grow=_QUERY),
    ]


def _application(session: ServerSession) -> Row:
    role = "accent" if session.application in _applications() else "text"
    return (Piece(session.application or "-", role),)


def _session_state(session: ServerSession) -> Row:
    return (Piece(session.state or "-", "degraded" if session.state.startswith("idle in transaction") else "text"),)


def _statement(session: ServerSession) -> Row:
    return (Piece(" ".join(session.query.split()) or "-", "muted"),)


def _applications() -> dict[str, str]:
    """What a session is, by the name that its application gives itself."""
    return {
        "psql": _("a shell or a script, maybe yours in another terminal: \\q closes a shell"),
        "pg_dump": _("a dump is running: wait until it ends"),
        "lilfox": _("a LilFox console that monitors this server"),
        "lilfox backup": _("a backup or restore by LilFox: wait until it ends"),
    }
