"""Dialogs of the Runbook pane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.messages import PADDING, Dialog, key_rows, not_the_word, title_row, word_prompt
from lilfox_tui.app.dialogs.prompt import Option, PromptOffer
from lilfox_tui.app.evidence import Cause
from lilfox_tui.app.panes.runbook.preview import contents_text
from lilfox_tui.app.panes.runbook.rows import RunbookStyle, exit_text, text_rows, undo_piece, values_of
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.incidents import code_line
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import clean, fit, human_duration
from lilfox_tui.jobs.model import Job
from lilfox_tui.redact import redact
from lilfox_tui.runbook.control import ChangedText
from lilfox_tui.runbook.library import FirstRun
from lilfox_tui.runbook.model import Command, Runbook, Step, Variable
from lilfox_tui.runbook.run.gate import kind_with, words
from lilfox_tui.runbook.run.reducer import RunReducer, may_have_changed
from lilfox_tui.runbook.run.state import CommandResult, Turn, excluded, excluded_text, kind_text, state_text
from lilfox_tui.runbook.run.variables import ValueChoice, described, marked, shown

_MOST_LINES = 8
_NEVER = datetime.fromtimestamp(0, UTC)
"""No row here tells an age."""
WIDE = 98
"""Cells of a line of a command in a dialog, which wraps what is longer than its own."""


def beginning_rows(runbook: Runbook, cause: Cause | None, values: Mapping[str, str], config: Config) -> list[Row]:
    """The rows about a run to be started: the file, the hosts, the cause, and what it would change."""
    rows = [_line(_("runbook"), f"{runbook.path}:{runbook.line}"), *_where(runbook, config)]
    if cause is not None:
        rows.append(_line(_("cause"), cause.title))
    rows += [_line(f"<{name}>", value) for name, value in values.items()]
    rows += [_line(_("contains"), contents_text(runbook), "text"), *_change_rows(runbook, values)]
    told = _("Starting changes nothing on the hosts: each change is shown and confirmed first.")
    return [*rows, BLANK, (Piece("  "), Piece(told, "muted"))]


def _change_rows(runbook: Runbook, values: Mapping[str, str]) -> list[Row]:
    """The commands of a run that change something, each on a line."""
    known = values_of(runbook) | dict(values)
    rows: list[Row] = []
    for number, step in enumerate(runbook.steps, 1):
        for command in step.commands:
            if command.kind == "change" and not command.attributes.rollback_of:
                text = redact(marked(shown(command, known, runbook.variables)))
                role = "failing" if command.attributes.risk == "destroy" else "degraded"
                label = "" if rows else _("changes")
                rows.append((*_line(label, f"{number}. {step.title}  ", role), Piece(clean(code_line(text)), "muted")))
    return rows if len(rows) <= _MOST_LINES else [*rows[: _MOST_LINES - 1], _line("", "…", "muted")]


def _where(runbook: Runbook, config: Config) -> list[Row]:
    """The hosts that the runbook names; if a name matches no host, why the run cannot start."""
    try:
        found = words(config, runbook)
    except LilFoxError as error:
        return [(Piece("  "), Piece(str(error.message), "failing"))]
    hosts = list(dict.fromkeys(host for names in found.values() for host in names))
    return [_line(_("hosts"), listed(hosts) or "?", "accent")]


def beginning_ways(runbook: Runbook, cause: Cause | None) -> list[Option]:
    """The options: inside an incident or without one."""
    severity = _severity(runbook, cause)
    return [
        Option("enter", _("open an incident ({severity}) and run", severity=severity), "with"),
        Option("w", _("run without an incident"), "without"),
    ]


def again_ways(runbook: Runbook, cause: Cause | None, incident: str) -> list[Option]:
    """The options for another run. None uses the key that ended the last run. ``incident`` is the id of the open
    one."""
    if incident:
        return [Option("n", _("start a new run"), "without")]
    severity = _severity(runbook, cause)
    return [
        Option("n", _("open an incident ({severity}) and run", severity=severity), "with"),
        Option("w", _("run without an incident"), "without"),
    ]


def _severity(runbook: Runbook, cause: Cause | None) -> str:
    return runbook.severity or (cause.severity if cause is not None else "") or "SEV-3"


def resuming_rows(job: Job) -> list[Row]:
    """The text about a run whose job was killed."""
    return [
        _line(_("run"), f"{job.title}  ({job.id})"),
        _line(_("by"), job.user),
        (Piece("  "), Piece(job.message, "failing")),
        BLANK,
        (
            Piece("  "),
            Piece(
                _(
                    "LilFox knows which commands finished, and asks the host about those that were running. "
                    "Nothing runs twice."
                ),
                "muted",
            ),
        ),
    ]


def first_run_rows(first: FirstRun) -> list[Row]:
    """The text about a runbook file that nobody has approved on this machine yet."""
    told = _(
        "This version of the file is not approved on this machine yet, not even for read-only commands. Review "
        "it first; LilFox asks only once for each version."
    )
    rows: list[Row] = [(Piece("  "), Piece(str(first.question), "degraded"))]
    if first.others is not None:
        rows.append((Piece("  "), Piece(str(first.others.hint))))
    return [*rows, BLANK, (Piece("  "), Piece(told, "muted"))]


def other_text_rows(other: ChangedText) -> list[Row]:
    """The text about a run whose file was changed in the meantime."""
    return [
        (Piece("  "), Piece(str(each), "degraded" if number == 0 else "text")) for number, each in enumerate(other.what)
    ]


def other_text_ways(other: ChangedText) -> list[Option]:
    """The options for which text to continue with."""
    ways = [] if other.now is None else [Option("n", _("continue with the current version of the file"), "now")]
    return [
        *ways,
        Option("o", _("continue with the version this run was started with"), "stay"),
        Option("X", _("end the run"), "end"),
    ]


def confirm_rows(
    reducer: RunReducer, turn: Turn, given: Mapping[str, str], *, again: bool, glyphs: Glyphs
) -> tuple[list[Row], list[Row]]:
    """The text above a command to confirm, and the command."""
    command, runbook = reducer.command(turn), reducer.runbook
    attributes = command.attributes
    kinds = {kind_with(command, reducer.known.on(host) | dict(given), runbook) for host in turn.hosts or ("",)}
    kind = "change" if "change" in kinds else min(kinds)
    does = _("makes destructive changes") if attributes.risk == "destroy" else kind_text(kind)
    rows = [_line(_("hosts"), listed(turn.hosts) or "?", "accent")]
    facts = [does, *([_("as root (sudo)")] if attributes.sudo else [])]
    if attributes.timeout_s:
        facts.append(_("at most {time}", time=human_duration(attributes.timeout_s)))
    role = "failing" if attributes.risk == "destroy" else "degraded"
    rows.append(_line(_("does"), listed(facts), role if kind != "read" else "text"))
    if kind == "change":
        back = undo_piece(command, runbook) or undo_piece(replace(command, kind="change"), runbook)
        if back is not None:
            rows.append(_line(_("undo"), back.text, back.role))
    if again:
        rows.append(
            (
                Piece("  "),
                Piece(_("The outcome of its last run is unknown: running it again may repeat the change."), "failing"),
            )
        )
    style = RunbookStyle(WIDE, glyphs, _NEVER)
    return rows, text_rows(command, reducer.known.shown(turn.hosts) | dict(given), runbook.variables, style)


def decision_rows(reducer: RunReducer, turn: Turn, glyphs: Glyphs) -> list[Row]:
    """The text about what failed, where and why."""
    rows: list[Row] = []
    for result in reducer.results(turn.step, turn.command or 0).values():
        role = "good" if result.state == "done" else "failing"
        status = "" if result.exit_status is None else "  " + exit_text(result.exit_status)
        rows.append((Piece("  "), Piece(result.host, "accent"), Piece(f"  {state_text(result.state)}{status}", role)))
        if result.message:
            rows.append((Piece("    "), Piece(result.message)))
    return [*rows, BLANK, *text_rows(reducer.command(turn), reducer.known.shown(turn.hosts), reducer.runbook.variables,
                                     RunbookStyle(WIDE, glyphs, _NEVER))]  # fmt: skip


def decision_ways(*, unknown: bool, undoable: bool, half: bool) -> list[Option]:
    """The options to continue. ``half``: the failed command may have done something that can be undone."""
    ways = [Option("l", _("query the host again"), "look")] if unknown else []
    ways += [Option("R", _("run it again") if unknown else _("retry"), "retry"), Option("minus", _("skip"), "skip")]
    if half:
        ways.append(Option("b", _("undo what it may have done"), "half"))
    if undoable:
        ways.append(Option("u", _("undo it"), "undo"))
    return [*ways, Option("X", _("end the run"), "end")]


def hand_rows(step: Step, glyphs: Glyphs) -> list[Row]:
    """The text of a manual step."""
    rows: list[Row] = [(Piece("  "), Piece(redact(text))) for text in step.prose]
    rows += [(Piece(f"  {glyphs.separator} ", "muted"), Piece(redact(text))) for text in step.checklist]
    if excluded(step):
        rows.append((Piece("  "), Piece(excluded_text(), "degraded")))
    for command in (each for each in step.commands if each.attributes.rollback_of is None):
        rows += [(Piece("    "), Piece(line, "muted")) for line in redact(command.text).split("\n")[:_MOST_LINES]]
    return rows or [(Piece("  "), Piece(_("This is a manual step.")))]


def undo_rows(reducer: RunReducer, given: Mapping[str, str], glyphs: Glyphs, half: str = "") -> list[Row]:
    """The changes that will be undone, in order and with the commands, and those that stay. ``half``: undo only this
    command, which failed midway."""
    state = reducer.state()
    undoable = (half,) if half else state.undoable
    known = {run: each for run in undoable if (each := reducer.result(run)) is not None}
    style = RunbookStyle(WIDE, glyphs, _NEVER)
    rows: list[Row] = []
    for number, run in enumerate(undoable, 1):
        rows.append(_change(f"{number}.", known[run]))
        for turn in reducer.rollback_of(run):
            rows.append((Piece("     " + _("by"), "muted"), Piece(f" {listed(turn.hosts)}:", "accent")))
            rows += text_rows(
                reducer.command(turn), reducer.known.shown(turn.hosts) | dict(given), reducer.runbook.variables, style
            )
    if half:
        return [
            *rows,
            BLANK,
            (Piece("  "), Piece(_("The rollback commands assume that the whole change was made."), "degraded")),
        ]
    left = [each for each in state.changes if each.run not in state.undoable]
    return rows + _staying(left)


def stop_rows(running: Sequence[CommandResult]) -> list[Row]:
    """The text about the commands that would be stopped."""
    rows = [_change(" ", each) for each in running]
    return [*rows, BLANK, (Piece("  "), Piece(_("Stopping does not undo what has already been done."), "degraded"))]


def ending_rows(reducer: RunReducer) -> list[Row]:
    """The text about ending a run: the changes that stay in force, and the commands that may have changed something."""
    state = reducer.state()
    left = sum(step.state in ("ready", "failed", "unknown", "running") for step in state.steps)
    told = ngettext("{count} step is not done", "{count} steps are not done", left) if left else ""
    rows: list[Row] = [(Piece("  "), Piece(told or _("All steps are done or skipped.")))]
    results = [each for step in state.steps for command in step.commands for each in command.results]
    uncertain = [each for each in results if may_have_changed(reducer, each)]
    if state.changes or uncertain:
        return [*rows, *_staying(state.changes), *_uncertain(uncertain), *_last_undo(len(state.undoable))]
    undone = any(each.state == "undone" for each in results)
    return [*rows, (Piece("  "), Piece(_("All changes were undone.") if undone else _("Nothing was changed.")))]


def _last_undo(undoable: int) -> list[Row]:
    """That an ended run undoes nothing, where this one still can."""
    if not undoable:
        return []
    told = _("After the run has ended, u cannot undo this. To undo it now, press esc, then u.")
    return [BLANK, (Piece("  "), Piece(told, "degraded"))]


def _staying(changes: Sequence[CommandResult]) -> list[Row]:
    """Changes that stay in force."""
    if not changes:
        return []
    text = ngettext("{count} change stays in force:", "{count} changes stay in force:", len(changes))
    return [BLANK, (Piece("  "), Piece(text, "degraded")), *(_change(" ", each) for each in changes)]


def _uncertain(results: Sequence[CommandResult]) -> list[Row]:
    """Commands of which nobody knows whether they changed something."""
    if not results:
        return []
    count = len(results)
    text = ngettext(
        "{count} command may have changed something:", "{count} commands may have changed something:", count
    )
    return [BLANK, (Piece("  "), Piece(text, "degraded")), *(_change(" ", each) for each in results)]


def value_rows(variable: Variable, trouble: str) -> list[Row]:
    """The text above the input of a value: what it must be, and why the last input was rejected."""
    rows = [_line(f"<{variable.name}>", str(described(variable)))]
    if refused := _refused_addresses(variable):
        rows.append(_line("", refused))
    if trouble:
        rows.append((Piece("  "), Piece(trouble, "degraded")))
    return rows


def _refused_addresses(variable: Variable) -> str:
    if "self" in variable.deny and "private" in variable.deny:
        return _("your own address and private ranges are refused")
    if "self" in variable.deny:
        return _("your own address is refused")
    return _("private ranges are refused") if "private" in variable.deny else ""


def alerts_first(choices: Sequence[ValueChoice], firing: Sequence[str]) -> list[ValueChoice]:
    """The values to choose from, those of firing alerts first; ``choices`` may have them too."""
    known = {each.value: each for each in choices}
    told = _("an alert fires for it")
    first = [replace(known.get(value, ValueChoice(value)), note=told) for value in firing]
    return [*first, *(each for each in choices if each.value not in firing)]


def offer_of(choice: ValueChoice) -> PromptOffer:
    """Return a proposed value as a row to choose."""
    return PromptOffer((Piece(fit(choice.value, 32), "strong"), Piece(f"  {choice.note}", "muted")), choice.value)


def take_over_rows(leader: str, runs: Sequence[tuple[str, str]]) -> list[Row]:
    """The text about a takeover: who is in control of each run (title, who), or of the incident if there are no such
    runs."""
    texts = [
        _("{title}: {who} is in control now and will follow after the takeover.", title=title, who=who)
        for title, who in runs
    ]
    texts = texts or [_("{who} is in control now and will follow after the takeover.", who=leader)]
    rows: list[Row] = [(Piece("  "), Piece(text)) for text in texts]
    told = _("Running commands continue. The takeover is recorded and shown on the other person's screen.")
    return [*rows, BLANK, (Piece("  "), Piece(told, "muted"))]


def worked_rows(command: Command, hosts: Sequence[str], status: int) -> list[Row]:
    """The text about an interactive program that has exited: only the user knows whether it did what it should."""
    first = redact(command.text).strip().split("\n", 1)[0]
    ended = _("it exited with status {status}", status=status)
    asked = _("Did it work? Your answer is recorded; press esc to use the exit status.")
    return [
        (Piece("  "), Piece(listed(hosts), "accent"), Piece(f"  {first}", "strong")),
        (Piece("  "), Piece(ended, "degraded" if status else "text")),
        BLANK,
        (
            Piece("  "),
            Piece(asked, "muted"),
        ),
    ]


def worked_ways(status: int) -> list[Option]:
    """Return the options after an interactive program: it worked, or it failed; enter selects what the exit status
    says."""
    if status == 0:
        return [Option("enter", _("it worked"), "worked"), Option("f", _("it did not work"), "failed")]
    return [Option("enter", _("it did not work"), "failed"), Option("w", _("it worked anyway"), "worked")]


def _change(mark: str, result: CommandResult) -> Row:
    first = redact(result.shown).strip().split("\n", 1)[0]
    return (Piece(f"  {mark} ", "muted"), Piece(result.host, "accent"), Piece(f"  {first}"))


def _line(label: str, text: str, role: str = "strong") -> Row:
    return (Piece("  " + fit(label, 12) + "  ", "muted"), Piece(text, role))


# Show a command as it will run, where and what it changes, and run it only when that is said again.


class RunDialog(Dialog[bool]):
    """A dialog that returns True when enter was pressed, or, with a ``word``, when exactly that was typed; after
    another word it stays open and says so. ``about`` is shown above the command ``text``, which scrolls if it does not
    fit."""

    def __init__(self, title: str, about: Sequence[Row], text: Sequence[Row], word: str = "") -> None:
        super().__init__()
        self._title, self._about, self._text, self._word = title, tuple(about), tuple(text), word
        self._wrong: tuple[Row, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield Lines(ground="bar", id="dialog-about")
            yield Lines(ground="bar", id="dialog-text")
            yield TextField(id="dialog-input")
            yield Lines(ground="bar", id="dialog-keys")

    def on_mount(self) -> None:
        line = self.query_one("#dialog-input", Input)
        line.display = bool(self._word)
        if self._word:
            self.set_focus(line)
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        room, blanks = self.room("wide"), self.blanks
        about, text = wrapped(self._about, room), wrapped(self._text, room)
        head = [*blanks, *about, *wrapped(self._wrong, room), *blanks]
        if not blanks:  # all of it scrolls
            head, text = wrapped(self._wrong, room), [*about, *text]
        keys = [*blanks, *([] if self._word else key_rows((("enter", _("run it")), ("esc", _("go back"))), room))]
        for name, height in (("#dialog-about", len(head)), ("#dialog-keys", len(keys))):
            part = self.query_one(name, Lines)
            part.display, part.styles.height = height > 0, height
        self.query_one("#dialog-input", Input).placeholder = word_prompt(clean(self._word), room - PADDING)
        self.set_height(len(head) + len(text) + 2 + len(keys) + bool(self._word))
        self.query_one("#dialog-about", Lines).show(head)
        self.call_after_refresh(self._show, text, keys)

    def _show(self, text: Sequence[Row], keys: Sequence[Row]) -> None:
        lines = self.query_one("#dialog-text", Lines)
        lines.show(text)
        self.query_one("#dialog-keys", Lines).show(keys)
        self._title_row(lines)

    def _title_row(self, lines: Lines) -> None:
        self.query_one("#dialog-title", Lines).show([title_row(self._title, lines.hidden_below, self.room("wide"))])

    def on_key(self, event: events.Key) -> None:
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
        if event.key in steps:
            lines = self.query_one("#dialog-text", Lines)
            lines.scroll_rows(steps[event.key])
            self._title_row(lines)
            event.stop()
        elif event.key == "escape":
            event.stop()
            self.close(False)
        elif event.key == "enter" and not self._word:
            event.stop()
            self.close(True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.close(True)
        elif not self._wrong:
            self._wrong = (not_the_word(self._word),)
            self._arrange()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was told of the last word does not hold for this one."""
        event.stop()
        if self._wrong:
            self._wrong = ()
            self._arrange()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        self._title_row(self.query_one("#dialog-text", Lines))
