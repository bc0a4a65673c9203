"""Reduces the facts of a run to its state, with the values that its commands have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from lilfox_tui.runbook.bash.launcher import FenceSession
from lilfox_tui.runbook.model import Command, Runbook
from lilfox_tui.runbook.run.protocol import (
    ClientActs,
    CommandBegan,
    CommandEnded,
    CommandSkipped,
    ConnectionLost,
    DoneByHand,
    OutputProgress,
    RunAllStarted,
    RunbookPinned,
    RunbookReloaded,
    RunFact,
    RunOpened,
    RunResumed,
    ValuesSet,
)
from lilfox_tui.runbook.run.state import (
    CommandResult,
    CommandState,
    RunState,
    State,
    StepState,
    Turn,
    WaitingFor,
    asks,
    hosts_of,
    in_force,
    named_host,
    rollbacks,
    together,
    turns,
)

# Values of a run: of all of it, and of single hosts what their own output held.
#
# What is captured on several hosts is each one's own: what runs on a host has the value of that host, and where it has
# none, none.


class RunValues:
    """Values by name. The latest one counts: a value for the whole run replaces those of its hosts."""

    def __init__(self) -> None:
        self.run: dict[str, str] = {}
        self._own: dict[str, dict[str, str]] = {}

    def take(self, values: Mapping[str, str], host: str = "") -> None:
        """Set values for the whole run, or for a host."""
        if host:
            self._own.setdefault(host, {}).update(values)
        else:
            self.drop(values)
            self.run |= values

    def drop(self, names: Collection[str], host: str = "") -> None:
        """Remove values: everywhere, or on a host."""
        for values in [self._own.get(host, {})] if host else [self.run, *self._own.values()]:
            for name in names:
                values.pop(name, None)

    def take_all(self, other: RunValues) -> None:
        """Take all values of ``other``."""
        self.take(other.run)
        for host, values in other._own.items():
            self.take(values, host)

    def on(self, host: str) -> dict[str, str]:
        """Return the values on a host."""
        return self.run | self._own.get(host, {})

    def has(self, values: Mapping[str, str], host: str = "") -> bool:
        """Whether these values apply on the host; for the whole run: everywhere."""
        places = [self.on(host)] if host else [self.on(each) for each in ("", *self._own)]
        return all(place.get(name) == value for place in places for name, value in values.items())

    def names(self) -> set[str]:
        """Return the names of all known values."""
        return set(self.run).union(*self._own.values())

    def shown(self, hosts: Sequence[str]) -> dict[str, str]:
        """Return the values for display: one that differs between these hosts is shown with each host's name."""
        found = {host: self.on(host) for host in hosts}
        shown = dict(self.run)
        for name in self.names():
            values = {host: each[name] for host, each in found.items() if name in each}
            if len(values) == len(found) and len(set(values.values())) == 1:
                shown[name] = next(iter(values.values()))
            elif values:
                shown[name] = ", ".join(f"{host}: {value}" for host, value in values.items())
        return shown


# A run as its facts tell it now. Pure: a client reduces what it hears of the job, the job reduces what it tells.
#
#     reducer = RunReducer(runbook)
#     reducer.take(decode_facts(events))
#     reducer.state().waiting


class RunReducer:
    """Reduces the facts of a run, in their order, to its state. ``runbook`` is that of the run; ``read_again`` takes
    the new one after RunbookReloaded."""

    def __init__(self, runbook: Runbook) -> None:
        self.runbook, self._rollbacks = runbook, rollbacks(runbook)
        self.sha256 = runbook.sha256
        self.hosts: dict[str, tuple[str, ...]] = {}
        self.known = RunValues()
        self.hidden = RunValues()
        """Names of secret ones that the job has."""
        self.incident = self.resumes = ""
        self.first_run = ""
        """The run that all of this began with, by which its fences are known on hosts."""
        self.runs_all = False
        self.stays = False
        """Whether the run has its text whatever its file says."""
        self.control: ClientActs | None = None
        """Who orders; None where nobody has yet."""
        self._results: dict[tuple[int, int], dict[str, CommandResult]] = {}
        """Of each command, by host."""
        self._place: dict[str, tuple[int, int, str]] = {}
        """``run`` → step, command, host; of those that are the last of their command and host."""
        self._last = ""
        """``run`` of the command that was begun last."""
        self._skipped: dict[tuple[int, int | None], str] = {}
        self._by_hand: set[int] = set()
        self._former: list[CommandResult] = []
        """Changes of commands that are not in the file any more."""
        self.taking_over = False
        """It goes on with a run, and has not told yet all that one knew: what is left to do is not known."""

    def take(self, facts: Iterable[RunFact]) -> None:
        """Apply the next facts."""
        for fact in facts:
            match fact:
                case CommandBegan():
                    self._begin(fact)
                case CommandEnded():
                    self._end(fact)
                case OutputProgress():
                    self._change(fact.run, size_bytes=fact.size_bytes, lines=fact.lines)
                case ConnectionLost():
                    self._change(fact.run, link_lost=fact.reason)
                case CommandSkipped():
                    self._skipped[fact.step, fact.command] = fact.reason
                case DoneByHand():
                    self._by_hand.add(fact.step)
                case _:
                    self._take_of_run(fact)

    def _take_of_run(self, fact: RunFact) -> None:
        match fact:
            case ValuesSet():
                self.hidden.drop(fact.values, fact.host)
                self.known.drop((*fact.secret, *fact.gone), fact.host)
                self.hidden.drop(fact.gone, fact.host)
                self.known.take(fact.values, fact.host)
                self.hidden.take(dict.fromkeys(fact.secret, ""), fact.host)
            case RunOpened():
                if not self.first_run:
                    self.hosts = dict(fact.hosts)
                    self.incident, self.resumes = fact.incident, fact.resumes
                    self.taking_over = bool(fact.resumes)
                self.first_run = fact.run  # those of earlier runs come behind it
            case RunResumed():
                self.hosts = dict(fact.hosts)
                self.hidden = RunValues()
                self.taking_over = self.taking_over and fact.run != self.resumes
            case RunbookReloaded():
                self.sha256, self.hosts, self.stays = fact.sha256, dict(fact.hosts), False
                self._move(fact.moved)
            case RunbookPinned():
                self.stays = True
            case RunAllStarted():
                self.runs_all = True
            case ClientActs():
                self.control = fact

    def read_again(self, runbook: Runbook) -> None:
        """Set the runbook with the ``sha256`` of RunbookReloaded."""
        self.runbook, self._rollbacks = runbook, rollbacks(runbook)

    @property
    def values(self) -> dict[str, str]:
        """The values for the whole run that are not secret."""
        return self.known.run

    def turns(self) -> Iterator[Turn]:
        """Yield all turns, with the hosts that values name so far."""
        return turns(self.runbook, self.hosts, self.values)

    def state_of(self, turn: Turn) -> State:
        """Return the state of a turn."""
        if turn.command is None:
            done: State = "done" if turn.step in self._by_hand else "ready"
            return "skipped" if (turn.step, None) in self._skipped else done
        return self._state(turn.step, turn.command, turn.hosts)

    def passed(self, turn: Turn) -> bool:
        """Return whether the run continues after ``turn``: it is done, undone, skipped or in the background, or it
        failed but a check decides."""
        state = self.state_of(turn)
        if state == "running":
            return self._in_background(turn)
        return state in ("done", "undone", "skipped") or (state == "failed" and self.decided_by_check(turn))

    def left(self, turn: Turn) -> Turn:
        """Return ``turn`` limited to the hosts where it has still to run. Everything that starts a command calls this,
        so that the command is not started again where it is done or running, even if it failed on another host."""
        if turn.command is None:
            return turn
        results = self.results(turn.step, turn.command)
        there = {host for host in turn.hosts if host in results and results[host].state in ("done", "running")}
        return Turn(turn.step, turn.command, tuple(host for host in turn.hosts if host not in there))

    def decided_by_check(self, turn: Turn) -> bool:
        """Return whether a failure of ``turn`` does not fail its step, because it only reads and a later check
        decides."""
        if turn.command is None:
            return False
        commands = self.runbook.steps[turn.step].commands
        command = commands[turn.command]
        later = commands[turn.command + 1 :]
        changed = any(each.kind == "change" for each in self.results(turn.step, turn.command).values())
        reads = command.kind == "read" and not changed
        return reads and not command.attributes.check and any(each.attributes.check for each in later)

    def command(self, turn: Turn) -> Command:
        """Return the command of a turn."""
        return self.runbook.steps[turn.step].commands[turn.command or 0]

    def results(self, step: int, command: int) -> dict[str, CommandResult]:
        """Return the results of a command by host, in the order they started."""
        return self._results.get((step, command), {})

    def result(self, run: str) -> CommandResult | None:
        """Return the result of the command with that id; None if a later one replaced it, or there is none."""
        place = self._place.get(run)
        return None if place is None else self._results[place[:2]][place[2]]

    def place(self, run: str) -> tuple[Turn, Command] | None:
        """Return the turn and the command with that id, on its host; None if there is none."""
        if (place := self._place.get(run)) is None:
            return None
        step, command, host = place
        return Turn(step, command, (host,)), self.runbook.steps[step].commands[command]

    def runs_on_several(self, run: str) -> bool:
        """Whether the command with that id has more than one host."""
        if (found := self.place(run)) is None:
            return False
        return len(hosts_of(found[1], self.runbook, self.hosts, self.values)) > 1

    def last_begun(self) -> Turn | None:
        """Return the command that was started last, on its host; None if there is none."""
        found = self.place(self._last)
        return None if found is None else found[0]

    def running(self) -> list[CommandResult]:
        """Return the commands that have started and not ended."""
        return [result for each in self._results.values() for result in each.values() if result.state == "running"]

    def changes(self) -> tuple[CommandResult, ...]:
        """See :attr:`RunState.changes`."""
        found = [result for each in self._results.values() for result in each.values() if in_force(result)]
        return tuple(sorted(self._former + found, key=lambda result: (result.began, result.run)))

    def rollback_of(self, run: str) -> list[Turn]:
        """Return the turns that roll back that command's fence on its host; empty if the runbook has none."""
        if (found := self.place(run)) is None or (name := found[1].attributes.name) is None:
            return []
        return [Turn(step, number, found[0].hosts) for step, number in self._rollbacks.get(name, ())]

    def taken_back_by(self, turn: Turn) -> tuple[str, ...]:
        """Return the ``run`` of each change that is rolled back on its hosts once ``turn`` is done; empty unless
        ``turn`` is the last command of a rollback."""
        name = None if turn.command is None else self.command(turn).attributes.rollback_of
        later = self.runbook.steps[turn.step].commands[(turn.command or 0) + 1 :]
        if name is None or any(command.attributes.rollback_of == name for command in later):
            return ()
        return tuple(
            each.run
            for each in self.changes()
            if (place := self.place(each.run)) is not None
            and place[1].attributes.name == name
            and each.host in turn.hosts
        )

    def missing(self, turn: Turn) -> tuple[str, ...]:
        """Return the names of the values that ``turn`` needs and that are not known on all of its hosts."""
        if turn.command is None:
            return ()
        command = self.command(turn)
        lacking: dict[str, None] = {}
        named = named_host(command, self.runbook)
        if named is not None and named not in self.known.run and named not in self.hidden.run:
            lacking[named] = None
        for host in turn.hosts or ("",):
            there = self.known.on(host).keys() | self.hidden.on(host).keys()
            lacking |= {each.name: None for each in command.placeholders if each.name not in there}
        return tuple(lacking)

    def waiting(self) -> WaitingFor:
        """Return what is to be done next, and by whom; its turn has only the hosts where it has still to run."""
        if self.taking_over:
            return WaitingFor(what="nothing")
        for result in self.running():
            if not self._in_background(Turn(*self._place[result.run][:2])):
                return WaitingFor(what="nothing")
        for turn in self.turns():
            if not self.passed(turn):
                return self._waits(self.left(turn))
        return WaitingFor(what="end")

    def state(self) -> RunState:
        """Return the current state of the run."""
        changes = self.changes()
        mine: dict[int, list[Turn]] = {}
        for turn in self.turns():
            mine.setdefault(turn.step, []).append(turn)
        return RunState(
            runbook=self.runbook,
            sha256=self.sha256,
            hosts=self.hosts,
            steps=tuple(self._step(number, mine.get(number, [])) for number in range(len(self.runbook.steps))),
            waiting=self.waiting(),
            values=dict(self.values),
            secrets=frozenset(self.hidden.names()),
            changes=changes,
            undoable=tuple(each.run for each in reversed(changes) if self.rollback_of(each.run)),
            incident=self.incident,
            resumes=self.resumes,
            runs_all=self.runs_all,
        )

    def _begin(self, fact: CommandBegan) -> None:
        each = self._results.setdefault((fact.step, fact.command), {})
        before = each.pop(fact.host, None)  # it stands where it was begun last
        if before is not None:
            del self._place[before.run]
        each[fact.host] = CommandResult(
            host=fact.host,
            run=fact.run,
            kind=fact.kind,
            state="running",
            rollback=fact.rollback,
            shown=fact.shown,
            by=fact.by,
            began=fact.at,
            undoes=fact.undoes,
            attempts=1 if before is None else before.attempts + 1,
        )
        self._place[fact.run] = fact.step, fact.command, fact.host
        self._last = fact.run
        self._skipped.pop((fact.step, fact.command), None)

    def _end(self, fact: CommandEnded) -> None:
        state: State = "failed" if fact.state == "not begun" else fact.state
        self._change(
            fact.run,
            state=state,
            ended=fact.at,
            exit_status=fact.exit_status,
            message=fact.message,
            stopped=fact.stopped,
            size_bytes=fact.size_bytes,
            lines=fact.lines,
            left_out_bytes=fact.left_out_bytes,
            uncounted=fact.uncounted,
            unchanged=fact.unchanged,
            link_lost="",
        )
        ended = self.result(fact.run)
        if ended is not None and state == "done":
            for run in ended.undoes:
                self._change(run, state="undone", undone_by=fact.run)

    def _change(self, run: str, **changes: object) -> None:
        if (place := self._place.get(run)) is not None:
            each = self._results[place[:2]]
            each[place[2]] = replace(each[place[2]], **changes)

    def _move(self, moved: tuple[tuple[int, int, int, int], ...]) -> None:
        """Move what is known of each command to its new position in the file; removed commands are forgotten."""
        now = {(step, command): (to_step, to_command) for step, command, to_step, to_command in moved}
        self._former += [
            each for at, hosts in self._results.items() for each in hosts.values() if at not in now and in_force(each)
        ]
        self._results = {now[at]: each for at, each in self._results.items() if at in now}
        self._place = {each.run: (*at, host) for at, hosts in self._results.items() for host, each in hosts.items()}
        self._skipped = {
            now[step, command]: why
            for (step, command), why in self._skipped.items()
            if command is not None and (step, command) in now
        }
        self._by_hand = set()

    def _state(self, step: int, command: int, hosts: tuple[str, ...]) -> State:
        """Return the state of a command on ``hosts``; without them, on all where it was started."""
        results = self.results(step, command)
        states = [results[host].state if host in results else "ready" for host in hosts or results] or ["ready"]
        if "running" in states:
            return "running"
        if all(state in ("done", "undone") for state in states):
            return "undone" if "undone" in states else "done"
        if (step, command) in self._skipped or (step, None) in self._skipped:
            return "skipped"
        return "unknown" if "unknown" in states else "failed" if "failed" in states else "ready"

    def _in_background(self, turn: Turn) -> bool:
        return turn.command is not None and bool(
            self.runbook.steps[turn.step].commands[turn.command].attributes.background
        )

    def _waits(self, turn: Turn) -> WaitingFor:
        """Return what the run waits for at ``turn``, which it cannot pass."""
        if turn.command is None:
            return WaitingFor(what="hand", turn=turn)
        if self.state_of(turn) in ("failed", "unknown"):
            return WaitingFor(what="decision", turn=turn)
        if names := self.missing(turn):
            return WaitingFor(what="value", turn=turn, names=names)
        command = self.command(turn)
        if command.kind == "interactive":
            return WaitingFor(what="terminal", turn=turn)
        return WaitingFor(what="confirm" if asks(command) else "order", turn=turn)

    def _step(self, number: int, mine: list[Turn]) -> StepState:
        commands = self.runbook.steps[number].commands
        return StepState(
            state=together([state for turn in mine if (state := self._counted(turn)) is not None]),
            commands=tuple(self._command(number, at, command) for at, command in enumerate(commands)),
            reason=self._skipped.get((number, None), ""),
        )

    def _command(self, step: int, number: int, command: Command) -> CommandState:
        hosts = hosts_of(command, self.runbook, self.hosts, self.values)
        return CommandState(
            state=self._state(step, number, hosts),
            hosts=hosts,
            results=tuple(self.results(step, number).values()),
            reason=self._skipped.get((step, number), ""),
        )

    def _counted(self, turn: Turn) -> State | None:
        """Return the state of ``turn`` as it counts for its step; None if a check decides."""
        state = self.state_of(turn)
        return None if state == "failed" and self.decided_by_check(turn) else state


# A change that failed on its way: how far it came only a look at its host tells. What takes it back may be run, too,
# which is never done by itself: it was written for the whole change.


def is_half_done(reducer: RunReducer, failed: CommandResult) -> bool:
    """Return whether the command failed but may have changed something that has not been rolled back since."""
    begun = failed.exit_status is not None or failed.stopped
    return failed.kind == "change" and failed.state == "failed" and begun and not _taken_back(reducer, failed)


def may_have_changed(reducer: RunReducer, result: CommandResult) -> bool:
    """Return whether nobody knows if the command changed something: it is half done, its end is not known, or it ran a
    program at a terminal."""
    if result.kind == "interactive" or is_half_done(reducer, result):
        return True
    return result.kind == "change" and result.state in ("running", "unknown")


def half_done(reducer: RunReducer, turn: Turn) -> str:
    """Return the ``run`` of a half-done command at ``turn`` that the runbook can roll back; empty if there is none."""
    found = [
        each.run
        for each in reducer.results(turn.step, turn.command or 0).values()
        if is_half_done(reducer, each) and reducer.rollback_of(each.run)
    ]
    return found[-1] if found else ""


def _taken_back(reducer: RunReducer, failed: CommandResult) -> bool:
    ways = reducer.rollback_of(failed.run)
    later = [reducer.results(way.step, way.command or 0).get(failed.host) for way in ways]
    return bool(ways) and all(each is not None and each.state == "done" and each.began > failed.began for each in later)


# Where a command finds on a host what those before it in its fence left there.


class FenceCarryover:
    """The shell state that the commands of a run pass on within their fence."""

    def __init__(self, reducer: RunReducer) -> None:
        self._reducer = reducer
        self._fences: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._fences_of: Runbook | None = None

    def fence(self, turn: Turn, host: str) -> FenceSession | None:
        """Return where the command of ``turn`` finds the shell state on the host; None if it is alone in its fence."""
        reducer, mine = self._reducer, (turn.step, turn.command or 0)
        number = reducer.command(turn).fence
        places = self._places(number)
        if len(places) < 2:
            return None
        before = any(
            place < mine and (result := reducer.results(*place).get(host)) and result.state in ("done", "undone")
            for place in places
        )
        return FenceSession(reducer.first_run, number, "later" if before else "first", host)

    def _places(self, fence: int) -> list[tuple[int, int]]:
        """Return the positions of a fence's commands."""
        runbook = self._reducer.runbook
        if self._fences_of is not runbook:
            self._fences_of, self._fences = runbook, defaultdict(list)
            for step, each in enumerate(runbook.steps):
                for number, command in enumerate(each.commands):
                    if command.kind != "none":
                        self._fences[command.fence].append((step, number))
        return self._fences[fence]
