"""Dispatches clients' orders to a run: who may give them, the result of each, and how the run ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, ntr, tr
from lilfox_tui.jobs.model import JobState, Outcome
from lilfox_tui.runbook.run.gate import refuse_again, refuse_behind_undone, refuse_unseen
from lilfox_tui.runbook.run.persistence import RunRecorder, now
from lilfox_tui.runbook.run.protocol import (
    ByHand,
    ClientActs,
    ClientPresence,
    CommandBegan,
    CommandEnded,
    CommandSkipped,
    DoneByHand,
    FinishRun,
    LookAgain,
    OnFailure,
    Order,
    RunAll,
    RunAllStarted,
    RunClient,
    RunOne,
    Skip,
    Stop,
    TakeOver,
    TerminalBegins,
    TerminalEnded,
    Undo,
    UseText,
)
from lilfox_tui.runbook.run.reducer import RunReducer, is_half_done
from lilfox_tui.runbook.run.runner import Runner
from lilfox_tui.runbook.run.state import CommandResult, State, Turn, hosts_of

# Who acts in a run: one face orders, the others follow until they take over, or until it is gone.


class RunOwnership:
    """Records which client controls a run; the others follow. At first no client does: the first one to give an order
    takes control."""

    def __init__(self, record: RunRecorder) -> None:
        self._record = record
        self._presence: ClientPresence | None = None

    async def ask(self, client: RunClient) -> None:
        """Raise LilFoxError if another client controls the run and is still running; otherwise give control to
        ``client``."""
        control = self._record.reducer.control
        current = None if control is None else control.client
        if current is None or (current.process != client.process and not current.process.runs()):
            await self.take(client)
        elif control is not None and current.process != client.process:
            raise LilFoxError(
                tr(
                    "{who} has been in control of this run since {since:%H:%M:%S} UTC; nothing was done",
                    who=current.who,
                    since=control.at,
                ),
                tr(
                    "to take over, choose it under a in pane 4 or use lilfox runbook run --resume {run}",
                    run=self._record.run_id,
                ),
            )

    async def take(self, client: RunClient) -> None:
        """Give control to ``client`` from now on; the client that had it before follows."""
        control = self._record.reducer.control
        if (
            control is not None
            and control.client is not None
            and control.client.process == client.process
            and self._presence
        ):
            return
        self.close()
        await self._record.take_control(
            ClientActs(at=now(), client=client, before="" if control is None else control.last), client
        )
        self._presence = ClientPresence(client, self._left)

    def close(self) -> None:
        """Stop watching the client."""
        if self._presence is not None:
            self._presence.close()
            self._presence = None

    def _left(self) -> None:
        control = self._record.reducer.control
        if control is not None and control.client is not None:
            self._record.fact(ClientActs(at=now(), before=control.client.who), must=False)
            self._record.say(_("{who} has left; the next client to act takes control", who=control.client.who))


# How a run ended, as its job says it.


PARTLY = 3
CANCELLED = 130


def outcome_of(reducer: RunReducer, *, aborted: bool = False, failure: LilFoxError | None = None) -> Outcome:
    """Return the outcome of the run. ``ok`` (0): everything is done. ``failed`` (1): it failed, and no change is in
    force. ``partly`` (3): incomplete with changes made, or something was skipped. ``unknown`` (1): the end of a command
    is unknown. ``cancelled`` (130): aborted before anything was changed."""
    turns = [turn for turn in reducer.turns() if turn.command is not None]
    begun = [*turns, *_ways_back(reducer)]
    states: Counter[State] = Counter(reducer.state_of(turn) for turn in turns)
    changed = len(reducer.changes())
    result = {"runbook": reducer.runbook.id, "states": dict(states), "changes_in_force": changed}
    hint = _hint(changed, any(reducer.rollback_of(each.run) for each in reducer.changes()))
    if (unknown := _first(reducer, begun, "unknown")) is not None:
        return Outcome("unknown", str(unknown[0]), str(hint), 1, result)
    bad = _first(reducer, begun, "failed")
    if failure is not None or bad is not None:
        message = failure.message if failure is not None else bad and bad[0]
        hints = [failure.hint] if failure is not None else [hint, _half_done(reducer, bad[1]) if bad else ""]
        state: JobState = "partly" if changed else "failed"
        return _ended(state, str(message), " ".join(filter(None, map(str, hints))), result)
    left = [turn for turn in turns if not reducer.passed(turn)]
    if aborted or left:
        message = ntr("the run was ended before its command was done",
                      "the run was ended with {left} of {count} commands left", len(turns), left=len(left))  # fmt: skip
        return _ended("partly" if changed else "cancelled", str(message), str(hint), result)
    if states["skipped"]:
        done = len(turns) - states["skipped"] - states["undone"]
        skipped = tr("commands done: {done}, skipped: {skipped}", done=done, skipped=states["skipped"])
        return _ended("partly", str(skipped), "", result)
    if states["undone"]:
        return _ended("partly" if changed else "failed", str(tr("the changes were undone")), str(hint), result)
    return Outcome("ok", str(ntr("the command is done", "all {count} commands are done", len(turns))), "", 0, result)


def _ended(state: JobState, message: str, hint: str, result: dict[str, Any]) -> Outcome:
    codes: dict[JobState, int] = {"partly": PARTLY, "failed": 1, "cancelled": CANCELLED}
    return Outcome(state, message, hint, codes[state], result)


def _ways_back(reducer: RunReducer) -> list[Turn]:
    """Return the rollbacks that were started: their results count as well."""
    return [
        Turn(step, number, tuple(results))
        for step, each in enumerate(reducer.runbook.steps)
        for number, command in enumerate(each.commands)
        if command.attributes.rollback_of is not None and (results := reducer.results(step, number))
    ]


def _first(reducer: RunReducer, turns: list[Turn], state: State) -> tuple[Message, CommandResult] | None:
    """Return a description of the first command in that state that the run cannot pass, and its result."""
    for turn in turns:
        if reducer.state_of(turn) != state or reducer.passed(turn):
            continue
        for each in reducer.results(turn.step, turn.command or 0).values():
            if each.state == state:
                title = reducer.runbook.steps[turn.step].title
                words = tr("{step}. {title}: {host}: {message}", step=turn.step + 1, title=title, host=each.host,
                           message=each.message or state)  # fmt: skip
                return words, each
    return None


def _half_done(reducer: RunReducer, failed: CommandResult) -> Message | str:
    if not is_half_done(reducer, failed):
        return ""
    return tr("the failed command may have changed something: check {host}", host=failed.host)


def _hint(changed: int, undoable: bool) -> Message | str:
    if not changed:
        return ""
    if undoable:
        return tr("changes in force: {count}; the runbook can undo some of them", count=changed)
    return tr("changes in force: {count}", count=changed)


# What becomes of an order: it is refused with a reason, or done, one at a time.


_ENDS_S = 1.0


class OrderDispatcher:
    """Accepts clients' orders until the run has ended; ``ended`` then contains the outcome."""

    def __init__(self, runner: Runner, ownership: RunOwnership) -> None:
        self.ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._runner, self._ownership = runner, ownership
        runner.fault = self.fail
        self._record = runner.record
        self._reducer = runner.reducer
        self._busy: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        """Finds out how that ended which an earlier job had begun."""
        self._ending = False
        """Nothing more is begun."""
        self._terminal = ""
        """What a face runs in its terminal now."""
        self._terminal_client: RunClient | None = None
        self._at_terminal: ClientPresence | None = None
        self._leaving: asyncio.Task[bool] | None = None

    def fail(self, error: Exception) -> None:
        """End the run with ``error``, because it cannot continue."""
        if not self.ended.done():
            self.ended.set_exception(error)

    async def handle(self, order: Order, client: RunClient) -> None:
        """Execute a client's order, or start it. Raises LilFoxError if it is rejected; then nothing was done."""
        if self.ended.done():
            raise LilFoxError(tr("the run has ended"))
        if isinstance(order, TakeOver):
            await self._ownership.take(client)
        elif isinstance(order, TerminalEnded):  # it tells what was; who took over meanwhile needs to know it, too
            await self._terminal_ended(order, client)
        else:
            await self._ownership.ask(client)
            await self._handle(order, client)

    async def _handle(self, order: Order, client: RunClient) -> None:
        by = client.name
        match order:
            case RunOne():
                await self._run_one(order, by)
            case RunAll():
                await self._run_all_ordered(order, by)
            case Skip():
                await self._skip(order, by)
            case ByHand():
                self._step(order.step)
                await self._record.by_hand(DoneByHand(at=now(), step=order.step, by=by))
            case TerminalBegins():
                await self._terminal_begins(order, client)
            case LookAgain():
                await self._free()
                self.begin(self._runner.look_again(order.run))
            case Undo():
                await self._undo_ordered(order, by)
            case UseText():
                await self._free()
                await self._runner.use_text(order.sha256, by)
            case Stop():
                await self._stop()
            case FinishRun():
                if order.idle:
                    await self._free()
                await self.stop()
                self._end(outcome_of(self._reducer, aborted=order.abort))

    async def stop(self) -> None:
        """End what is running, and wait for it."""
        await self._leave_terminal()
        self._ending = True
        while self._busy is not None and not self._busy.done():
            self._runner.stop(tr("the run was ended"))
            await asyncio.wait([self._busy], timeout=1.0)

    def begin(self, work: Coroutine[object, object, object]) -> None:
        """Start ``work``; clients' orders that start something are rejected until it has ended."""
        self._busy = asyncio.create_task(self._told(work))

    def ask_hosts(self, asking: Coroutine[object, object, object]) -> None:
        """Start ``asking``, which finds out how commands of an earlier job ended; running commands continue. A client's
        order to run everything left waits for it, others are rejected until then."""
        self.begin(asking)
        self._asking = self._busy

    async def _told(self, work: Coroutine[object, object, object]) -> None:
        """Run ``work``; its failure is reported to attached clients. An internal error ends the job."""
        try:
            await work
        except LilFoxError as error:
            self._record.say("; ".join(filter(None, map(str, (error.message, error.hint)))), "bad")
        except Exception as error:
            self.fail(error)

    async def _free(self) -> None:
        """Raise LilFoxError while a command is running; that command continues."""
        if self._busy is not None and not self._busy.done() and not self._reducer.running():
            await asyncio.wait([self._busy], timeout=_ENDS_S)  # it is about to end, or begins the next one
        if self._terminal or (self._busy is not None and not self._busy.done()):
            running = self._reducer.running()
            if not running:
                raise LilFoxError(
                    tr("busy: the previous order has not finished yet"), tr("wait a moment, then try again")
                )
            what = f"{running[0].host}: {running[0].shown}"
            raise LilFoxError(
                tr("busy: {by} is running {what}", by=running[0].by, what=what), tr("wait until it ends, or stop it")
            )

    def _step(self, number: int) -> None:
        if not 0 <= number < len(self._reducer.runbook.steps):
            raise LilFoxError(tr("there is no step {step}", step=number + 1))

    def _turn(self, step: int, number: int, hosts: Sequence[str] | None) -> Turn:
        """Return the turn of a command on ``hosts``; without them, on those of its own hosts where it is not done."""
        self._step(step)
        runbook = self._reducer.runbook
        commands = runbook.steps[step].commands
        if not 0 <= number < len(commands):
            raise LilFoxError(tr("step {step} has no command {number}", step=step + 1, number=number + 1))
        if hosts is not None:
            return Turn(step, number, tuple(hosts))
        meant = Turn(step, number, hosts_of(commands[number], runbook, self._reducer.hosts, self._reducer.values))
        left = self._reducer.left(meant)
        return left if left.hosts else meant

    async def _run_one(self, order: RunOne, by: str) -> None:
        await self._free()
        self._runner.see_file(order.sha256, by)
        self._runner.take_given(order.values)
        turn = self._turn(order.step, order.command, order.hosts)
        if not order.again:
            refuse_again(self._reducer, turn)
        if self._reducer.command(turn).kind == "interactive":
            raise LilFoxError(tr("this command needs a terminal: it runs in yours, not in the job"))
        ready = await self._runner.ready(turn)
        if not order.seen:
            refuse_unseen(ready)
        self.begin(self._runner.run(ready, by, undoes=self._reducer.taken_back_by(turn)))

    async def _run_all_ordered(self, order: RunAll, by: str) -> None:
        asking = self._asking if self._asking is not None and self._busy is self._asking else None
        if asking is None or asking.done() or self._terminal:
            asking = None
            await self._free()
        refuse_behind_undone(self._reducer)
        self._runner.see_file(order.sha256, by)
        self._runner.take_given(order.values)
        self._runner.look_ahead()
        self._record.fact(RunAllStarted(at=now(), by=by), sync=True)
        self._runner.go_alone()
        self.begin(self._run_all(order.on_failure, by, asking))

    async def _run_all(self, on_failure: OnFailure, by: str, asking: asyncio.Task[None] | None) -> None:
        if asking is not None:
            await asyncio.wait([asking])
        if self.ended.done():
            return
        try:
            refuse_behind_undone(self._reducer)  # one that took something back may have been asked for just now
            if not await self._walk(by) and on_failure == "undo" and self._may_undo():
                self._record.say(_("undoing the changes"), "warning")
                await self._undo(self._undoable(), by, seen=False)
        except LilFoxError as error:
            self._end(outcome_of(self._reducer, failure=error))
            raise
        self._end(outcome_of(self._reducer))

    def _may_undo(self) -> bool:
        """Whether changes may be rolled back: never while a command may still be running."""
        unknown = any(self._reducer.state_of(turn) == "unknown" for turn in self._reducer.turns())
        if unknown:
            self._record.say(_("nothing was undone: the outcome of a command is unknown"), "bad")
        return not unknown and not self._ending

    async def _walk(self, by: str) -> bool:
        """Run everything that is left; return whether all of it worked. Raises LilFoxError for what cannot be
        started."""
        for whole in self._reducer.turns():
            if self._reducer.passed(whole):
                continue
            turn = self._reducer.left(whole)
            step = self._reducer.runbook.steps[turn.step]
            if turn.command is None:
                self._record.say(
                    _("{step}. {title}: to be done by hand", step=turn.step + 1, title=step.title), "warning"
                )
                continue
            if self._reducer.command(turn).kind == "interactive":
                reason = _("it needs a terminal, but this run is unattended")
                await self._record.skipped(
                    CommandSkipped(at=now(), step=turn.step, command=turn.command, reason=reason, by=by)
                )
                continue
            if self._ending or self._reducer.state_of(turn) == "unknown":
                return False
            self._runner.see_file(self._reducer.sha256, by)
            ready = await self._runner.ready(turn)
            refuse_unseen(ready)
            if not await self._runner.run(ready, by) and not self._reducer.passed(whole):
                return False
        return True

    def _undoable(self) -> list[str]:
        """Return the changes that the runbook can roll back, last first."""
        return [each.run for each in reversed(self._reducer.changes()) if self._reducer.rollback_of(each.run)]

    async def _undo_ordered(self, order: Undo, by: str) -> None:
        await self._free()
        self._runner.see_file(order.sha256, by)
        self._runner.take_given(order.values)
        runs = [order.run] if order.run else self._undoable()
        if not runs or not self._reducer.rollback_of(runs[0]):
            raise LilFoxError(tr("nothing to undo: the runbook has no rollback for what was done"))
        self.begin(self._undo(runs, by, seen=True))

    async def _undo(self, runs: Sequence[str], by: str, *, seen: bool) -> None:
        """Roll the changes back in this order; stop at the first failure. ``seen``: the user was shown what is run."""
        for run in runs:
            result = self._reducer.result(run)
            if self._ending:
                return
            if result is None or result.state in ("undone", "running"):
                continue
            for turn in self._reducer.rollback_of(run):
                ready = await self._runner.ready(turn)
                if not seen:
                    refuse_unseen(ready)
                if not await self._runner.run(ready, by, undoes=self._reducer.taken_back_by(turn)):
                    self._record.say(_("undo failed; the remaining changes were left in place"), "bad")
                    return

    async def _skip(self, order: Skip, by: str) -> None:
        await self._free()
        self._step(order.step)
        if order.command is not None:
            self._turn(order.step, order.command, ())
        if not order.reason.strip():
            raise LilFoxError(tr("give the reason for skipping it"))
        await self._record.skipped(
            CommandSkipped(at=now(), step=order.step, command=order.command, reason=order.reason.strip(), by=by)
        )

    async def _terminal_begins(self, order: TerminalBegins, client: RunClient) -> None:
        await self._free()
        self._runner.see_file(order.sha256, client.name)
        self._runner.take_given(order.values)
        turn = self._turn(order.step, order.command, (order.host,))
        ready = await self._runner.ready(turn)
        if ready.command.kind != "interactive":
            raise LilFoxError(tr("this command needs no terminal: the job runs it"))
        began = CommandBegan(
            at=now(),
            run=self._record.next_command(),
            step=order.step,
            command=order.command,
            host=order.host,
            kind="interactive",
            shown=ready.filled[order.host].plain,
            by=client.name,
        )
        await self._record.began(began, ready.title, ready.command)
        self._runner.fence_left(ready, order.host)
        self._terminal, self._terminal_client = began.run, client
        self._at_terminal = ClientPresence(client, self._terminal_gone)

    def _terminal_gone(self) -> None:
        """Handle the loss of a client that ran a command in its terminal."""
        self._leaving = asyncio.create_task(self._leave_terminal())

    def _left_terminal(self) -> str:
        """Return the ``run`` of the command in the terminal, and clear it."""
        if self._at_terminal is not None:
            self._at_terminal.close()
        run, self._terminal, self._terminal_client, self._at_terminal = self._terminal, "", None, None
        return run

    async def _terminal_ended(self, order: TerminalEnded, client: RunClient) -> None:
        result, began = self._reducer.result(self._terminal), self._terminal_client
        if result is None or result.host != order.host or began is None or began.process != client.process:
            raise LilFoxError(tr("no command of this run is running in your terminal"))
        run = self._left_terminal()
        worked = order.exit_status == 0 if order.worked is None else order.worked
        ended = CommandEnded(
            at=now(),
            run=run,
            state="done" if worked else "failed",
            message=ending_at_terminal(order.exit_status, client.name, worked=worked),
            exit_status=order.exit_status,
        )
        await self._runner.told_end(ended)

    async def _stop(self) -> None:
        if await self._leave_terminal():
            return
        if not self._runner.stop(tr("stopped on request")):
            raise LilFoxError(tr("nothing is running"))

    async def _leave_terminal(self) -> bool:
        """Record an unknown end for the command that a client ran in its terminal and did not report; return whether
        there was one."""
        if not self._terminal:
            return False
        run = self._left_terminal()
        message = _("the terminal that ran it did not report how it ended")
        await self._runner.told_end(CommandEnded(at=now(), run=run, state="unknown", message=message))
        return True

    def _end(self, outcome: Outcome) -> None:
        if not self.ended.done():
            self.ended.set_result(outcome)


def ending_at_terminal(exit_status: int, who: str, *, worked: bool) -> str:
    """Return how a program in a terminal ended, and what ``who`` reports of it where the exit status says otherwise."""
    if exit_status == 0:
        return "" if worked else _("{who} reports that it did not work", who=who)
    if worked:
        return _("it exited with status {status}, but {who} reports that it worked", status=exit_status, who=who)
    return _("it exited with status {status}", status=exit_status)
