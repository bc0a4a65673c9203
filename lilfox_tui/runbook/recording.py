"""What a run's job writes down: facts, lines for those who attach, the timeline of the incident that is open."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.incident import incidents
from lilfox_tui.incident import model as timeline
from lilfox_tui.jobs.model import Level
from lilfox_tui.jobs.run import Run
from lilfox_tui.runbook.faces import Face
from lilfox_tui.runbook.facts import Acts, CommandBegan, CommandEnded, DoneByHand, RunFact, Skipped, Stays, told
from lilfox_tui.runbook.model import Command, Runbook
from lilfox_tui.runbook.output import Kept, masked
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.states import Result

_IN_TIMELINE = 2000
"""Characters of an output's start and of its end that stand in the timeline itself."""
_EVIDENCE_FROM = 2 * _IN_TIMELINE


class Record:
    """Writes, and folds what it writes. ``secrets``: values that stand in nothing that is written."""

    def __init__(self, run: Run, runbook: Runbook) -> None:
        self.folding = Folding(runbook)
        self.secrets: set[str] = set()
        self._run = run
        self._commands = 0

    @property
    def folder(self) -> Path:
        """Of the job."""
        return self._run.folder

    @property
    def run_id(self) -> str:
        """Of the job."""
        return self._run.id

    def next_command(self) -> str:
        """An id for a command on a host."""
        self._commands += 1
        return f"{self._run.id}-{self._commands}"

    def fact(self, fact: RunFact, *, must: bool = True, sync: bool = False) -> bool:
        """Tells it; whether that is on the disk. Where it is not, only this process knows it. Raises LilFoxError
        where it ``must`` be there and cannot be."""
        written = True
        try:
            self._run.fact(*told(fact), sync=sync)
        except LilFoxError:
            if must:
                raise
            written = False
        self.folding.take([fact])
        return written

    def say(self, text: str, level: Level = "note") -> None:
        """A line for those who attach."""
        self._run.say(masked(text, self.secrets), level)

    async def acts(self, fact: Acts, face: Face) -> None:
        """From now on ``face`` orders; that it took over from somebody is told to all."""
        self.fact(fact, must=False, sync=True)
        if fact.before not in ("", face.who):
            self.say(_("{who} acts now; before: {before}", who=face.who, before=fact.before), "warning")
            what = timeline.TookOver(before=fact.before, who=face.who, process=face.pid)
            await self._in_timeline(what, by=face.name)

    async def stays(self, fact: Stays) -> None:
        """The run goes on with the text that it has. Raises LilFoxError where that cannot be written down."""
        self.fact(fact, sync=True)
        path, sha256 = self.folding.runbook.path, fact.sha256[:12]
        text = _(
            "the run goes on with {path} as it read it (sha256 {sha256}…), whatever it says now",
            path=path,
            sha256=sha256,
        )
        self.say(text, "warning")
        await self._in_timeline(timeline.Noted(text=text), by=fact.by)

    async def began(self, fact: CommandBegan, title: str, command: Command) -> None:
        """Before the command runs. Raises LilFoxError where a change cannot be written down: it must then not run."""
        must = command.kind in ("change", "interactive")
        words = f"{fact.step + 1}. {title}: {fact.host}: {fact.shown}"
        if must:
            self._run.intent(words, sync=False)  # on the disk with the fact below
        runbook = self.folding.runbook
        await self._in_timeline(
            timeline.StepBegan(
                runbook=runbook.title,
                sha256=self.folding.sha256,
                step=fact.step + 1,
                title=title,
                command=fact.shown,
                host=fact.host,
                run=fact.run,
            ),
            by=fact.by,
            once=f"began {fact.run}",
            must=must,
        )
        self.fact(fact, must=must, sync=must)
        if not must:
            self.say(words)

    async def ended(self, fact: CommandEnded, result: Result, kept: Kept, undo: str) -> bool:
        """After it; whether it is on the disk. What is not is true all the same, and the next change is not begun."""
        await self._end_in_timeline(fact, result, kept)
        if fact.state == "done":
            await self._in_force(fact, result, undo)
        status = "" if fact.exit_status is None else f" ({fact.exit_status})"
        text = " ".join(filter(None, (f"{result.host}: {_words(fact)}{status}", fact.message)))
        worked = fact.state == "done"
        if fact.state != "unknown" and result.kind in ("change", "interactive"):  # what was intended has ended
            self._run.done(masked(text, self.secrets), worked=worked, sync=False)  # on the disk with the fact below
        else:
            self.say(text, "good" if worked else "bad")
        return self.fact(fact, must=False, sync=True)  # last: who sees it may order what is next

    async def _end_in_timeline(self, fact: CommandEnded, result: Result, kept: Kept) -> None:
        text = kept.text
        evidence = await self._evidence(fact.run, result, kept) if len(text) > _EVIDENCE_FROM else ""
        if len(text) > _EVIDENCE_FROM:
            text = f"{text[:_IN_TIMELINE]}\n…\n{text[-_IN_TIMELINE:]}"
        state: timeline.StepState = "failed" if fact.state == "not begun" else fact.state
        await self._in_timeline(
            timeline.StepEnded(
                run=fact.run,
                state=state,
                message=fact.message,
                exit_status=fact.exit_status,
                output=text,
                output_lines=fact.lines,
                output_bytes=fact.size_bytes,
                evidence=evidence,
            ),
            by=result.by,
            once=f"ended {fact.run} {state}",
        )

    async def skipped(self, fact: Skipped) -> None:
        """A command, or what is left of a step, is left out."""
        self.fact(fact)
        runbook = self.folding.runbook
        title = runbook.steps[fact.step].title
        self.say(
            _("{step}. {title}: skipped: {reason}", step=fact.step + 1, title=title, reason=fact.reason), "warning"
        )
        what = timeline.Skipped(runbook=runbook.title, step=fact.step + 1, title=title, reason=fact.reason)
        await self._in_timeline(what, by=fact.by)

    async def by_hand(self, fact: DoneByHand) -> None:
        """Somebody has done a step by hand."""
        self.fact(fact)
        title = self.folding.runbook.steps[fact.step].title
        text = _("{step}. {title}: done by hand", step=fact.step + 1, title=title)
        self.say(text, "good")
        await self._in_timeline(timeline.Noted(text=text), by=fact.by)

    async def _in_force(self, fact: CommandEnded, result: Result, undo: str) -> None:
        """Tells the timeline what is otherwise than before, or is again as it was. What only reads changes nothing,
        also in a fence that another one takes back."""
        if undo and result.kind == "change":
            await self._in_timeline(
                timeline.Changed(change=fact.run, text=f"{result.host}: {result.shown}", undo=undo), by=result.by
            )
        for run in result.undoes:
            await self._in_timeline(timeline.Reverted(change=run, text=f"{result.host}: {result.shown}"), by=result.by)

    async def _evidence(self, run: str, result: Result, kept: Kept) -> str:
        """Keeps the output beside the timeline; the name of its file there."""
        between = f"\n… {kept.left_out_bytes} bytes are left out\n" if kept.left_out_bytes else ""
        data = f"{kept.head}{between}{kept.tail}".encode()
        with suppress(LilFoxError):
            folder = await asyncio.to_thread(incidents.current_folder, own=True)
            if folder is not None:
                entry = await asyncio.to_thread(
                    incidents.keep_evidence, folder.name, f"{run}.txt", data, f"{result.host}: {result.shown}"
                )
                if isinstance(entry.what, timeline.Kept):
                    return entry.what.file
        return ""

    async def _in_timeline(self, what: timeline.What, *, by: str, once: str | None = None, must: bool = False) -> None:
        try:
            await asyncio.to_thread(incidents.record, what, by=by, once=once)
        except LilFoxError as error:
            if must:
                raise
            self.say(_("not in the incident's timeline: {reason}", reason=error.message), "warning")


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)


def _words(fact: CommandEnded) -> str:
    return {
        "done": _("done"),
        "failed": _("failed"),
        "unknown": _("nobody knows how it ended"),
        "not begun": _("did not begin"),
    }[fact.state]
