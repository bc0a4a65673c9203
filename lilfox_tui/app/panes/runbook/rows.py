"""Runbooks, steps and the output of commands as rows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.columns import cells, slice_row, wrap_spans, wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import shell_pieces
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_bytes, human_duration
from lilfox_tui.redact import redact
from lilfox_tui.runbook.model import Command, Runbook, Step, Variable
from lilfox_tui.runbook.run.output import signal_of
from lilfox_tui.runbook.run.state import CommandResult, State, kind_text, state_text
from lilfox_tui.runbook.run.variables import CommandPiece as Filling
from lilfox_tui.runbook.run.variables import marked, shown

STATE_ROLES: dict[State, str] = {
    "ready": "muted",
    "running": "accent",
    "done": "good",
    "failed": "failing",
    "unknown": "failing",
    "skipped": "degraded",
    "undone": "degraded",
}
_PIECE_ROLES = {"text": "text", "value": "accent", "open": "degraded"}


class RunbookStyle(Struct, frozen=True):
    """How rows are drawn: the width, the glyphs, and the time of drawing (aware UTC)."""

    width: int
    glyphs: Glyphs
    now: datetime


def state_mark(state: State, glyphs: Glyphs, *, here: bool = False) -> Piece:
    """The symbol of a state; with ``here``, a ready one is marked as the next."""
    marks: dict[State, str] = {
        "ready": glyphs.chosen if here else " ",
        "running": glyphs.job,
        "done": glyphs.done,
        "failed": glyphs.failing,
        "unknown": "?",
        "skipped": glyphs.dash,
        "undone": glyphs.taken_back,
    }
    return Piece(marks[state], "accent" if here and state == "ready" else STATE_ROLES[state])


def item_row(mark: Piece, title: str, right: Piece, width: int, *, marked: bool) -> Row:
    """A runbook in the list: its title, and its purpose or progress."""
    room = max(1, width - 4 - (cell_width(right.text) + 1 if right.text else 0))
    role = "accent" if marked else "strong" if mark.role != "muted" else "text"
    pieces = (Piece(" "), mark, Piece(" "), Piece(fit(title, room), role))
    return (*pieces, Piece(" "), right) if right.text else pieces


def step_row(
    number: int, step: Step, state: State, style: RunbookStyle, *, here: bool, marked: bool, waits: str = ""
) -> Row:
    """A step in the list of steps; ``waits``: for whom the run waits at it."""
    role = "accent" if marked else "strong" if here else "muted" if state == "ready" else "text"
    text = f"{number + 1:>2}. {step.title}"
    mark = _waiting_mark(state, style.glyphs) if waits else state_mark(state, style.glyphs, here=here)
    row = (Piece(" "), mark, Piece(" "), Piece(text, role))
    told = Piece(f"  {waits}", mark.role)
    return (*row, told) if waits and cells((*row, told)) <= style.width else row  # else the mark says it


def _waiting_mark(state: State, glyphs: Glyphs) -> Piece:
    return state_mark(state, glyphs) if state in ("failed", "unknown") else Piece(glyphs.degraded, "degraded")


def command_row(
    command: Command, state: State, style: RunbookStyle, *, here: bool, marked: bool, waits: bool = False
) -> Row:
    """A command below its step, if that has several. A rollback is further to the right, and named as one: it is not
    the step's last command. ``waits``: the run waits for somebody at it."""
    undoes = command.attributes.rollback_of is not None
    if undoes and state == "ready":
        mark = Piece(style.glyphs.taken_back, "accent")
    elif command.kind == "none":
        mark = Piece(" ")
    else:
        mark = _waiting_mark(state, style.glyphs) if waits else state_mark(state, style.glyphs, here=here)
    label, name = command_label(command)
    role = "accent" if marked or undoes else "strong" if here else "muted"
    indent = Piece("        " if undoes else "      ")
    return (indent, mark, Piece(" "), Piece(label, role), *((Piece(f"  {name}", "muted"),) if name else ()))


def command_label(command: Command) -> tuple[str, str]:
    """What a command is in the list below its step, and the name of a rollback, or of a check that has one."""
    if command.attributes.rollback_of:
        return _("rollback"), command_name(command)
    name = command.attributes.name
    if name and command.attributes.check:
        return _("check"), name
    return command_name(command), ""


def step_of(step: int, command: Command | None) -> str:
    """``step 3``, or what a command is of it: its check, its undo."""
    if command is not None and command.attributes.rollback_of:
        return _("undo of step {number}", number=step + 1)
    if command is not None and command.attributes.check:
        return _("check of step {number}", number=step + 1)
    return _("step {number}", number=step + 1)


def command_name(command: Command) -> str:
    """A command's name in a list: the name of its fence, else its first line."""
    return command.attributes.name or redact(command.text.strip().split("\n", 1)[0])


def title_row_of(number: int, step: Step) -> Row:
    """A step by its number and title, on one line."""
    return (Piece(f" {number + 1}. ", "muted"), Piece(step.title, "strong"))


def prose_rows(step: Step, style: RunbookStyle) -> list[Row]:
    """The text of a step below its title."""
    rows: list[Row] = [(Piece(" "), Piece(redact(text), "muted")) for text in step.prose]
    rows += [(Piece(f" {style.glyphs.separator} ", "muted"), Piece(redact(text), "muted")) for text in step.checklist]
    return wrapped(rows, max(8, style.width - 1))


def about_row(command: Command, hosts: Sequence[str], style: RunbookStyle, *, undo: Piece | None = None) -> list[Row]:
    """Where a command runs, in the accent colour, what it does, and whether that can be undone."""
    attributes = command.attributes
    role = {"change": "degraded", "interactive": "degraded"}.get(command.kind, "muted")
    if attributes.risk == "destroy":
        role = "failing"
    words = [_("destructive") if attributes.risk == "destroy" else kind_text(command.kind)]
    words += [_("sudo")] if attributes.sudo else []
    words += [_("check")] if attributes.check else []
    words += [_("in the background")] if attributes.background else []
    if attributes.timeout_s:
        words.append(_("at most {time}", time=human_duration(attributes.timeout_s)))
    if attributes.expect is not None:
        expect = attributes.expect
        what = f"/{expect}/" if isinstance(expect, str) else _("exit status {status}", status=expect)
        words.append(_("expects {what}", what=what))
    where = listed(hosts) or attributes.host or "?"
    if command.kind == "none":
        return [(Piece(" "), Piece(words[0], "muted"))]
    said: Row = () if undo is None else (Piece("  "), undo)
    does = Piece(listed(words), role)
    return wrapped([(Piece(" "), Piece(where, "accent"), Piece("  "), does, *said)], style.width - 1)


def undo_piece(command: Command, runbook: Runbook) -> Piece | None:
    """Whether a change can be undone; None for a command that changes nothing."""
    name = command.attributes.name
    if command.kind != "change" or command.attributes.rollback_of is not None:
        return None
    others = (each.attributes.rollback_of for step in runbook.steps for each in step.commands)
    if name is not None and name in others:
        return Piece(_("u undoes it until the run ends"), "text")
    return Piece(_("the runbook does not define how to undo this"), "degraded")


def rollback_rows(
    command: Command, runbook: Runbook, hosts: Sequence[str], values: Mapping[str, str], style: RunbookStyle
) -> list[Row]:
    """A rollback under a heading of its own, indented and without the colours of what runs: which step it takes back,
    where and what it does, and the command."""
    undone = command.attributes.rollback_of
    number = next(
        (at for at, step in enumerate(runbook.steps) if any(each.attributes.name == undone for each in step.commands)),
        None,
    )
    text = _("Rollback, runs only when you press u")
    if number is not None:
        text = _("Rollback of step {number}, runs only when you press u", number=number + 1)
    indent = Piece("   ")
    inner = replace(style, width=style.width - len(indent.text))
    heading = wrapped([(Piece(f" {style.glyphs.taken_back} ", "accent"), Piece(text, "accent"))], inner.width - 1)
    kept = (_PIECE_ROLES["value"], _PIECE_ROLES["open"])
    code = [
        tuple(Piece(piece.text, piece.role if piece.role in kept else "muted") for piece in row)
        for row in text_rows(command, values, runbook.variables, inner)
    ]
    return [(indent, *row) for row in (*heading, *about_row(command, hosts, inner), *code)]


def text_rows(
    command: Command, values: Mapping[str, str], variables: Sequence[Variable], style: RunbookStyle
) -> list[Row]:
    """The command as it will run, with its values marked, and missing values in another colour."""
    pieces = shown(command, values, variables)
    whole = marked(pieces)
    if redact(whole) != whole:  # what is secret may begin in one piece and end in another
        pieces = (Filling(redact(whole)),)
    lines: list[list[Piece]] = [[]]
    begins = True
    for piece in pieces:
        parts = [Piece(piece.text, _PIECE_ROLES[piece.role])]
        if piece.role == "text":
            parts, begins = shell_pieces(piece.text, begins=begins)
        for part in parts:
            for number, text in enumerate(part.text.split("\n")):
                if number:
                    lines.append([])
                if text:
                    told = f"‹{text}›" if piece.role == "value" else text
                    lines[-1].append(Piece(clean(told.replace("\t", "    ")), part.role))
    return [row for line in lines for row in _folded(line, max(12, style.width - 1))]


def shown_rows(command: Command, style: RunbookStyle) -> list[Row]:
    """What stands below a command: why it is not run, and the output that the file shows."""
    rows: list[Row] = []
    if command.refused:
        rows += wrapped([(Piece(f" {style.glyphs.failing} " + redact(command.refused), "failing"),)], style.width - 1)
    if command.output:
        rows.append((Piece(" " + _("expected output:"), "muted"),))
        lines = redact(command.output).replace("\t", "    ").split("\n")
        rows += [row for line in lines for row in _folded([Piece(clean(line), "muted")], max(12, style.width - 1))]
    return rows


_INDENT, _BELOW = "   ", "     "
"""Before a line of a command, and before the rest of it on the next rows."""


def _folded(line: Sequence[Piece], width: int) -> list[Row]:
    """A line of a command in rows of ``width`` cells."""
    text = "".join(piece.text for piece in line)
    spans = wrap_spans(text, width - len(_INDENT), width - len(_BELOW))
    return [(Piece(_BELOW if start else _INDENT), *slice_row(line, start, end)) for start, end in spans]


def exit_text(status: int) -> str:
    """An exit status and, where the shell or a signal gives it one, its meaning."""
    text = _("exit status {status}", status=status)
    meanings = {
        124: _("timed out"),
        126: _("permission denied or not executable"),
        127: _("command not found"),
        137: _("killed by SIGKILL, often by the OOM killer"),
    }
    if (meaning := meanings.get(status, "")) or not (name := signal_of(status)):
        return f"{text}: {meaning}" if meaning else text
    return f"{text}: " + _("killed by {signal}", signal=name)


def result_rows(result: CommandResult, style: RunbookStyle) -> list[Row]:
    """The result of a command on one host: one line, and on failure the reason."""
    end = result.ended or style.now
    facts = [human_duration(max(0.0, (end - result.began).total_seconds()))]
    if result.exit_status is not None and result.state in ("failed", "unknown"):
        facts.append(exit_text(result.exit_status))
    if result.lines or result.size_bytes:
        count = ngettext("{count} line", "{count} lines", result.lines)
        facts.append(listed([count, human_bytes(result.size_bytes)]))
    if result.attempts > 1:
        facts.append(_("attempt {count}", count=result.attempts))
    if result.stopped:
        facts.append(_("stopped"))
    row: Row = (
        Piece(" "),
        state_mark(result.state, style.glyphs),
        Piece(" "),
        Piece(result.host, "accent"),
        Piece(f"  {state_text(result.state)}", STATE_ROLES[result.state]),
        Piece("  " + f" {style.glyphs.separator} ".join(facts), "muted"),
    )
    rows = [row]
    if result.link_lost:
        rows.append(
            (
                Piece("   "),
                Piece(
                    _("unreachable ({reason}); the command may still be running on the host", reason=result.link_lost),
                    "degraded",
                ),
            )
        )
    if result.message:
        role = "failing" if result.state in ("failed", "unknown") else "muted"
        rows.append((Piece("   "), Piece(result.message, role)))
    return wrapped(rows, max(8, style.width - 1))


def waiting_text(
    asked: str, *, here: str, undoable: bool, states: Collection[State], names: str = ""
) -> tuple[str, str]:
    """Return what the run waits for, and the colour role of the text. ``here`` names the step and its hosts; ``states``
    are the states of the commands, ``names`` the values that are missing."""
    decision = _("{what}: R retries, - skips, enter shows all options", what=here)
    if undoable:
        decision = _("{what}: R retries, - skips, u undoes, enter shows all options", what=here)
    end = (_("all steps are done: enter ends the run"), "good")
    if "skipped" in states:
        end = (_("all steps are done or skipped: enter ends the run"), "degraded")
    if "undone" in states:
        end = (_("all reversible changes are undone: enter ends the run"), "degraded")
    texts = {
        "nothing": (_("loading the run's earlier progress"), "accent"),
        "order": (_("{what} is read-only: enter runs it", what=here), "accent"),
        "confirm": (_("{what} makes a change: enter to review and confirm", what=here), "accent"),
        "value": (_("{what} needs the value of {names}: enter asks for it", what=here, names=names), "accent"),
        "terminal": (_("{what} needs this terminal: enter or x runs it", what=here), "accent"),
        "hand": (_("{what} is manual: press enter or H when done", what=here), "accent"),
        "decision": (decision, "failing"),
        "end": end,
    }
    return texts[asked]


def values_of(runbook: Runbook) -> dict[str, str]:
    """The initial values of a run."""
    return {each.name: each.default for each in runbook.variables if each.default is not None}
