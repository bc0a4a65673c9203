"""The gate before a command: prepares its text, values and hosts, and refuses what may not run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import Config, allows_no_change, refuse_change
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.addresses import Denied, denied, looked_up, own_addresses
from lilfox_tui.i18n import Message, listed, tr
from lilfox_tui.redact import names_a_secret, redact
from lilfox_tui.runbook.bash.launcher import NeededVariables, UnsetVariables, is_bash
from lilfox_tui.runbook.classify import kind, verdict_of_text
from lilfox_tui.runbook.model import BUNDLED, Command, Kind, Runbook, Variable
from lilfox_tui.runbook.readers.spec import Verdict
from lilfox_tui.runbook.run.reducer import RunReducer, RunValues
from lilfox_tui.runbook.run.state import Turn, asks
from lilfox_tui.runbook.run.targets import Hosts, host_config
from lilfox_tui.runbook.run.variables import FilledCommand, check_value, fill

if TYPE_CHECKING:
    from lilfox_tui.hosts.addresses import Address


# The gate: what every text of a file goes through before it is a command on a host.
#
# Where nothing may be changed (``--read-only``, ``read_only: true``, ``protected`` hosts) only what is known to read
# gets through: judged in the moment before it runs, as the text that runs, with the values that it has. What its
# fence says of it can only make that stricter.
#
# Through it go the commands of runbooks (checks, rollbacks and those for a terminal among them), ``from:`` of
# variables and log sources of the kind ``command``. What LilFox itself makes of an action on the screen, a restore or
# a restart is a change by its nature: there ``refuse_change`` alone decides.


READS: frozenset[Kind] = frozenset({"read", "follow"})
"""What runs where nothing may be changed."""


def kind_as_run(command: Command, filled: FilledCommand, runbook: Runbook, *, protected: bool = False) -> Kind:
    """What the command is with its values, whatever it was taken for without them. One for a terminal stays one.
    ``protected``: where nothing may be changed no fence's word counts, also none of those that LilFox brings."""
    if command.kind in ("none", "interactive"):
        return command.kind
    known: Verdict = "unknown"
    if not command.blind and (not command.script or is_bash(command.text, command.attributes.interpreter)):
        known = verdict_of_text(filled.script, filled.env)
    found = kind(known, command.attributes, ours=runbook.path.startswith(BUNDLED) and not protected)
    return "change" if found == "interactive" else found


def let_through(
    config: Config, hosts: Sequence[str], command: Command, filled: FilledCommand, runbook: Runbook
) -> Kind:
    """What the command runs as on ``hosts``. Raises NotAllowed where it changes something and must not."""
    protected = any(allows_no_change(config, host) for host in hosts)
    found = kind_as_run(command, filled, runbook, protected=protected)
    if found not in READS:
        refuse_change(config, hosts, "" if found == command.kind else _became(command))
    return found


def let_argv_through(config: Config, host: str | None, argv: Sequence[str]) -> None:
    """Raises NotAllowed where a program of the configuration, on ``host`` (None: this machine), is not known to only
    read and nothing may be changed there."""
    if verdict_of_text(shlex.join(argv)) not in READS:
        refuse_change(config, (host,), tr("{program} is not known to only read", program=argv[0]))


def kind_with(command: Command, values: Mapping[str, str], runbook: Runbook) -> Kind:
    """What the command is with ``values``, for those who show and ask. Where one is missing it counts as a change, as
    nobody can judge it; where one is refused it is what it was: it will not run."""
    if any(placeholder.name not in values for placeholder in command.placeholders):
        return "change" if command.kind in READS else command.kind
    try:
        return kind_as_run(command, fill(command, values, runbook.variables), runbook)
    except LilFoxError:
        return command.kind


def asks_with(command: Command, values: Mapping[str, str], runbook: Runbook) -> bool:
    """Whether somebody confirms it before it runs with ``values``. What only these make a change of is asked whatever
    its fence says: that was said of something else."""
    found = kind_with(command, values, runbook)
    return asks(replace(command, kind=found)) or found == "change" != command.kind


def unseen(command: Command) -> LilFoxError:
    """What is said of a command that only its values make a change of, where nobody has confirmed that."""
    return LilFoxError(
        tr("{why}; nobody has confirmed that, and it was not run", why=_became(command)),
        tr("run it step by step, without --yes: it is then shown as it runs, and asked"),
    )


def _became(command: Command) -> Message:
    if not command.placeholders:
        return tr("line {line}: it is not known to only read", line=command.line)
    return tr("line {line}: with its values it is not known to only read", line=command.line)


# From a turn to what runs: hosts, values and their checks, the text with its values. Nothing has run when it fails.


_FOLDERS = ("pwd", "oldpwd", "cwd")


class PreparedCommand(Struct, frozen=True, kw_only=True):
    """A command that can be begun on the hosts of its turn."""

    turn: Turn
    title: str
    """Of its step."""
    command: Command
    """Of the kind that it is with its values."""
    became: bool
    """Whether only its values have made a change of it: nobody knew that who saw it without them."""
    filled: dict[str, FilledCommand]
    """On each of its hosts: what was captured there is its own."""
    needed: NeededVariables = NeededVariables()
    """Variables that its shell looks for before."""
    warning: Message | None = None
    """What could not be looked at before it runs."""


class CommandPreparer:
    """Makes turns ready. ``values`` has all that were given, secret ones too; it is filled by others."""

    def __init__(self, config: Config, hosts: Hosts, folding: RunReducer, values: RunValues) -> None:
        self._config, self._hosts, self._folding, self._values = config, hosts, folding, values
        self._unset_of = folding.runbook, UnsetVariables(folding.runbook)

    async def ready(self, turn: Turn) -> PreparedCommand:
        """Raises LilFoxError: a value that lacks or is refused, no host, a host on which nothing may be changed."""
        assert turn.command is not None
        step = self._folding.runbook.steps[turn.step]
        command = step.commands[turn.command]
        if command.kind == "none":
            raise LilFoxError(tr("line {line}: this is shown only, and never run", line=command.line))
        self._refuse_missing(turn)
        if not turn.hosts:
            raise LilFoxError(tr("line {line}: no host is named where it runs", line=command.line))
        self._unset().refuse(command)
        for name in turn.hosts:
            host_config(self._config, name)
        if command.kind not in READS and not command.placeholders:
            refuse_change(self._config, turn.hosts)  # before anything is looked up
        variables = self._folding.runbook.variables
        names = {placeholder.name for placeholder in command.placeholders}
        mine = [variable for variable in variables if variable.name in names]
        refused, warning = await self._denied(mine, turn.hosts)
        filled, kinds = {}, set[Kind]()
        for host in turn.hosts:
            values = {name: value for name, value in self._values.on(host).items() if name in names}
            for variable in mine:
                values[variable.name] = check_value(variable, values[variable.name], denied=refused)
            filled[host] = fill(command, values, variables)
            kinds.add(let_through(self._config, (host,), command, filled[host], self._folding.runbook))
        found = min(kinds, key=lambda each: each in READS)  # what it changes on one of them it changes
        as_run = replace(command, kind=found)
        return PreparedCommand(
            turn=turn,
            title=step.title,
            command=as_run,
            became=found == "change" != command.kind,
            filled=filled,
            needed=self._unset().needed(as_run),
            warning=warning,
        )

    def _refuse_missing(self, turn: Turn) -> None:
        """Raises LilFoxError where a value that it needs is not known on one of its hosts."""
        missing = self._folding.missing(turn)
        if not missing:
            return
        hint = tr("give it: --var {name}=VALUE", name=missing[0])
        if missing[0] in self._folding.known.names() | self._folding.hidden.names():
            where = listed(host for host in turn.hosts if self._folding.missing(Turn(turn.step, turn.command, (host,))))
            raise LilFoxError(
                tr("<{name}> has no value on {hosts}: what is captured on several hosts is each one's own",
                   name=missing[0], hosts=where or "?"),
                hint,
            )  # fmt: skip
        raise LilFoxError(tr("{names}: no value is given", names=listed(f"<{name}>" for name in missing)), hint)

    def look_ahead(self) -> None:
        """Raises LilFoxError where a command of those that are left could not be run as it is: a value that lacks and
        that no output gives, or that may not stand there; a host on which nothing is changed."""
        folding, runbook = self._folding, self._folding.runbook
        commands = [command for step in runbook.steps for command in step.commands]
        captured = {name for command in commands for name in command.attributes.capture}
        for turn in folding.turns():
            if turn.command is None or folding.passed(turn):
                continue
            command = folding.command(turn)
            for name in turn.hosts:
                host_config(self._config, name)
            self._unset().refuse(command)
            missing = folding.missing(turn)
            if command.kind == "change" and (missing or not command.placeholders):
                refuse_change(self._config, turn.hosts)
            if left := [name for name in missing if name not in captured]:
                raise LilFoxError(
                    tr("line {line}: <{name}> has no value; nothing was run", line=command.line, name=left[0]),
                    tr("give it: --var {name}=VALUE", name=left[0]),
                )
            if not missing:
                for host in turn.hosts or ("",):
                    filled = fill(command, self._values.on(host), runbook.variables)
                    if let_through(self._config, turn.hosts, command, filled, runbook) == "change" != command.kind:
                        raise unseen(command)

    def _unset(self) -> UnsetVariables:
        if self._unset_of[0] is not self._folding.runbook:
            self._unset_of = self._folding.runbook, UnsetVariables(self._folding.runbook)
        return self._unset_of[1]

    async def _denied(self, variables: list[Variable], hosts: tuple[str, ...]) -> tuple[Denied, Message | None]:
        """What no address may be, and which hosts' addresses nobody knows. Hosts are asked from where we reach them,
        and names are looked up, only where a variable wants to know, and then each time: a link that was lost may have
        come back from elsewhere."""
        never = self._config.runbooks.never_ban
        if not any("self" in variable.deny for variable in variables):
            return denied((), never, ()), None
        own: set[Address] = set()
        for name in hosts:
            own |= await own_addresses(self._hosts[name], local=host_config(self._config, name).local)
        known = await looked_up(self._config.hosts, self._config.ssh)
        return denied(own, never, known.found), known.warning


def interpreter_of(command: Command) -> str:
    """The program that reads it, if that is not bash. Raises LilFoxError where its words cannot be read."""
    words = command.attributes.interpreter or ""
    try:
        shlex.split(words)
    except ValueError:
        raise LilFoxError(tr("line {line}: interpreter: a quote is not closed", line=command.line)) from None
    return words


def is_secret(name: str, value: str, variables: tuple[Variable, ...]) -> bool:
    """Whether a value must not be written anywhere: it is declared so, or looks so, by itself or under its name. A
    folder is none: to a shell ``pwd`` is where it stands."""
    if any(variable.name == name and variable.type == "secret" for variable in variables) or redact(value) != value:
        return True
    if name.lower() in _FOLDERS:
        return not value.startswith("/")
    return names_a_secret(name)


# What is not run unless somebody says so.


def refuse_again(folding: RunReducer, turn: Turn) -> None:
    """Nothing runs twice. Raises LilFoxError."""
    results = folding.results(turn.step, turn.command or 0)
    for host in turn.hosts:
        state = results[host].state if host in results else "ready"
        if state == "done":
            raise LilFoxError(
                tr("it is done on {host} already; nothing was run", host=host),
                tr("to run it once more, say so: again"),
            )
        if state in ("unknown", "running"):
            raise LilFoxError(
                tr("nobody knows how it ended on {host}; nothing was run", host=host),
                tr("look there first; to run it once more, say so: again"),
            )


def refuse_unseen(ready: PreparedCommand) -> None:
    """What only its values make a change of runs once somebody has seen that. Raises LilFoxError."""
    if ready.became:
        raise unseen(ready.command)


def refuse_behind_undone(folding: RunReducer) -> None:
    """What is left relies on what was before it, and nobody is here to say that it may run without that. Raises
    LilFoxError."""
    if any(folding.state_of(turn) == "undone" for turn in folding.turns()):
        raise LilFoxError(
            tr("what was changed was taken back: nothing goes on behind that without being asked"),
            tr("begin a new run, or go on with this one step by step, without --yes"),
        )
