"""The wizard that recovers a pgBackRest backup into a new data directory: to the end of the backup, to a time, or to
the end of the archived WAL. Its pages are those of the restore wizard; nothing is written before Run."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Literal

from msgspec.structs import replace
from textual import events, work
from textual.app import ComposeResult
from textual.widgets import Input

from lilfox_tui.app.dialogs.messages import PADDING, Dialog, key_rows, word_prompt
from lilfox_tui.app.panes.backup.engine_rows import physical_facts
from lilfox_tui.app.panes.backup.restore_checks import check_rows
from lilfox_tui.app.panes.backup.restore_pages import PageStyle, WizardItem, WizardPage, result_rows, run_rows
from lilfox_tui.app.panes.backup.restore_state import CHECKS, CONFIRM, RESULT, RUN, WHAT, WHERE, Looked
from lilfox_tui.app.panes.backup.restore_wizard import WizardFrame, wizard_parts
from lilfox_tui.app.panes.backup.rows import SET_ROLES, fact_row
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.jobs import JobLog
from lilfox_tui.app.widgets import Lines
from lilfox_tui.backup import effects
from lilfox_tui.backup.checks import status_text
from lilfox_tui.backup.plan import BackupRequest, request_of
from lilfox_tui.backup.sets.model import BackupSet, PhysicalBackup
from lilfox_tui.backup.sources.pgbackrest.effects import PgBackRestRestore, read_time
from lilfox_tui.backup.sources.pgbackrest.recovery import END, RecoveryGoal
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import human_bytes, human_duration

Goal = Literal["set", "time", "end"]
"""Recovery ends with the backup, at a time, or with the archived WAL."""
GOALS: tuple[Goal, ...] = ("set", "time", "end")
EXAMPLE = "/var/lib/postgresql/17/restored"
PAINT_S, SLOW_PAINT_S = 0.5, 2.0
_STEPS = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
_LETTER_STEPS = {"j": 1, "k": -1}


class RecoveryState:
    """The wizard's state. Nothing is written before ``may_run`` accepts the typed word."""

    def __init__(self, found: BackupSet, backup: PhysicalBackup, base: BackupRequest) -> None:
        self.found, self.backup, self._base = found, backup, base
        self.goal: Goal = "set"
        self.time = ""
        """The time to recover to, ISO 8601 with its offset; empty before one was entered."""
        self.into = ""
        """The new data directory."""
        self.step = WHAT
        self.at = 0
        self.moved = False
        self.looked: Looked | None = None
        self.recovery: RecoveryGoal | None = None
        """What the checks found: the set that is restored, and to when."""
        self.log: JobLog | None = None
        self.starting = False
        self.all_checks = False
        self.goes_on = False
        """The next page was asked for while the checks ran: it opens if all of them pass."""

    @property
    def set_id(self) -> str:
        """The set that reaches the goal: for a time it may be another than the one that was selected."""
        return self.found.id if self.recovery is None or not self.is_looked_at else self.recovery.found.id

    @property
    def failed(self) -> bool:
        """Whether the restore has ended and did not work."""
        ended = self.log.ended if self.step == RESULT and self.log is not None else None
        return ended is not None and ended.state not in ("ok", "partly")

    def request(self) -> BackupRequest:
        """Return the choices as a backup request. For a time, the newest set before it is restored."""
        target = {"set": "", "time": self.time, "end": END}[self.goal]
        found = "" if self.goal == "time" else self.found.id
        return replace(self._base, set=found, restore=replace(self._base.restore, target=target, into=self.into))

    def open(self, step: int) -> None:
        """Opens a page and highlights its first line, on the first page what is chosen."""
        self.step, self.moved, self.goes_on = step, False, False
        self.at = GOALS.index(self.goal) if step == WHAT else 0

    @property
    def is_looked_at(self) -> bool:
        """Whether the results belong to the current choices."""
        return self.looked is not None and self.looked.request == self.request()

    @property
    def is_ready(self) -> bool:
        """Whether the current choices were checked and no check forbids them."""
        return self.looked is not None and self.looked.ready and self.is_looked_at

    def why_no_next(self) -> Message | None:
        """Why the next page cannot be opened."""
        if self.step == WHAT and self.goal == "time" and not self.time:
            return tr("no time yet: press space to enter one")
        if self.step == WHERE and not self.into:
            return tr("no directory yet: press space to enter one")
        if self.step != CHECKS or self.is_ready:
            return None
        if self.is_blocked:
            return tr("blocked by the failed checks; R rechecks")
        return tr("still checking; the next page opens when all checks have passed")

    @property
    def is_blocked(self) -> bool:
        """Whether the checks have ended and do not let the restore go on."""
        looked = self.looked
        return looked is not None and not looked.ready and (looked.checked or looked.error is not None)

    @property
    def word(self) -> str:
        """The word to type before the restore begins: the name of the new directory."""
        return posixpath.basename(self.into)

    def may_run(self, typed: str) -> bool:
        """Return whether the restore may begin after this word was typed."""
        return self.is_ready and typed == self.word and not self.starting


def goal_texts() -> dict[Goal, str]:
    """The goals in words."""
    return {
        "set": _("the end of the backup"),
        "time": _("a time"),
        "end": _("the end of the archived WAL"),
    }


def goal_items(state: RecoveryState, glyphs: Glyphs, zone: tzinfo) -> list[WizardItem]:
    """The lines of the first page: when recovery ends."""
    backup = state.backup
    reach = "" if backup.until is None else _("until {time}", time=_time(backup.until, zone))
    known = {"set": _time(backup.finished, zone), "time": state.time or reach, "end": reach}
    items = []
    for goal, text in goal_texts().items():
        on = goal == state.goal
        mark = Piece(f"   [{glyphs.good if on else ' '}] ", "accent" if on else "muted")
        told = Piece(f"  {known[goal]}", "accent" if goal == "time" and state.time else "muted")
        items.append(WizardItem((mark, Piece(text, "strong"), told), "place", goal))
    return items


def place_item(state: RecoveryState) -> WizardItem:
    """The line of the second page: the new data directory."""
    place = Piece(state.into, "accent") if state.into else Piece(EXAMPLE, "muted")
    return WizardItem((Piece("   "), Piece(_("new data directory"), "strong"), Piece("  "), place), "place")


def _time(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def page_rows(state: RecoveryState, style: PageStyle) -> list[Row]:
    """The rows of the open page above its selectable lines."""
    questions = {
        WHAT: _("Recover to when?"),
        WHERE: _("Into which new data directory?"),
        CHECKS: _("Can it be restored? These checks write nothing."),
        CONFIRM: _("Restore now?"),
    }
    question = questions.get(state.step)
    rows: list[Row] = [] if question is None else [(Piece(" " + question, "strong"),), BLANK]
    if state.step == WHAT:
        rows[:1] = [(*rows[0], Piece("  " + _("nothing changes before the last step"), "muted"))]
        rows += [*_about(state, style), BLANK]
    elif state.step == WHERE:
        told = _("It must not exist yet. The running server and its data directory are not touched.")
        rows[1:1] = [(Piece(" "), Piece(told, "muted"))]
    elif state.step == CHECKS:
        rows += check_rows(state.looked, style.width, style.glyphs, all_of_them=state.all_checks)
    elif state.step == CONFIRM:
        rows += confirm_rows(state, style)
    elif state.step == RUN:
        rows += run_rows(state.log, style)
    elif state.log is not None and state.log.ended is not None:
        rows += result_rows(state.log.ended, "", style.glyphs)
        if (took := state.log.took_s) is not None:
            rows += [BLANK, (Piece("   " + _("The job took {time}.", time=human_duration(took)), "muted"),)]
    return rows


def _about(state: RecoveryState, style: PageStyle) -> Iterator[Row]:
    found = state.found
    size = Piece(f"  {human_bytes(found.size_bytes)}", "muted")
    yield (*fact_row(_("set"), status_text(found.status), SET_ROLES[found.status]), size)
    for label, text, role in physical_facts(state.backup, style.zone):
        yield fact_row(label, text, role)


def confirm_rows(state: RecoveryState, style: PageStyle) -> Iterator[Row]:
    """What will be written, and in what state it is left."""
    chosen = Piece(f" {style.glyphs.chosen} ", "accent")
    yield (chosen, Piece(_("{set} is restored into {path}", set=state.set_id, path=state.into)))
    if state.recovery is not None:
        yield (chosen, Piece(_("and recovered to {goal}", goal=state.recovery.text)))
    left = _("Its server is started for that, reached by nobody else; tables and indexes are checked, then it is "
             "stopped. The running server is not touched.")  # fmt: skip
    yield from (BLANK, (Piece("   "), Piece(left)), BLANK)


def page_keys(state: RecoveryState, width: int, *, asks: bool, more: bool) -> list[Row]:
    """The keys of the open page and what they do; ``asks``: a line of text is being typed; ``more``: rows are hidden
    below."""
    back, following = ("esc", _("back")), ("enter", _("next page"))
    unless_blocked = () if state.is_blocked else (following,)
    further = (("pgdn", _("more")),) if more else ()
    keys: dict[int, tuple[tuple[str, str], ...]] = {
        WHAT: (following, ("space", _("choose")), ("esc", _("cancel"))),
        WHERE: (("space", _("enter the directory")), following, back),
        CHECKS: (*unless_blocked, ("R", _("recheck")), ("o", _("all checks")), *further, back),
        CONFIRM: (("enter", _("restore (type the name first)")), *further, back),
        RUN: (("esc", _("close: the job keeps running")),),
        RESULT: (("enter", _("close")), *further),
    }
    shown = (("enter", _("accept")), ("esc", _("go back"))) if asks and state.step != CONFIRM else keys[state.step]
    return key_rows(shown, width)


class _RecoveryPages:
    """The pages of a recovery."""

    def __init__(self, state: RecoveryState, glyphs: Glyphs, zone: tzinfo) -> None:
        self.state, self._glyphs, self._zone = state, glyphs, zone

    def items(self) -> list[WizardItem]:
        if self.state.step == WHAT:
            return goal_items(self.state, self._glyphs, self._zone)
        return [place_item(self.state)] if self.state.step == WHERE else []

    def rows(self, style: PageStyle) -> list[Row]:
        return page_rows(self.state, style)

    def below(self, _style: PageStyle, _above: int) -> list[Row]:
        return []

    def keys(self, width: int, hiding: WizardPage | None, *, asks: bool) -> list[Row]:
        return page_keys(self.state, width, asks=asks, more=hiding is not None and hiding.below > 0)


def _now(zone: tzinfo) -> datetime:
    return datetime.now(zone)


class RecoveryWizard(Dialog[None]):
    """The wizard: asks page by page, checks in the background, starts the job and follows it; the job outlives it."""

    def __init__(self, state: RecoveryState, *, glyphs: Glyphs, zone: tzinfo, slow: bool) -> None:
        super().__init__()
        self.state = state
        self._zone = zone
        self.frame = WizardFrame(self, _RecoveryPages(state, glyphs, zone), glyphs=glyphs, zone=zone, slow=slow)

    def compose(self) -> ComposeResult:
        yield from wizard_parts()

    def on_mount(self) -> None:
        self.query_one("#wizard-input", Input).display = False
        self.frame.repaint()

    def on_resize(self) -> None:
        self.call_after_refresh(self.frame.repaint)

    # ---- pages -----------------------------------------------------------------------------------------------------

    def _open(self, step: int) -> None:
        state = self.state
        state.open(step)
        self.frame.turn_page()
        if CHECKS <= step < RUN and not state.is_looked_at:
            self._look()
        if step == WHERE and not state.into:
            self._ask_place()
        elif step == CONFIRM:
            self.asks_anew()
            self.frame.ask(word_prompt(state.word, self.app.size.width - PADDING, goes_back=True), "", self._take_word)
        self.frame.repaint()

    def _next(self) -> None:
        state = self.state
        if state.step == WHAT:
            self._choose(goes_on=True)
        elif (why := state.why_no_next()) is not None:
            self.frame.tell(why)
            state.goes_on = state.step == CHECKS
        elif state.step < CONFIRM:
            self._open(state.step + 1)
        elif state.step == RESULT:
            self.close(None)

    def _back(self) -> None:
        if self.frame.take is not None and self.state.step != CONFIRM:
            self.frame.close_line()
            self.frame.repaint()
        elif self.state.step in (WHAT, RUN, RESULT):
            self.close(None)
        else:
            self._open(self.state.step - 1)

    def _choose(self, *, goes_on: bool = False) -> None:
        """Takes the highlighted line; a time and a directory are asked for. ``goes_on`` then opens the next page."""
        state = self.state
        if state.step == WHERE:
            self._ask_place()
        elif state.step == WHAT:
            goal = GOALS[state.at]
            if goal == "time" and (not goes_on or not state.time):
                self._ask_time()
                return
            state.goal = goal
            if goes_on:
                self._open(WHERE)
        self.frame.repaint()

    def _ask_time(self) -> None:
        reach = self.state.backup.until or self.state.backup.finished
        offered = self.state.time or reach.astimezone(self._zone).isoformat(" ", "seconds")
        self.frame.ask(_("a time with its offset from UTC, such as {time}", time=offered), offered, self._take_time)

    def _take_time(self, text: str) -> None:
        try:
            read_time(text)
        except UsageError:
            self.frame.tell(tr("not a time with its offset from UTC: {value}", value=text), "failing")
            return
        self.state.goal, self.state.time = "time", text
        self._open(WHERE)

    def _ask_place(self) -> None:
        prompt = _("an absolute path that does not exist yet, such as {path}", path=EXAMPLE)
        self.frame.ask(prompt, self.state.into, self._take_place)

    def _take_place(self, text: str) -> None:
        if not text.startswith("/") or posixpath.normpath(text) != text or text == "/":
            self.frame.tell(tr("not a plain absolute path: {path}", path=text), "failing")
            return
        self.state.into = text
        self._open(CHECKS)

    def _take_word(self, text: str) -> None:
        if not self.state.is_ready:
            self._open(CHECKS)
        elif self.frame.confirm(text):
            self._open(RUN)
            self._run_job()

    # ---- work beside the keys --------------------------------------------------------------------------------------

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Runs the checks for the choices; writes nothing."""
        state = self.state
        request = state.request()
        looked = state.looked = Looked(request)
        state.recovery = None
        try:
            found = await effects.engine_restore(request)
        except LilFoxError as error:
            looked.error = error
        else:
            looked.checks, looked.checked = [*found.checks], True
            if state.looked is looked and isinstance(found, PgBackRestRestore):
                state.recovery = found.goal
        looked.checked_at = _now(self._zone)
        if state.goes_on and state.step == CHECKS and state.is_ready and looked.all_good:
            self._open(CONFIRM)
        state.goes_on = False
        self.frame.hush()
        self.frame.repaint()

    @work(exclusive=True, group="run")
    async def _run_job(self) -> None:
        try:
            await self.frame.run(request_of("restore", self.state.request()))
        except LilFoxError as error:
            self._open(CHECKS)
            self.frame.tell(error, "failing")

    # ---- keys and the mouse ----------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        self.frame.typed(event)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.frame.take is not None:
            self.frame.take(event.value.strip())

    def on_key(self, event: events.Key) -> None:
        typing, checks = self.frame.take is not None, self.state.step == CHECKS
        self.state.goes_on = False
        if event.key != "enter":
            self.frame.hush()
        steps = _STEPS if typing else _STEPS | _LETTER_STEPS
        if event.key == "escape":
            self._back()
        elif event.key in steps and (not typing or self.state.step == CONFIRM):
            self._move(steps[event.key])
        elif typing:
            return
        elif event.key == "enter":
            self._next()
        elif event.key == "space":
            self._choose()
        elif event.key == "o" and checks:
            self.state.all_checks = not self.state.all_checks
            self.frame.repaint()
        elif event.key == "R" and checks:
            self._look()
            self.frame.repaint()
        else:
            return
        event.stop()
        event.prevent_default()

    def _move(self, step: int) -> None:
        if self.state.step == WHAT:
            self.state.at, self.state.moved = max(0, min(len(GOALS) - 1, self.state.at + step)), True
        else:
            self.frame.page.top += step
        self.frame.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self.frame.page.top += event.delta
        self.frame.repaint(follow=False)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        item = self.frame.page.item_at(event.x, event.index) if event.lines.id == "wizard-body" else None
        if item is not None and self.frame.take is None:
            self.state.at, self.state.moved = item, True
            self._choose()
