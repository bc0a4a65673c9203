"""The wizard of a restore: one page a question (What, Where, Checks, Confirm, Run, Result). Esc goes back one page, and
nothing happens before Run."""

from __future__ import annotations

import asyncio

from textual import events, work

from lilfox_tui.app.panes.backup import restore_pages as pages
from lilfox_tui.app.panes.backup.restore_choice import SourceChoice
from lilfox_tui.app.panes.backup.restore_drawing import RestoreView
from lilfox_tui.app.panes.backup.restore_pages import CHECKS, CONFIRM, RESULT, RUN, WHAT, WHERE
from lilfox_tui.app.rows.jobs import JobLog
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _

NOTHING = -1
"""No row is highlighted."""


class RestoreWizard(RestoreView):
    """Asks page by page, looks while you look, starts the job and follows it; the job outlives it."""

    # ---- pages -----------------------------------------------------------------------------------------------------

    def _go(self, step: int) -> None:
        self.step, self._at, self._moved, self._note = step, 0, False, ("", "muted")
        if step == CHECKS:
            self._at = NOTHING  # what a check asks is not said to be right by a key too many
        self._close_line()
        self.query_one("#wizard-body", Lines).top = 0
        if step >= CHECKS and step < RUN and (self.looked is None or self.looked.wish != self.choice.wish()):
            self._look()
        if step == CONFIRM and self.looked is not None:
            self.asks_anew()
            word = pages.word_of(self.choice, self.looked)
            self._ask(_("type {word} and press enter; esc goes back", word=word), "", self._confirmed)
        self._show()

    def _next(self) -> None:
        why: Message | str | None = None
        if self.step == WHAT:
            why = self.choice.no_what()
        elif self.step == WHERE:
            why = self.choice.no_where()
        elif self.step == CHECKS and (self.looked is None or not self.looked.ready):
            waiting = self.looked is None or (not self.looked.checked and self.looked.error is None)
            why = (
                _("still looking")
                if waiting
                else _("what is marked forbids it; R looks again, space allows what may be allowed")
            )
        if why is not None:
            self._say(why)
            if self.step == CHECKS:
                self._bring_up_what_forbids()
        elif self.step < CONFIRM:
            self._go(self.step + 1)
        elif self.step == RESULT:
            self.close(None)

    def _bring_up_what_forbids(self) -> None:
        """Scrolls to the first check that is bad, where that is out of sight."""
        body = self.query_one("#wizard-body", Lines)
        bad = [place for place, row in enumerate(body.rows) if any(piece.role == "failing" for piece in row)]
        if bad and not body.top <= bad[0] < body.top + body.room:
            body.scroll_rows(bad[0] - body.top)
            self._show()

    def _back(self) -> None:
        if self._take is not None and self.step != CONFIRM:
            self._close_line()
            self._show()
        elif self.step in (WHAT, RUN, RESULT):
            self.close(None)
        else:
            self._go(self.step - 1)

    def _confirmed(self, text: str) -> None:
        looked = self.looked
        if looked is None or not looked.ready or looked.wish != self.choice.wish():
            self._go(CHECKS)
        elif text != pages.word_of(self.choice, looked):
            self._say(_("that is something else: nothing was written"))
        elif not self._starting:
            self._starting = True
            self._go(RUN)
            self._run()

    @work(exclusive=True, group="run")
    async def _run(self) -> None:
        from lilfox_tui.backup.plan import request_of
        from lilfox_tui.jobs import start as starting

        try:
            self.job = await asyncio.to_thread(starting.start, request_of("restore", self.choice.wish()))
        except LilFoxError as error:
            self._starting = False
            self._go(CHECKS)
            self._say(error, "failing")
            return
        self._log = JobLog(self.job)
        try:
            await self._log.follow(self._changed)
        except LilFoxError as error:
            self._say(error, "failing")
        self._show()

    # ---- keys ------------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        typing = self._take is not None
        self._note = ("", "muted") if event.key != "enter" else self._note
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
        if not typing:
            steps |= {"j": 1, "k": -1}
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
        elif event.key == "o" and self.step == CHECKS:
            self._all_checks = not self._all_checks
            self._show()
        elif event.key == "R" and self.step == CHECKS:
            self._look()
            self._show()
        else:
            return
        event.stop()
        event.prevent_default()

    def _move(self, step: int) -> None:
        items = self._items()
        if items and not self._reads(step):
            self._at, self._moved = max(0, min(len(items) - 1, self._at + step)), True
            self._show()
        elif items:
            self.query_one("#wizard-body", Lines).scroll_rows(step)
            self._show()
        else:
            self.query_one("#wizard-body", Lines).scroll_rows(step)

    def _reads(self, step: int) -> bool:
        """Whether a key moves through what the checks say, above what can be allowed."""
        if self.step != CHECKS or self._at > 0 or (self._at == 0 and step > 0):
            return False
        self._at = NOTHING
        return step < 0 or self.query_one("#wizard-body", Lines).hidden_below > 0

    def _choose(self) -> None:
        items = self._items()
        if not items:
            return
        if self._at == NOTHING:
            self._at, self._moved = 0, True
            self._say(_("space once more says so"))
            return
        item, choice = items[min(self._at, len(items) - 1)], self.choice
        if item.act == "whole":
            choice.keep_only("", "")
            for each in choice.sources:
                each.wanted = True
        elif item.act == "source":
            self._toggle(self._source(item.source))
        elif item.act == "only":
            self._ask_only(self._source(item.source))
        elif item.act == "place":
            self._ask_place(self._source(item.source))
        elif item.act == "other-server":
            choice.other_server = not choice.other_server
            self._look()
        elif item.act == "end-sessions":
            choice.end_sessions = not choice.end_sessions
            self._look()
        elif item.act == "run-code":
            choice.run_code = not choice.run_code
            self._look()
        self._show()

    def _toggle(self, source: SourceChoice) -> None:
        if self.choice.only:
            self.choice.keep_only("", "")
        source.wanted = not source.wanted

    def _ask_only(self, source: SourceChoice) -> None:
        if self.choice.only_of == source.name:
            self.choice.keep_only("", "")
            return
        prompt = (
            _("its table, such as public.users") if source.is_database else _("its file or folder, such as avatars/")
        )
        self._ask(prompt, "", lambda text: self.choice.keep_only(source.name, text))

    def _ask_place(self, source: SourceChoice) -> None:
        def take(text: str) -> None:
            source.place = text

        self._ask(pages.where_prompt(source), source.place, take)

    def _source(self, name: str) -> SourceChoice:
        return next(each for each in self.choice.sources if each.name == name)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        items = self._items()
        first = len(event.lines.rows) - len(items)
        if event.lines.id == "wizard-body" and items and event.index >= first:
            self._at = event.index - first
            self._choose()
