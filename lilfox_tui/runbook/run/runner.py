"""Runs the commands of a run, one at a time, and records what it is about to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from datetime import timedelta

from msgspec.structs import replace

from lilfox_tui.config.model import Config, allows_no_change
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, tr
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.runbook.bash.carrying import shell_name
from lilfox_tui.runbook.bash.launcher import FenceSession, KeptVariables, forget, kept_in
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.run.executor import CommandExecution, CommandTask, ExecutionEnd
from lilfox_tui.runbook.run.gate import (
    CommandPreparer,
    Hosts,
    PreparedCommand,
    interpreter_of,
    is_secret,
    refuse_unknown,
    words,
)
from lilfox_tui.runbook.run.measurements import MeasurementTaker
from lilfox_tui.runbook.run.output import (
    CommandOutput,
    StoredOutput,
    captured,
    changed_nothing,
    fine_status,
    masked,
    why_failed,
    why_not_run,
)
from lilfox_tui.runbook.run.persistence import RunbookFile, RunRecorder, command_moves, now, save_snapshot
from lilfox_tui.runbook.run.protocol import (
    CommandBegan,
    CommandEnded,
    ConnectionLost,
    OutputProgress,
    RunbookPinned,
    RunbookReloaded,
    ValuesSet,
)
from lilfox_tui.runbook.run.reducer import FenceCarryover, RunValues
from lilfox_tui.runbook.run.state import Turn
from lilfox_tui.runbook.run.variables import check_all, plain, shown

# What ended on hosts and is written down here is taken away there, once nothing else is asked of them for a moment.


_QUIET_S = 1.0
_MOST = 50
"""So many are taken away at once, also while one command follows another."""


class RemoteCleanup:
    """Removes the data that hosts keep about ended commands, with one request for all ids of a host. The host itself
    removes whatever this cannot."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._ended: dict[tuple[str, bool], list[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, host: str, run: str, *, sudo: bool) -> None:
        """Schedule the removal of a command's id."""
        ended = self._ended.setdefault((host, sudo), [])
        ended.append(run)
        if self._timer is not None:
            self._timer.cancel()
        if len(ended) < _MOST:
            self._timer = asyncio.get_running_loop().call_later(_QUIET_S, self._begin)
        else:
            self._begin()

    async def close(self, within_s: float) -> None:
        """Remove the ids that are left."""
        self._begin()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for (host, sudo), runs in self._ended.items():
            task = asyncio.create_task(self._forget(host, runs, sudo=sudo))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._ended = {}

    async def _forget(self, host: str, runs: list[str], *, sudo: bool) -> None:
        with suppress(HostError):
            await detached.forget(self._hosts[host], *runs, sudo=sudo)


# A run at work in its job: it does what it is ordered, one thing at a time, and writes down what it is about to do.


READS_S = 600.0
"""What only reads is ended after so long where its fence says nothing."""
FOLLOWS_S = 10.0
"""So long a run that asks nobody looks at what never ends by itself, where its fence says nothing."""
PATIENCE_S = 600.0
"""So long a run that asks nobody waits for a lost link."""
KEPT_THERE = timedelta(days=6)
"""So long a host surely knows of what has ended on it (``hosts/detached.py``: a week); afterwards it says nothing of
one that it knows nothing of."""
_AT_ONCE = 16
"""Hosts on which one command reads at the same time."""
_TELL_S, _TELLS = 0.5, 1000
"""How often it is told how much was printed: the longer it takes the rarer, for all of it is read by who attaches."""
_LEAVE_S = 10.0


class Runner:
    """Starts commands and records their ends. ``alone``: nobody is asked, so nothing may wait forever."""

    def __init__(self, config: Config, hosts: Hosts, record: RunRecorder, on_disk: RunbookFile) -> None:
        self.record = record
        self.reducer = record.reducer
        self.alone = False
        self.fault: Callable[[Exception], None] | None = None
        """Is told of a fault in what nobody waits for."""
        self.values = RunValues()
        """Secret ones, too."""
        self._config, self._hosts, self._on_disk = config, hosts, on_disk
        self._preparing = CommandPreparer(config, hosts, self.reducer, self.values)
        self._carrying = FenceCarryover(self.reducer)
        self._measuring = MeasurementTaker(config, hosts, record)
        self._executions: dict[str, CommandExecution] = {}
        self._background: set[asyncio.Task[bool]] = set()
        self._forgetting = RemoteCleanup(hosts)
        self._left_on: set[tuple[str, bool]] = set()
        """Hosts (and whether by sudo) where fences left something."""

    def go_alone(self) -> None:
        """Ask nobody from now on, and limit the wait for a lost connection, including for commands already running."""
        self.alone = True
        for execution in self._executions.values():
            execution.be_patient(PATIENCE_S)

    def take_values(self, values: dict[str, str], run: str = "", host: str = "") -> None:
        """Take values that the user gave, or that the output of ``run`` contained, on ``host`` if they are specific to
        it. Raises LilFoxError if they cannot be recorded."""
        if self.values.has(values, host):
            return
        variables = self.reducer.runbook.variables
        secret = {name for name, value in values.items() if is_secret(shell_name(name) or name, value, variables)}
        self.values.take(values, host)
        self.record.secrets |= {values[name] for name in secret}
        plain = {name: value for name, value in values.items() if name not in secret}
        self.record.fact(ValuesSet(at=now(), values=plain, secret=tuple(sorted(secret)), run=run, host=host))

    def drop_values(self, names: Collection[str], run: str, host: str) -> None:
        """Forget values on a host, where they are known. Raises LilFoxError if that cannot be recorded."""
        gone = tuple(name for name in names if name in self.values.on(host))
        if gone:
            self.values.drop(gone, host)
            self.record.fact(ValuesSet(at=now(), values={}, gone=gone, run=run, host=host))

    def take_given(self, values: dict[str, str]) -> None:
        """Take values that the user gave. Raises LilFoxError for one that the runbook does not ask for, that its type
        does not accept, or that should name a host but names none."""
        refuse_unknown(self._config, self.reducer.runbook, values)
        variables = self.reducer.runbook.variables
        self.take_values({**check_all([each for each in variables if each.name in values], values, denied=Denied())})

    def see_file(self, sha256: str, by: str) -> None:
        """Use the file with ``sha256``, which the user has seen and confirmed: read it again if the file has changed.
        Raises LilFoxError if the file differs from what was seen, unless the run is pinned to it."""
        if self.reducer.stays and sha256 == self.reducer.sha256:
            return
        there = self._on_disk.sha256()
        path = self.reducer.runbook.path
        if not there:
            raise LilFoxError(tr("{path} can no longer be read; nothing is run", path=path), self._other_text)
        if there != sha256:
            what = tr("{path} has changed since it was read; none of its other commands are run", path=path)
            raise LilFoxError(what, self._other_text)
        if there == self.reducer.sha256:
            return
        before = self.reducer.runbook
        read = replace(self._on_disk.read(), hosts=before.hosts)
        save_snapshot(self.record.folder, read)
        meant = words(self._config, read)
        self.record.fact(
            RunbookReloaded(at=now(), sha256=read.sha256, moved=command_moves(before, read), hosts=meant, by=by),
            sync=True,
        )
        self.reducer.read_again(read)
        self.record.say(_("{path} has changed and was reloaded", path=path), "warning")

    @property
    def _other_text(self) -> Message:
        """Return what to do if the file differs from what was seen."""
        return tr(
            "to continue, use lilfox runbook run --resume {run} and choose the text to use; add --recorded to "
            "use the text that the run read",
            run=self.record.run_id,
        )

    async def use_text(self, sha256: str, by: str) -> None:
        """Use the text with that digest: the run's own text is pinned, whatever its file says from now on; the file's
        current text is read again. Raises LilFoxError if it is neither."""
        if sha256 == self.reducer.sha256:
            await self.record.stays(RunbookPinned(at=now(), sha256=sha256, by=by))
        else:
            self.see_file(sha256, by)

    async def ready(self, turn: Turn) -> PreparedCommand:
        """See :meth:`CommandPreparer.ready`. A run that goes on does not know secret variables of earlier fences any
        more, so it asks the hosts for them."""
        command = self.reducer.command(turn)
        for host in turn.hosts:
            there = set(map(shell_name, self.values.on(host)))
            names = tuple(name for name, _line in self._preparing.shell_variables.comes(command) if name not in there)
            if names and turn.command is not None:
                await self._read_kept(names, command, "", host)
        return await self._preparing.ready(turn)

    def look_ahead(self) -> None:
        """See :meth:`CommandPreparer.look_ahead`."""
        self._preparing.look_ahead()

    async def run(self, ready: PreparedCommand, by: str, *, undoes: tuple[str, ...] = ()) -> bool:
        """Run a command on its hosts; return whether it worked on all. A reading command runs on all hosts at once; a
        changing one on each in turn, up to the first where it fails. Raises LilFoxError if a change cannot be
        recorded."""
        if ready.warning is not None:
            self.record.say(str(ready.warning), "warning")
        if ready.command.attributes.background:
            for host in ready.turn.hosts:
                task = asyncio.create_task(await self._begun(ready, host, by, undoes))
                self._background.add(task)
                task.add_done_callback(self._left_background)
            return True
        if ready.command.kind == "change":
            return await self._change(ready, by, undoes)
        turns = asyncio.Semaphore(_AT_ONCE)

        async def in_turn(host: str) -> bool:
            async with turns:
                return await (await self._begun(ready, host, by, undoes))

        return all(await asyncio.gather(*map(in_turn, ready.turn.hosts)))

    async def _change(self, ready: PreparedCommand, by: str, undoes: tuple[str, ...]) -> bool:
        measured = await self._measuring.before(ready, by)
        try:
            for host in ready.turn.hosts:
                if not await (await self._begun(ready, host, by, undoes)):
                    return False
            return True
        finally:
            if measured:
                self._measuring.after(ready, by)

    async def told_end(self, ended: CommandEnded) -> None:
        """Record the end of a command that ran elsewhere (in a client's terminal)."""
        if (result := self.reducer.result(ended.run)) is not None:
            place = self.reducer.place(ended.run)
            if ended.state == "done" and place is not None:
                await self._take_kept(place[1], ended.run, result.host)
            await self.record.ended(ended, result, StoredOutput(head=""), "")

    async def look_again(self, run: str) -> None:
        """Ask the host how a command with an unknown outcome ended. Raises LilFoxError if its outcome is known or the
        host cannot know it."""
        result, place = self.reducer.result(run), self.reducer.place(run)
        if result is None or place is None or result.state not in ("unknown", "running"):
            raise LilFoxError(tr("the outcome of command {run} is already known", run=run))
        command = place[1]
        if result.kind != "change":
            raise LilFoxError(
                tr("cannot query the outcome: only changing commands leave a record on the host"),
                tr("check the host yourself, then run it again or skip it"),
            )
        task = CommandTask(
            run=run,
            kind=result.kind,
            script="",
            env={},
            label="",
            sudo=bool(command.attributes.sudo),
            timeout_s=command.attributes.timeout_s,
            patience_s=PATIENCE_S if self.alone else None,
            ran=result.size_bytes > 0 or now() - result.began > KEPT_THERE,
        )
        await detached.look(self._hosts[result.host], run, sudo=task.sudo)
        execution = self._execution(result.host, task, CommandOutput(self.record.folder, run, self.record.secrets))
        await self._seen_through(command, result.host, run, execution, execution.go_on())

    def stop(self, why: Message) -> bool:
        """End the commands that are running; return whether there were any."""
        for execution in tuple(self._executions.values()):
            execution.stop(why)
        return bool(self._executions)

    async def close(self) -> None:
        """End the commands that are running in the background, and remove the shell state of fences from hosts."""
        for execution in tuple(self._executions.values()):
            execution.stop(tr("the run has ended"))
        if self._background:
            await asyncio.wait(self._background)
        await self._forgetting.close(_LEAVE_S)
        await self._measuring.close()
        turns = asyncio.Semaphore(_AT_ONCE)

        async def tidy(name: str, sudo: bool) -> None:
            with suppress(HostError, TimeoutError):  # it is forgotten after a week
                async with turns, asyncio.timeout(_LEAVE_S):
                    await forget(self._hosts[name], self.reducer.first_run, sudo=sudo)

        await asyncio.gather(*(tidy(name, sudo) for name, sudo in self._left_on))

    def _left_background(self, task: asyncio.Task[bool]) -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and self.fault is not None:
            self.fault(error)

    async def _begun(
        self, ready: PreparedCommand, host: str, by: str, undoes: tuple[str, ...]
    ) -> Coroutine[object, object, bool]:
        """Record that a command is about to run on one host; return the coroutine that runs it and returns whether it
        worked."""
        command, run = ready.command, self.record.next_command()
        began = CommandBegan(
            at=now(),
            run=run,
            step=ready.turn.step,
            command=ready.turn.command or 0,
            host=host,
            kind=command.kind,
            shown=masked(ready.filled[host].plain, self.record.secrets),
            by=by,
            rollback=command.attributes.rollback_of is not None,
            undoes=undoes,
        )
        task = self._task(ready, host, run)
        await self.record.began(began, ready.title, command)
        output = CommandOutput(self.record.folder, run, self.record.secrets)
        execution = self._execution(host, task, output)
        return self._seen_through(command, host, run, execution, execution.run())

    async def _seen_through(
        self,
        command: Command,
        host: str,
        run: str,
        execution: CommandExecution,
        work: Coroutine[object, object, ExecutionEnd],
    ) -> bool:
        end = await self._watched(run, execution, work)
        return await self._end(command, run, host, end, execution.output)

    def _task(self, ready: PreparedCommand, host: str, run: str) -> CommandTask:
        command, attributes = ready.command, ready.command.attributes
        return CommandTask(
            run=run,
            kind=command.kind,
            script=ready.filled[host].script,
            env=ready.filled[host].env,
            label=masked(ready.filled[host].label, self.record.secrets).split("\n")[0][:200],
            sudo=bool(attributes.sudo),
            fence=self.fence_left(ready, host),
            fine=fine_status(attributes),
            cwd=attributes.cwd or "",
            interpreter=interpreter_of(command),
            wall=allows_no_change(self._config, host),
            needed=ready.needed,
            keeps=KeptVariables(ready.keeps, kept_in(self.reducer.first_run, host)) if ready.keeps else KeptVariables(),
            timeout_s=_limit_s(command, alone=self.alone),
            patience_s=PATIENCE_S if self.alone else None,
        )

    def fence_left(self, ready: PreparedCommand, host: str) -> FenceSession | None:
        """Return where the command's fence leaves shell state on the host, which is removed when the run ends."""
        fence = self._carrying.fence(ready.turn, host)
        if fence is not None or ready.keeps:
            self._left_on.add((host, bool(ready.command.attributes.sudo)))
        return fence

    def _execution(self, host: str, task: CommandTask, output: CommandOutput) -> CommandExecution:
        def lost(reason: str) -> None:
            self.record.fact(ConnectionLost(at=now(), run=task.run, reason=reason), must=False)
            said = reason or _("the connection is back")
            self.record.say(f"{host}: {said}", "warning" if reason else "note")

        execution = CommandExecution(self._hosts[host], task, output, lost)
        self._executions[task.run] = execution
        return execution

    async def _watched(
        self, run: str, execution: CommandExecution, work: Coroutine[object, object, ExecutionEnd]
    ) -> ExecutionEnd:
        """Return the end of ``work``; meanwhile report how much was printed."""
        telling = asyncio.create_task(self._tell(run, execution.output))
        try:
            return await work
        finally:
            telling.cancel()
            self._executions.pop(run, None)

    async def _tell(self, run: str, output: CommandOutput) -> None:
        told, loop = 0, asyncio.get_running_loop()
        began_s = loop.time()
        while True:
            await asyncio.sleep(max(_TELL_S, (loop.time() - began_s) / _TELLS))
            if output.size_bytes != told:
                told = output.size_bytes
                self.record.fact(OutputProgress(run=run, size_bytes=told, lines=output.lines), must=False)

    async def _end(self, command: Command, run: str, host: str, end: ExecutionEnd, output: CommandOutput) -> bool:
        """Judge how a command ended and record it; return whether it worked."""
        kept = output.close()
        found: dict[str, str] = {}
        if end.exit_status is not None and (refused := why_not_run(end.exit_status, kept.text)) is not None:
            end = ExecutionEnd(state="not begun", message=refused)
        if end.state == "done" and end.exit_status is not None:
            why = why_failed(command.attributes, end.exit_status, kept.text)
            if why is None:
                found, why = captured(command.attributes, kept.text)
            if why is not None:
                end = replace(end, state="failed", message=why)
        if (result := self.reducer.result(run)) is None:
            self.record.say(
                _(
                    "a background command ended; its result is dropped, because it was restarted in "
                    "the meantime or is no longer in the runbook"
                )
            )
            return end.state == "done"
        ended = CommandEnded(
            at=now(),
            run=run,
            state=end.state,
            message=masked(str(end.message), self.record.secrets),
            exit_status=end.exit_status,
            stopped=end.stopped,
            size_bytes=output.size_bytes,
            lines=output.lines,
            left_out_bytes=output.left_out_bytes,
            uncounted=output.uncounted,
            unchanged=result.attempts == 1 and changed_nothing(command.attributes, kept.text),
        )
        if end.state == "done":
            with suppress(LilFoxError):  # before its end is told: who sees that may order what has them
                self.take_values(found, run, host if self.reducer.runs_on_several(run) else "")
            await self._take_kept(command, run, host)
        written = await self.record.ended(ended, result, kept, self._undo_words(run, host))
        if result.kind == "change" and end.exit_status is not None and written:
            self._forgetting.add(host, run, sudo=bool(command.attributes.sudo))
        return end.state == "done"

    async def _take_kept(self, command: Command, run: str, host: str) -> None:
        """Take the variables that the command passes to the next fences on its host."""
        names = self._preparing.shell_variables.keeps(command)
        if names:
            await self._read_kept(names, command, run, host)

    async def _read_kept(self, names: Collection[str], command: Command, run: str, host: str) -> None:
        """Take variables that the host has kept for the next fences."""
        try:
            found = await self._preparing.kept(host, sudo=bool(command.attributes.sudo))
        except HostError as error:
            names_ = listed(f"${name}" for name in names)
            self.record.say(_("{names} cannot be read back from {host}: {reason}", names=names_, host=host,
                              reason=error.message), "warning")  # fmt: skip
            return
        values = {key: value for key, value in found.values.items() if shell_name(key) in names}
        gone = tuple(key for key in found.gone if shell_name(key) in names)
        with suppress(LilFoxError):
            self.drop_values(gone, run, host)
            self.take_values(values, run, host)

    def _undo_words(self, run: str, host: str) -> str:
        runbook, values = self.reducer.runbook, self.values.on(host)
        texts = [
            plain(shown(runbook.steps[turn.step].commands[turn.command or 0], values, runbook.variables))
            for turn in self.reducer.rollback_of(run)
        ]
        return masked("\n".join(texts), self.record.secrets)


def _limit_s(command: Command, *, alone: bool) -> float | None:
    """Return the time limit in seconds; None: no limit."""
    limit = command.attributes.timeout_s
    if limit is not None or command.kind == "change" or command.attributes.background:
        return limit
    return READS_S if command.kind == "read" else FOLLOWS_S if alone else None
