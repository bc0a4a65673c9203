"""The global actions: panes, pickers, the palette, time, demo faults, appearance and quitting."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import Action, ActionGroup, action
from lilfox_tui.app.console import Console
from lilfox_tui.app.navigation import BACKUP, LOGS, METRICS, RUNBOOK, TABS, Navigation
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES, change_rows
from lilfox_tui.app.rows.job_words import is_ours, user
from lilfox_tui.app.shared_actions import INCIDENT, SELECTION_KEPT
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import LANGUAGES, Message, _, clauses, language, set_language, tr
from lilfox_tui.core.text import fit
from lilfox_tui.monitor.model import View

if TYPE_CHECKING:
    from lilfox_tui.app.operations import Act
    from lilfox_tui.incident.model import Incident
    from lilfox_tui.jobs.model import Job

OF_SELECTION = (
    "open", "logs", "acknowledge", "unacknowledge", "silence", "runbook", "reconnect", "retry", "trust",
    "shell", "containers", "project-logs", "explain", "keep", "drop", "trace", "mark", "evidence", "copy", "backup",
    "verify", "drill", "restore",
    "undo", "prune", "kept", "settle", "output", "cancel", "run-again", "terminal", "by-hand", "skip", "stop",
    "end-run", "note", "findings", "accept-finding", "restart-workload", "scale", "pause-rollout", "delete-pod",
    "cordon", "drain",
    "decide", "moment", "call", "take-over", "hand-over", "close-incident", "export", "silences",
)  # fmt: skip
"""The actions that ``a`` lists: those on the selected row."""
_MAIN = "accept-finding"
"""The one of them that stands first, where it fits: the page says so."""
_MOVES = ("back", "down", "up", "page-down", "page-up", "first", "last", "left", "right", "line-start")
"""Actions that a hand finds by their keys: the palette lists them after the others."""
_FOR_ALL = ("silences", "note", "decide", "moment", "call", "take-over", "hand-over", "close-incident", "export")
"""Those of ``OF_SELECTION`` that do the same whatever is selected."""
_AROUND_HELP = 7
"""Rows of the screen that the help does not have: the frame's, its border and its title."""
_RARE = 99
"""After all ranks of the footer."""
_LEADS = ("pane-1", "pane-2", "pane-3", "pane-4", "pane-5", "hosts", "alerts", "changes", "incident", "recent-errors")
"""Those that lead elsewhere."""
_TITLE = 19
"""Cells of an action's title in a list."""
STEPS_IN_WINDOW = 30
AGAIN_S = 2.0
"""After ctrl-c has stopped a command, so long another one quits."""
_ACT = 40
"""Cells of an act's title."""


def on_selection(each: Action) -> bool:
    """Whether an action does something with the selected row, or lists what can be done with it."""
    return each.id in ("selection", "palette") or (each.id in OF_SELECTION and each.id not in _FOR_ALL)


class _Everywhere(ActionGroup):
    """Base of the global action groups."""

    def __init__(self, app: Console, navigation: Navigation) -> None:
        self._app, self._navigation = app, navigation


class PaneActions(_Everywhere):
    """Actions that open panes and search in them."""

    TASK = tr("Panes")

    @action("pane-1", "1", tr("Metrics"), tr("hosts and services"))
    def show_metrics(self) -> None:
        if self._navigation.current == METRICS:
            self._navigation.metrics.open_page(None)
        self._navigation.open(METRICS)

    @action("pane-2", "2", tr("Logs"), tr("all logs merged by time"))
    def show_logs(self) -> None:
        self._navigation.open(LOGS)

    @action("pane-3", "3", tr("Backup"), tr("plans, sets, restore"))
    def show_backup(self) -> None:
        self._navigation.open(BACKUP)

    @action("pane-4", "4", tr("Runbook"), tr("runbooks, their runs, the incident"))
    def show_runbook(self) -> None:
        if self._navigation.current == RUNBOOK:
            self._navigation.pane.select_run("")
        self._navigation.open(RUNBOOK)

    @action("pane-5", "5", tr("Clusters"), tr("workloads, pods, nodes, events"))
    def show_clusters(self) -> None:
        self._navigation.show_clusters()

    @action("hosts", "at", tr("hosts"), tr("find a host, service, container or workload by name"), footer=4)
    def pick_host(self) -> None:
        if self._app.shown is not None:
            chooser = dialogs.Chooser(_("Go to"), self._subjects(), wide=True, anew=self._subjects)
            self._app.push_screen(chooser, self._go_to_subject)
            self._app.shown_above = chooser.look_again

    def _subjects(self) -> list[dialogs.Choice]:
        """The hosts, services and backends as they are shown now."""
        overview = self._app.shown
        if overview is None:
            return []
        choices = []
        parts: tuple[tuple[str, Mapping[str, View]], ...] = (
            ("host", overview.hosts),
            ("service", overview.services),
            ("backend", overview.backends),
        )
        for kind, views in parts:
            for view in views.values():
                mark = Piece(self._app.glyphs.level(view.level) + " ", ROLES[view.level])
                why = clauses(str(reason) for reason in view.reasons)
                about = "  ".join(filter(None, (" ".join(view.config.tags), why)))
                row = (mark, Piece(fit(view.name, 20), "strong"), Piece(about, "muted"))
                words = " ".join((view.name, *view.config.tags, why))
                choices.append(dialogs.Choice(f"{kind}/{view.name}", row, words))
        found = self._navigation.metrics.containers.choices(overview)
        return [*choices, *found, *self._navigation.cluster_choices()]

    def _go_to_subject(self, chosen: str | None) -> None:
        self._app.shown_above = None
        if chosen is not None and not self._navigation.go_to_choice(chosen):
            kind, _slash, name = chosen.partition("/")
            self._navigation.open(METRICS)
            self._navigation.metrics.open_page((kind, name))

    def _why_no_alerts(self) -> Message | None:
        """Why the key for alerts is disabled: there is no alert and no incident to show."""
        if open_incident(self._app) is not None:
            return None
        state = self._navigation.metrics.state
        why = state.no_rules()
        if why is None and not state.items(state.overview):
            why = tr("no alert is firing or pending")
        return why

    @action(
        "alerts",
        "exclamation_mark",
        tr("alerts"),
        tr("go to the most severe alert, then to the next with each press; without alerts, to the incident"),
        why_not=_why_no_alerts,
    )
    def show_alerts(self) -> None:
        if self._navigation.metrics.state.items(self._navigation.metrics.state.overview):
            self._navigation.open(METRICS)
            self._navigation.metrics.select_alert()
        else:
            self._navigation.open(RUNBOOK)
            self._navigation.pane.show_incident()

    @action("changes", "c", tr("changes"), tr("all changes since you last looked"))
    def show_changes(self) -> None:
        until, changes = self._app.rewound, self._app.monitor.changes.all()
        shown = [each for each in changes if until is None or each.at <= until]
        _blank, title, *rows = change_rows(shown, self._app.glyphs)
        self._app.push_screen(dialogs.Reader([title, BLANK, *rows]))


class CurrentIncidentActions(_Everywhere):
    """The action that opens an incident, or shows the open one."""

    TASK = INCIDENT

    def _why_not(self) -> Message | None:
        app = self._app
        if open_incident(app) is not None:
            return None
        if app.rewound is not None:
            return tr("you are viewing the past; ` returns to now")
        if app.config.read_only:
            return tr("nothing can be run or written from here in read_only mode")
        return None

    @action("incident", "I", tr("incident"), tr("open an incident, or show the page of the open one"), why_not=_why_not)
    def open_or_show(self) -> None:
        self._navigation.pane.open_incident(self._show)

    def _show(self) -> None:
        self._navigation.open(RUNBOOK)
        self._navigation.pane.show_incident()
        self._app.repaint_frame()


class PaletteActions(_Everywhere):
    """Actions that run others by name."""

    TASK = tr("Commands and help")
    _lists: dialogs.KeptChooser | None = None

    def _choose(
        self,
        title: str,
        choices: Sequence[dialogs.Choice],
        take: Callable[[str | None], None],
        others: Callable[[], Sequence[dialogs.Choice]] | None = None,
    ) -> None:
        if self._lists is None:
            self._lists = dialogs.KeptChooser(self._app)
        self._lists.open(title, choices, take, others)

    @action("palette", "colon ctrl+p", tr("command"), tr("all actions by name"), footer=5)
    def palette_of_actions(self) -> None:
        there = (*self._navigation.actions, *self._navigation.of_incident())
        actions = sorted(_one_a_verb([each for each in there if each.id != "palette"]), key=_likely)
        elsewhere: dict[str, tuple[int, Action]] = {}

        def others() -> list[dialogs.Choice]:
            elsewhere.update((f"{TABS[place].module} {each.id}", (place, each))
                             for place, each in self._navigation.elsewhere())  # fmt: skip
            found = [_choice_elsewhere(id_, *there) for id_, there in elsewhere.items()]
            return [*found, *self._navigation.cluster_choices()]

        def take(chosen: str | None) -> None:
            if chosen in elsewhere:
                self._go_for(*elsewhere[chosen])
            elif chosen is not None and not self._navigation.go_to_choice(chosen):
                self._app.do(next(each for each in actions if each.id == chosen))

        self._choose(_("Command"), _in_groups(actions), take, others)

    def _go_for(self, place: int, wanted: Action) -> None:
        """Shows the pane of an action and does it there. One that acts on a row is left to the user, who has not chosen
        a row of that pane."""
        self._navigation.open(place)

        def finish() -> None:
            there = next(each for each in self._navigation.actions if each.id == wanted.id)
            if wanted.id not in OF_SELECTION or wanted.id in _FOR_ALL or there.why_not() is not None:
                self._app.do(there)  # which says so if it cannot be done
            elif wanted.keys:
                self._app.tell(tr("{action}: select a row, then press {key}", action=wanted.title, key=wanted.key_text))
            else:
                self._app.tell(tr("{action}: select a row, then press a", action=wanted.title))

        self._app.call_after_refresh(finish)  # a pane that is new is drawn first

    @action("selection", "a", tr("actions"), tr("actions for the selected row"), footer=8)
    def actions_on_selection(self) -> None:
        pane = self._navigation.pane
        acts = {f"act {each.id}": each for each in pane.acts()}
        actions = {each.id: each for each in self._navigation.actions if each.id in OF_SELECTION and each.fits()}
        choices = [_choice_of_act(id_, each) for id_, each in acts.items()]
        choices += [_choice(each) for each in actions.values()]
        choices.sort(key=lambda each: (not each.possible, each.id != _MAIN))

        def take(chosen: str | None) -> None:
            if chosen in acts:
                pane.carry_out(acts[chosen])
            elif chosen is not None:
                self._app.do(actions[chosen])

        self._choose(_("Actions for the selected row"), choices, take)

    @action("help", "question_mark", tr("help"), tr("all keys"), footer=7)
    def show_help(self) -> None:
        page = dialogs.HelpPage(self._navigation.actions, self._app.glyphs, self._app.size.height - _AROUND_HELP)

        def load() -> None:
            elsewhere = self._navigation.elsewhere()
            page.add_elsewhere((f"{place + 1} {TABS[place].title}", each) for place, each in elsewhere)

        title: Row = (Piece(" " + _("Keys"), "title"),)
        told = _("finds every action by a word, in full, also those of the other panes")
        more: Row = (Piece(" /", "key"), Piece(f" {told}", "muted"))
        self._app.push_screen(dialogs.Reader([title, more], page=page.lines, load=load, full=True))


def _one_a_verb(actions: Sequence[Action]) -> list[Action]:
    """The actions without those that now do what another one is for: that one has their key."""
    named = {each.title.text: each for each in actions}
    others = [(each, each.now()) for each in actions if each.id != "open"]  # enter is what does it, and stands first
    keys = {named[now.text].id: each for each, now in others if now is not None and now.text in named}
    same = {each.id for id_, each in keys.items() if each.id != id_}
    found = [each for each in actions if each.id not in same]
    return [replace(each, keys=each.keys or keys[each.id].keys) if each.id in keys else each for each in found]


def _likely(each: Action) -> tuple[bool, bool, bool, bool, int, int]:
    """The order of the palette: what can be done with the selected row, what is done with the incident, what leads
    elsewhere, the rest, and moves; what has a key and stands in the footer first."""
    of_incident = each.task == INCIDENT and each.help != SELECTION_KEPT
    of_row = each.id in OF_SELECTION and each.id not in _FOR_ALL and not of_incident and each.fits()
    at = OF_SELECTION.index(each.id) if of_row else 0
    leads = of_incident or each.id in _LEADS or each.id in _FOR_ALL
    order = each.footer or _RARE + at
    return each.id in _MOVES, not of_row, not of_incident, not leads, not each.keys, order


def _in_groups(actions: Sequence[Action]) -> list[dialogs.Choice]:
    """The actions below titles; what cannot be done now is last, each with its reason."""
    groups: dict[str, list[dialogs.Choice]] = {}
    impossible = _("Not possible now")
    for each in actions:
        choice = _choice(each)
        groups.setdefault(_group_of(each) if choice.possible else impossible, []).append(choice)
    ordered = sorted(groups.items(), key=lambda group: group[0] == impossible)
    return [each for name, those in ordered for each in (_group_title(name), *those)]


def _group_of(action: Action) -> str:
    moves, not_of_row, not_of_incident, does_not_lead, *_more = _likely(action)
    if moves:
        return _("Move")
    if not not_of_row:
        return _("The selected row")
    if not not_of_incident:
        return str(INCIDENT)
    return _("This pane and the console") if does_not_lead else _("Go to")


def _group_title(name: str) -> dialogs.Choice:
    return dialogs.Choice(name, (Piece(name, "title"),), "", possible=False, title=True)


def _choice(each: Action) -> dialogs.Choice:
    """An action as a choice, with the reason if it cannot be done now."""
    reason = each.why_not()
    key, name = ("key", "strong") if reason is None else ("muted", "muted")
    title = each.now() or each.title
    opens = title.text == "open" != each.title.text  # there enter does not do what it does elsewhere in the pane
    told = reason or (tr("open the selected row") if opens else each.help)
    row = _titled(title, name, str(told))
    return dialogs.Choice(
        each.id, row, _words(each), reason is None, names=_names(each), keys=Piece(each.key_text, key)
    )


def _words(each: Action) -> str:
    """What an action is found by: also in English, in which others and the documents name it."""
    return f"{each.id} {each.title} {each.help} {each.title.text} {each.help.text}"


def _names(each: Action) -> tuple[str, ...]:
    return each.id, str(each.title), each.title.text


def _choice_elsewhere(id_: str, place: int, each: Action) -> dialogs.Choice:
    """An action of another pane as a choice: the keys that lead to it, and the pane."""
    pane = str(TABS[place].title)
    keys = Piece(f"{place + 1} {each.key_text}", "key")
    row = _titled(each.title, "strong", f"{pane}: {each.help}")
    return dialogs.Choice(id_, row, f"{pane} {_words(each)}", names=_names(each), keys=keys)


def _titled(title: Message, role: str, text: str) -> Row:
    return (Piece(fit(str(title), _TITLE - 1) + " ", role), Piece(text, "muted"))


def _choice_of_act(id_: str, act: Act) -> dialogs.Choice:
    """An operation on the selected row as a choice."""
    role = "strong" if act.why_not is None else "muted"
    row = (Piece(fit(act.title, _ACT), role), Piece("  " + str(act.why_not or act.note), "muted"))
    return dialogs.Choice(id_, row, f"{act.title} {act.note}", act.why_not is None)


class TimeActions(_Everywhere):
    """Actions that choose the time shown."""

    TASK = tr("Time")
    _left: datetime | None = None
    """When the screen was turned back from the present."""

    def _what_p_does(self) -> Message | None:
        return tr("resume") if self._app.paused else None

    @action(
        "pause", "p", tr("pause"), tr("freeze the screen; worsening states are still shown"), footer=9, now=_what_p_does
    )
    def toggle_pause(self) -> None:
        self._app.paused_at = None if self._app.paused else datetime.now(UTC)
        if self._app.paused:
            for pane in self._navigation.panes.values():
                pane.hold()
        else:
            self._navigation.pane.rewind(self._app.rewound)

    def _why_now(self) -> Message | None:
        """Why the screen cannot go back to the present: it already shows it."""
        return None if self._app.rewound is not None else tr("already showing the present")

    @action("now", "grave_accent", tr("now"), tr("back to the present"), why_not=_why_now, footer=3)
    def back_to_now(self) -> None:
        self._navigation.rewind(None)

    @action("earlier", "left_square_bracket", tr("earlier"), tr("step back in time in all panes"), footer=10)
    def earlier(self) -> None:
        self._step(-1)

    @action("later", "right_square_bracket", tr("later"), tr("step forward in time"), why_not=_why_now, footer=3)
    def later(self) -> None:
        self._step(1)

    def _step(self, direction: int) -> None:
        now = datetime.now(UTC)
        step = timedelta(seconds=max(self._navigation.metrics.state.window.total_seconds() / STEPS_IN_WINDOW, 2.0))
        if self._app.rewound is None:
            self._left = now
        at = (self._app.rewound or now) + direction * step
        oldest = oldest_known(self._app)
        if at < oldest:
            form = "%H:%M:%S" if oldest.date() == now.date() else "%Y-%m-%d %H:%M:%S"
            self._app.tell(tr("cannot go back further than {time}", time=oldest.strftime(form)))
            at = oldest
        # As many steps forward as there were back lead to the present, however long that took.
        forward = direction > 0 and self._left is not None and at > self._left - step / 2
        self._navigation.rewind(None if forward or at >= now - timedelta(seconds=1) else at)


class DemoActions(_Everywhere):
    """Actions for the faults of the demo."""

    TASK = tr("Demo")

    def _why_no_demo(self) -> Message | None:
        """Why there is no fault to choose."""
        return None if self._app.demo is not None else tr("only in lilfox demo")

    @action(
        "fault",
        "F",
        tr("fault"),
        tr("inject a fault into a demo service, or clear it"),
        why_not=_why_no_demo,
        footer=7,
    )
    def choose_fault(self) -> None:
        from lilfox_tui.demo.control_socket import DATABASE, HEALED

        if self._app.demo is None:
            return
        choices, active = [], set(self._app.demo.faults())
        for name, kinds in self._app.demo.targets.items():
            for kind, what in {**kinds, **({} if name == DATABASE else {HEALED: tr("recovered")})}.items():
                mark = Piece("  " + _("active"), "failing") if (name, kind) in active else Piece("")
                row = (Piece(fit(name, 10), "strong"), Piece(str(what)), mark)
                choices.append(dialogs.Choice(f"{name}:{kind}", row, f"{name} {kind} {what} {mark.text}"))
        self._app.push_screen(dialogs.Chooser(_("Inject a fault"), choices), self._take_fault)

    def _take_fault(self, chosen: str | None) -> None:
        if chosen is not None:
            self._app.run_worker(self._set_fault(chosen), group="fault")

    async def _set_fault(self, chosen: str) -> None:
        name, _colon, kind = chosen.partition(":")
        if self._app.demo is None:
            return
        what = self._app.demo.targets[name].get(kind)
        try:
            await (self._app.demo.heal(name) if what is None else self._app.demo.fault(name, kind))
        except LilFoxError as error:
            self._app.tell(error)
        else:
            self._app.tell(tr("{name}: {what}", name=name, what=what or tr("recovered")))
            if name in self._app.demo.found_by_audit:
                await self._app.monitor.audit.run_now()


class ConsoleActions(_Everywhere):
    """Actions for appearance and for quitting."""

    TASK = tr("Console")

    def __init__(self, app: Console, navigation: Navigation) -> None:
        super().__init__(app, navigation)
        self._leaving: dialogs.AskDialog | None = None
        self._stopped_s = -AGAIN_S
        """When ctrl-c stopped a command last."""

    def _why_no_colours(self) -> Message | None:
        """Why the theme cannot be changed."""
        return tr("NO_COLOR is set: unset it to choose a theme") if self._app.no_color else None

    @action("theme", "T", tr("theme"), tr("choose the colours"), why_not=_why_no_colours)
    def choose_theme(self) -> None:
        from lilfox_tui.app.theme_picker import ThemePicker

        ThemePicker(self._app, self._navigation.pane.repaint).open()

    def _why_one_language(self) -> Message | None:
        """Why the language cannot be changed."""
        return tr("this terminal shows ASCII only") if self._app.glyphs.ascii_only else None

    @action("language", "L", tr("language"), tr("English or 简体中文"), why_not=_why_one_language)
    def next_language(self) -> None:
        names = list(LANGUAGES)
        self._use_language(names[(names.index(language()) + 1) % len(names)])

    @action("suspend", "ctrl+z", tr("to the shell"), tr("suspend to the shell; fg resumes"))
    def step_aside(self) -> None:
        self._app.action_suspend_process()

    @action(
        "interrupt",
        "ctrl+c",
        tr("stop or quit"),
        tr("stop the running command of the visible run; otherwise, or pressed again within 2 s, quit"),
    )
    def interrupt(self) -> None:
        now = time.monotonic()
        if now - self._stopped_s < AGAIN_S:
            if self._app.demo is None:
                self._app.exit()  # no question: the job of the run goes on
            else:
                self.leave()
            return
        on_top = len(self._app.screen_stack) == 1
        stop = next((each for each in self._navigation.actions if each.id == "stop"), None) if on_top else None
        if stop is None or stop.why_not() is not None:
            self.leave()
            return
        self._stopped_s = now
        stop.run()
        self._app.tell(tr("press ctrl-c again to quit"))

    @action("redraw", "ctrl+l", tr("redraw"), tr("draw the whole screen again, after another program wrote on it"))
    def redraw(self) -> None:
        self._app.shown_cells.forget()
        self._app.refresh(repaint=True)

    @action("quit", "q", tr("quit"), tr("quit; changes nothing on the hosts, and jobs keep running"), footer=8)
    def leave(self) -> None:
        backups = self._app.monitor.backups.backups
        running = [*(() if backups is None else backups.running)]
        running += _begun_here(self._app, {job.id for job in running})
        mine = [job for job in running if is_ours(job, user()) and _runs_still(job)]
        incident = open_incident(self._app)
        if (not mine and incident is None) or self._app.screen is self._leaving:
            self._app.exit()
            return
        rows: list[Row] = [(Piece(f"  {self._app.glyphs.job} {job.title}", "strong"),) for job in mine]
        then = []
        if mine:
            told = _("Jobs keep running after you quit; the next start shows them again.")
            if self._app.demo is not None:
                told = _("Jobs end when you quit: the demo removes its database and its jobs on exit.")
            then.append(told)
        if incident is not None:
            rows.append((Piece(f"  {incident.id} {incident.severity}  {incident.title}", "strong"),))
            then.append(_("{id} stays open after you quit; the next start shows it again.", id=incident.id))
        rows += [BLANK, *((Piece("  "), Piece(each)) for each in then)]
        title = _("You have running jobs") if mine else _("An incident is open")
        self._leaving = dialogs.AskDialog(title, rows, does=_("quit"), stays=_("stay"), keys=("q", "y"))
        self._app.push_screen(self._leaving, lambda leaves: self._app.exit() if leaves else None)

    def _use_language(self, name: str) -> None:
        """Switches everything to another language."""
        set_language(name)
        self._navigation.pane.repaint()
        self._app.repaint_frame()


def _begun_here(app: Console, known: Collection[str]) -> list[Job]:
    """The jobs of the runs that are going on here and are not in the monitor's list yet."""
    runs = (run.job_id for run in app.runs.values() if run.ended is None and run.job_id not in known)
    return [job for job in map(_found, runs) if job is not None]


def _runs_still(job: Job) -> bool:
    """Whether a job has not ended; the monitor's list is up to a second old, and the end may be on the screen."""
    found = _found(job.id)
    return found is None or found.state == "running"  # unreadable: ask rather than leave without asking


def _found(job_id: str) -> Job | None:
    from lilfox_tui.jobs.listing import find_job

    with suppress(LilFoxError):
        return find_job(job_id)
    return None


def open_incident(app: Console) -> Incident | None:
    """The open incident, as far as the monitor knows."""
    view = app.monitor.incidents.feed.value
    return None if view is None else view.incident


def oldest_known(app: Console) -> datetime:
    """The earliest time to which the screen can be rewound (aware UTC): a year ago with a Prometheus, else the start of
    the recorded history, or now without any."""
    if app.config.prometheus is not None:
        return datetime.now(UTC) - timedelta(days=365)
    subjects = [f"host/{name}" for name in app.monitor.hosts] + [f"service/{name}" for name in app.monitor.services]
    spans = [span for subject in subjects if (span := app.monitor.history.span(subject)) is not None]
    lost = [each.at for each in app.monitor.changes.all() if each.kind == "lost"]  # of these nothing else is recorded
    return min((*(first for first, _last in spans), *lost), default=datetime.now(UTC))
