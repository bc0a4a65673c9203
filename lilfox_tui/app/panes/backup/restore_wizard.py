"""The restore wizard, one page per question (What, Where, Checks, Confirm, Run, Result). Esc goes back one page, and
nothing is written before Run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Protocol

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.messages import PADDING, Dialog, word_prompt
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.panes.backup.restore_checks import space_does
from lilfox_tui.app.panes.backup.restore_pages import (
    ORIGINAL,
    TYPED,
    PageStyle,
    WizardItem,
    WizardPage,
    only_prompt,
    page_items,
    page_keys,
    page_rows,
    place_choices,
    rows_below,
    table_choices,
    where_prompt,
)
from lilfox_tui.app.panes.backup.restore_state import (
    CHECKS,
    CONFIRM,
    RESULT,
    RUN,
    WHAT,
    WHERE,
    Looked,
    RestoreChoice,
    RestoreState,
    SourceChoice,
    WizardState,
    take_end,
)
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.jobs import JobLog
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.backup.plan import request_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _
from lilfox_tui.jobs import start as starting

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import JobRequest
    from lilfox_tui.monitor.model import PlanView

PAINT_S, SLOW_PAINT_S = 0.5, 2.0
MOST_SAID = 3
"""Lines of a note."""
_SPARE_ROWS = 2
"""Of the page, for lines of a job's output that are wrapped."""
_STEPS = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
_LETTER_STEPS = {"j": 1, "k": -1}


def _asks_only(state: RestoreState, items: Sequence[WizardItem]) -> bool:
    """Whether ``enter`` asks for the one table, file or folder of the highlighted line: to go on with everything from
    there would be a surprise."""
    item = items[min(state.at, len(items) - 1)] if items and state.at >= 0 else None
    return item is not None and item.act == "only" and state.choice.only_of != item.source


class WizardPages(Protocol):
    """What the pages of a wizard have. Pure: only the highlight changes."""

    @property
    def state(self) -> WizardState:
        """The wizard's state."""
        ...

    def items(self) -> Sequence[WizardItem]:
        """The selectable lines of the open page."""
        ...

    def rows(self, style: PageStyle) -> Sequence[Row]:
        """The rows above them."""
        ...

    def below(self, style: PageStyle, above: int) -> Sequence[Row]:
        """The rows below them; ``above`` rows stand above them."""
        ...

    def keys(self, width: int, hiding: WizardPage | None, *, asks: bool) -> list[Row]:
        """The keys of the open page, with those for what it is ``hiding``; None while it is not drawn. ``asks``: a line
        of text is being typed."""
        ...


def wizard_parts() -> ComposeResult:
    """The widgets of a wizard."""
    with Vertical(id="query"):
        yield Lines(id="wizard-body")
        yield TextField(id="wizard-input", select_on_focus=False)
        yield Lines(ground="bar", id="wizard-keys")


class WizardFrame:
    """The frame of a wizard's pages: the panel, the line to type in, and the keys or a note below. It follows the
    job."""

    def __init__(self, wizard: Dialog[Any], pages: WizardPages, *, glyphs: Glyphs, zone: tzinfo, slow: bool) -> None:
        self.page = WizardPage()
        self.take: Callable[[str], None] | None = None
        """Gets what is entered in the line; None while nothing is asked."""
        self._wizard, self._pages = wizard, pages
        self._glyphs, self._zone, self._slow = glyphs, zone, slow
        self._note: tuple[str, str] = ("", "muted")
        self._paint_due = False

    # ---- the line to type in: a path, a name, or the word that confirms

    def ask(self, prompt: str, text: str, take: Callable[[str], None]) -> None:
        """Opens the line with ``text`` in it; ``prompt`` stands there while it is empty."""
        line = self._wizard.query_one("#wizard-input", TextField)
        with line.prevent(Input.Changed):  # nobody typed that
            line.value = text
        line.placeholder, line.display = prompt, True
        self.take = take
        self._wizard.set_focus(line)
        self.repaint()

    def close_line(self) -> None:
        """Takes the line away."""
        self.take = None
        self._wizard.query_one("#wizard-input", Input).display = False
        self._wizard.set_focus(None)

    def typed(self, event: Input.Changed) -> None:
        """What was told of the last text does not hold for this one."""
        event.stop()
        if self._note[0] and self.take is not None:
            self.hush()
            self.repaint()

    def confirm(self, text: str) -> bool:
        """Return whether the job begins now; tell which word is missing, if it does not."""
        state = self._pages.state
        if state.may_run(text):
            state.starting = True
            return True
        if text != state.word:
            note = _("nothing was written: type {word} in full, or press esc to go back", word=state.word)
            self.tell(note, "failing")
        return False

    # ---- notes, pages and the job

    def tell(self, what: LilFoxError | Message | str, role: str = "degraded") -> None:
        """Shows a note instead of the keys."""
        text = f"{what} {self._glyphs.dash} {what.hint}" if isinstance(what, LilFoxError) and what.hint else str(what)
        self._note = (text, role)
        self.repaint()

    def hush(self) -> None:
        """Takes the note away; the next drawing shows the keys."""
        self._note = ("", "muted")

    def turn_page(self) -> None:
        """Begins a page at its top, with its keys and without the line."""
        self.hush()
        self.close_line()
        self.page.top = 0

    async def run(self, request: JobRequest) -> None:
        """Starts the job and follows it to its end. Raises LilFoxError if it cannot be started."""
        state = self._pages.state
        try:
            state.log = JobLog(await asyncio.to_thread(starting.start, request))
        except LilFoxError:
            state.starting = False
            raise
        try:
            await state.log.follow(self.repaint_soon)
        except LilFoxError as error:
            self.tell(error, "failing")
        self.repaint()

    # ---- drawing

    def repaint_soon(self) -> None:
        """Draws the page once for all that changes within half a second."""
        if not self._paint_due:
            self._paint_due = True
            self._wizard.set_timer(SLOW_PAINT_S if self._slow else PAINT_S, self.repaint)

    def repaint(self, *, follow: bool = True) -> None:
        """Draws the open page again, or the result page once the job has ended. ``follow`` keeps the highlighted line
        in sight."""
        self._paint_due = False
        if not self._wizard.is_mounted or not self._wizard.is_attached:
            return
        size, page, pages = self._wizard.app.size, self.page, self._pages
        if take_end(pages.state):
            page.top = 0
        items, asks = pages.items(), self._wizard.query_one("#wizard-input", Input).display

        def drawn(below: int) -> Sequence[Row]:
            page.take_room(size.width, size.height - below - asks, slow_link=self._slow)
            style = PageStyle(page.width, page.room - _SPARE_ROWS, self._glyphs, self._zone)
            rows = wrapped([BLANK, *pages.rows(style)], page.width - 1)
            return page.draw(rows, items, pages.below(style, len(rows)), pages.state, self._glyphs, follow=follow)

        def said(hiding: WizardPage | None) -> list[Row]:
            if self._note[0]:
                return wrapped([(Piece(" "), Piece(*self._note))], size.width)[:MOST_SAID]
            return pages.keys(size.width, hiding, asks=self.take is not None)

        told = said(None)
        shown = drawn(len(told))
        before, told = len(told), said(page)
        if len(told) != before:
            shown = drawn(len(told))
        keys = self._wizard.query_one("#wizard-keys", Lines)
        keys.styles.height = len(told)
        keys.show(told)
        self._wizard.query_one("#wizard-body", Lines).show(shown)


class _RestorePages:
    """The pages of a restore."""

    def __init__(self, state: RestoreState, glyphs: Glyphs) -> None:
        self.state, self._glyphs = state, glyphs

    def items(self) -> list[WizardItem]:
        """The selectable lines; the highlight stays on its own where others come or go."""
        items = page_items(self.state, self._glyphs)
        options = [item.act for item in items]
        self.state.keep_highlight(options)
        self.state.highlight_what_allows(options)
        return items

    def rows(self, style: PageStyle) -> list[Row]:
        return page_rows(self.state, style)

    def below(self, style: PageStyle, above: int) -> list[Row]:
        return rows_below(self.state, style, above)

    def keys(self, width: int, hiding: WizardPage | None, *, asks: bool) -> list[Row]:
        state, items = self.state, self.items()
        item = items[min(max(0, state.at), len(items) - 1)] if items else None
        space = "" if item is None else space_does(state, item.act, item.source)
        enter = _("choose") if _asks_only(state, items) else _("next page")
        if state.is_blocked:
            enter = _("show what blocks") if hiding is not None and hiding.hidden_failed is not None else ""
        more = hiding is not None and hiding.below > 0
        return page_keys(
            state.step, width, asks=asks, undoes=state.undoable, tables=bool(state.choice.tables), enter=enter,
            space=space, more=more,
        )  # fmt: skip


def _now(zone: tzinfo) -> datetime:
    return datetime.now(zone)


class RestoreWizard(Dialog[bool]):
    """The wizard: asks page by page, checks in the background, starts the job and follows it; the job outlives it.
    Returns whether to undo the restore."""

    def __init__(
        self, choice: RestoreChoice, *, glyphs: Glyphs, zone: tzinfo, slow: bool, undo_command: str = ""
    ) -> None:
        super().__init__()
        self.state = RestoreState(choice, undo_command)
        self._pages, self._zone = _RestorePages(self.state, glyphs), zone
        self.frame = WizardFrame(self, self._pages, glyphs=glyphs, zone=zone, slow=slow)
        self._queries = False
        """A server is asked for its databases: keys are for what is asked then."""

    def compose(self) -> ComposeResult:
        yield from wizard_parts()

    def on_mount(self) -> None:
        self.query_one("#wizard-input", Input).display = False
        self.frame.repaint()
        if self.state.choice.why_not_where() is None:
            self._look()

    def on_resize(self) -> None:
        self.call_after_refresh(self.frame.repaint)

    # ---- pages -----------------------------------------------------------------------------------------------------

    def _open(self, step: int) -> None:
        state = self.state
        state.open(step)
        self.frame.turn_page()
        if state.wants_look:
            self._look()
        if step == CONFIRM and state.looked is not None:
            self.asks_anew()
            prompt = word_prompt(state.word, self.app.size.width - PADDING, goes_back=True)
            self.frame.ask(prompt, "", self._take_word)
        self.frame.repaint()

    def _next(self) -> None:
        state = self.state
        if (why := state.why_no_next()) is not None:
            self.frame.tell(why)
            if state.step == CHECKS:
                state.goes_on = True
                if (failed := self.frame.page.hidden_failed) is not None:
                    self.frame.page.top, state.moved = failed, False  # the highlight no longer holds the page
                self.frame.repaint()
        elif _asks_only(state, self._pages.items()):
            self._choose()
        elif state.step < CONFIRM:
            self._open(state.step + 1)
        elif state.step == RESULT:
            self.close(False)

    def _back(self) -> None:
        if self.frame.take is not None and self.state.step != CONFIRM:
            self.frame.close_line()
            self.frame.repaint()
        elif self.state.step in (WHAT, RUN, RESULT):
            self.close(False)
        else:
            self._open(self.state.step - 1)

    def _take_word(self, text: str) -> None:
        if not self.state.is_ready:
            self._open(CHECKS)
        elif self.frame.confirm(text):
            self._open(RUN)
            self._run_job()

    # ---- work beside the keys --------------------------------------------------------------------------------------

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Runs the checks for the choices and works out what a restore would change; writes nothing."""
        from lilfox_tui.backup import effects

        request = self.state.choice.request()
        looked = self.state.looked = Looked(request)

        def heard(check: Check) -> None:
            looked.checks.append(check)
            looked.checked_at = _now(self._zone)
            self.frame.repaint_soon()

        try:
            async with effects.looked_at(request) as (_found, restore):
                looked.where, looked.names = dict(restore.where), dict(restore.names)
                self.frame.repaint_soon()
                await restore.checks(heard)
                looked.checked = True
                self._go_on()
                looked.counted_at = _now(self._zone)
                try:
                    looked.changes = await restore.changes()
                except LilFoxError as error:
                    if looked.ready:
                        raise
                    looked.uncounted = error  # what a check blocks may be out of reach
        except LilFoxError as error:
            looked.error = error
        self.frame.repaint_soon()

    def _go_on(self) -> None:
        """Opens the next page if it was asked for while the checks ran, and they have all passed."""
        if self.state.opens_confirm:
            self._open(CONFIRM)
        elif self.state.goes_on:
            self.state.goes_on = False
            self.frame.hush()
        self.frame.repaint_soon()

    @work(exclusive=True, group="run")
    async def _run_job(self) -> None:
        try:
            await self.frame.run(request_of("restore", self.state.choice.request()))
        except LilFoxError as error:
            self._open(CHECKS)
            self.frame.tell(error, "failing")

    # ---- keys and the mouse ----------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        self.frame.typed(event)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        take = self.frame.take
        if take is not None:
            if self.state.step != CONFIRM:
                self.frame.close_line()
            take(event.value.strip())
            self.frame.repaint()

    def on_key(self, event: events.Key) -> None:
        if self._queries and event.key != "escape":
            event.stop()
            event.prevent_default()
            return
        typing, checks = self.frame.take is not None, self.state.step == CHECKS
        self.state.goes_on = False
        if event.key != "enter":
            self.frame.hush()
        steps = _STEPS if typing else _STEPS | _LETTER_STEPS
        if event.key == "escape":
            self._back()
        elif event.key in steps:
            self._move(steps[event.key])
        elif typing:
            return
        elif event.key == "enter":
            self._next()
        elif event.key == "space":
            self._choose()
        elif event.key == "slash" and self.state.step == WHAT and self.state.choice.tables:
            self._choose_table()
        elif event.key == "u" and self.state.undoable:
            self.close(True)
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
        if not self.state.move(step, len(self._pages.items()), more_below=self.frame.page.below > 0):
            self.frame.page.top += step
        self.frame.repaint()

    def _choose(self) -> None:
        state, items = self.state, self._pages.items()
        if not items:
            return
        if not state.take_choice():
            self.frame.tell(_("press space again to confirm"))
            return
        item = items[min(state.at, len(items) - 1)]
        if item.act == "only":
            self._ask_only(state.choice.source(item.source))
        elif item.act == "place":
            self._ask_place(state.choice.source(item.source))
        else:
            state.choice.toggle(item.act, item.source)
            if state.step == CHECKS:
                self._look()
        self.frame.repaint()

    def _ask_only(self, source: SourceChoice) -> None:
        choice = self.state.choice
        if choice.only_of == source.name:
            choice.keep_only("", "")
        elif choice.tables_of(source.name):
            self._choose_table(source.name)
        else:
            self.frame.ask(only_prompt(source), "", lambda text: choice.keep_only(source.name, text))

    def _choose_table(self, source: str = "") -> None:
        """Asks which recorded table is restored, of ``source`` or of any; the page that follows opens then."""
        tables = self.state.choice.tables_of(source)

        def take(chosen: str | None) -> None:
            if chosen is not None:
                table = tables[int(chosen)]
                self.state.choice.keep_only(table.source, table.name)
                self._open(WHERE)

        title = _("Restore one table")
        self.app.push_screen(Chooser(title, table_choices(tables), wide=True), take)

    def _ask_place(self, source: SourceChoice) -> None:
        if source.is_database and not self.state.choice.planless:
            self._queries = True
            self.frame.tell(_("querying the server's databases …"), "muted")
            self._offer_places(source)
        else:
            self._type_place(source)

    def _type_place(self, source: SourceChoice) -> None:
        def take(text: str) -> None:
            source.place = text

        self.frame.ask(where_prompt(source), source.place, take)

    @work(exclusive=True, group="places")
    async def _offer_places(self, source: SourceChoice) -> None:
        """Offers the other databases on the server of ``source``; without any, asks for an address."""
        from lilfox_tui.backup import effects

        state = self.state
        try:
            urls = await effects.other_places(state.choice.request(), source.name)
        except LilFoxError as error:
            urls = []
            self.frame.tell(error)
        else:
            self.frame.hush()
        finally:
            self._queries = False
        if state.step != WHERE or not self.is_current:
            return  # esc was pressed meanwhile
        if not urls:
            self._type_place(source)
            return

        def take(chosen: str | None) -> None:
            if chosen == TYPED:
                self._type_place(source)
            elif chosen is not None:
                source.place = "" if chosen == ORIGINAL else chosen
                if len(state.choice.chosen) == 1:
                    self._open(CHECKS)
            self.frame.repaint()

        own = state.looked.where.get(source.name, "") if state.looked is not None and not source.place else ""
        title = _("Where to restore {source}?", source=source.name)
        self.app.push_screen(Chooser(title, place_choices(own, urls), wide=True, at=1), take)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self.frame.page.top += event.delta
        self.frame.repaint(follow=False)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        item = self.frame.page.item_at(event.x, event.index) if event.lines.id == "wizard-body" else None
        if item is not None:
            self.state.at, self.state.moved = item, True
            self._choose()


def restore_wizard(
    found: BackupSet, view: PlanView, request: BackupRequest, *, glyphs: Glyphs, zone: tzinfo, slow: bool,
    undo_command: str,
) -> RestoreWizard:  # fmt: skip
    """Return the wizard for everything in a set, restored to where it came from."""
    choice = RestoreChoice.of(found, view, request)
    return RestoreWizard(choice, glyphs=glyphs, zone=zone, slow=slow, undo_command=undo_command)
