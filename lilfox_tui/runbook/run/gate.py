"""The gate before a command: prepares its text, values and hosts, and refuses a command that must not run."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import Config, HostConfig, allows_no_change, refuse_change
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.addresses import Denied, denied, looked_up, own_addresses
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.redact import names_a_secret, redact, redacted_start
from lilfox_tui.runbook.bash.carrying import (
    EXPORTED,
    MOST_BYTES,
    KeptShellVariables,
    ShellVariables,
    read_kept,
    shell_name,
)
from lilfox_tui.runbook.bash.launcher import WALL, NeededVariables, is_bash, kept, kept_in
from lilfox_tui.runbook.classify import kind, verdict_of_text
from lilfox_tui.runbook.model import BUNDLED, Command, Kind, Runbook, Variable
from lilfox_tui.runbook.readers.spec import Verdict, may_be_assigned
from lilfox_tui.runbook.run.reducer import RunReducer, RunValues
from lilfox_tui.runbook.run.state import EACH, HERE, Turn, asks, named_host, word_of
from lilfox_tui.runbook.run.variables import FilledCommand, ValueChoice, check_value, choices_of, fill

if TYPE_CHECKING:
    from lilfox_tui.hosts.addresses import Address


# Targets of a run: the hosts that a runbook's words mean, and values that a command on them offers.


# Where commands run: host words of a runbook, and the hosts that they mean in a configuration.


LOCALHOST = "localhost"
"""What this machine is called when the configuration does not name it."""
ALL = "all"


def here(config: Config) -> str:
    """Return the name of this machine: that of the first ``local`` host, so that its protection applies."""
    return next((name for name, host in config.hosts.items() if host.local), LOCALHOST)


def resolve(config: Config, word: str, run: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the hosts that ``word`` means: ``local``, ``all``, ``each`` (the hosts of the run), a name, a
    glob, or several separated by commas; in the order of the configuration. Raises UsageError if there are none."""
    found: dict[str, None] = {}
    for part in filter(None, map(str.strip, word.split(","))):
        names = _of_part(config, part, run)
        if not names:
            raise UsageError(
                tr("{word} matches no configured host", word=part),
                tr("available hosts: {names}", names=listed(config.hosts) or HERE),
            )
        found |= dict.fromkeys(names)
    return tuple(found)


def _of_part(config: Config, part: str, run: tuple[str, ...]) -> list[str]:
    if part == HERE:
        return [here(config)]
    if part == EACH:
        return list(run)
    if part == ALL:
        return list(config.hosts)
    if part in config.hosts or part == here(config):
        return [part]
    return [name for name in config.hosts if fnmatchcase(name, part)]


def words(config: Config, runbook: Runbook) -> dict[str, tuple[str, ...]]:
    """Return the hosts for each host word of the runbook. Raises UsageError."""
    of_run = runbook.hosts or HERE
    run = resolve(config, ALL if of_run == EACH else of_run) if not of_run.startswith("<") else ()
    commands = [command for step in runbook.steps for command in step.commands if command.kind != "none"]
    asked = {word_of(command, runbook) for command in commands if named_host(command, runbook) is None}
    return {word: resolve(config, word, run) for word in sorted(asked)} | {EACH: run}


def host_config(config: Config, name: str) -> HostConfig:
    """Return the configuration of a configured host, or of this machine. Raises UsageError for another one."""
    if name in config.hosts:
        return config.hosts[name]
    if name == here(config):
        return HostConfig(local=True)
    raise UsageError(
        tr("there is no host {name} in the configuration", name=name),
        tr("available hosts: {names}", names=listed(config.hosts) or HERE),
    )


def refuse_unknown(config: Config, runbook: Runbook, values: Mapping[str, str]) -> None:
    """Raise UsageError if a value should name a command's host but names none that is configured."""
    for step in runbook.steps:
        for command in step.commands:
            name = named_host(command, runbook)
            if name is not None and name in values:
                try:
                    host_config(config, values[name])
                except UsageError as error:
                    raise UsageError(f"<{name}>: {error.message}", error.hint) from None


class Hosts:
    """The hosts of a run, opened on demand and closed together, as an async context manager."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._open: dict[str, Host] = {}

    async def __aenter__(self) -> Hosts:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(host.close() for host in self._open.values()))  # one that hangs holds up no other

    def __getitem__(self, name: str) -> Host:
        """Return the host of that name, not connected yet. Raises UsageError for one that is not configured."""
        if name not in self._open:
            config = host_config(self._config, name)
            self._open[name] = open_host(name, config, self._config.ssh, read_only=self._config.read_only)
        return self._open[name]


# What the command of a variable's ``from:`` offers as its values, asked where the value will be used.


PATIENCE_S = 10.0
_MOST_BYTES = 256 << 10


async def offered(config: Config, variable: Variable, hosts: tuple[str, ...]) -> tuple[ValueChoice, ...]:
    """Return the choices of a variable; an ``enum`` has its own, one without ``from:`` has none. Queries the first of
    ``hosts``, or this machine. Raises LilFoxError if that fails, or if the command is not known to only read."""
    if variable.type == "enum" or not variable.from_:
        return tuple(map(ValueChoice, variable.choices))
    if verdict_of_text(variable.from_) != "read":
        raise LilFoxError(
            tr("{name}: its from: command is not known to be read-only, so it is not run", name=variable.name)
        )
    name = hosts[0] if hosts else here(config)
    wall = WALL if allows_no_change(config, name) else ""
    argv = ("bash", "--noprofile", "--norc", "-c", f"{wall}{variable.from_}")
    async with Hosts(config) as opened:
        host = opened[name]
        done = await host.run(argv, timeout_s=PATIENCE_S, limit_bytes=_MOST_BYTES)
    found, refused = choices_of(variable, done.stdout.decode("utf-8", "replace"), denied=Denied())
    if not found and not done.ok:
        said = redacted_start(done.stderr, 200)
        raise LilFoxError(
            tr("the choices for {name} cannot be read: {reason}", name=variable.name, reason=said or done.ending)
        )
    if not found and refused:
        raise LilFoxError(tr("{name}: its from: command returned only invalid values", name=variable.name))
    return found


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
    """Return the kind of the command with its values, whatever it was without them. An interactive command stays
    interactive. ``protected``: on a protected host no fence can declare that a command only reads, not even a bundled
    one."""
    if command.kind in ("none", "interactive"):
        return command.kind
    known: Verdict = "unknown"
    if not command.blind and (not command.script or is_bash(command.text, command.attributes.interpreter)):
        known = verdict_of_text(filled.script, filled.env)
    if any(key.startswith(EXPORTED) and not may_be_assigned(key.removeprefix(EXPORTED)) for key in filled.env):
        known = "unknown"  # a program may take from it what it runs
    found = kind(known, command.attributes, ours=runbook.path.startswith(BUNDLED) and not protected)
    return "change" if found == "interactive" else found


def let_through(
    config: Config, hosts: Sequence[str], command: Command, filled: FilledCommand, runbook: Runbook
) -> Kind:
    """Return the kind of the command on ``hosts``. Raises NotAllowed if it changes something and must not."""
    protected = any(allows_no_change(config, host) for host in hosts)
    found = kind_as_run(command, filled, runbook, protected=protected)
    if found not in READS:
        refuse_change(config, hosts, "" if found == command.kind else _became(command))
    return found


def let_argv_through(config: Config, host: str | None, argv: Sequence[str]) -> None:
    """Raise NotAllowed if changes are forbidden on ``host`` (None: this machine) and a configured program is not known
    to only read."""
    if verdict_of_text(shlex.join(argv)) not in READS:
        refuse_change(config, (host,), tr("{program} is not known to be read-only", program=argv[0]))


def kind_with(command: Command, values: Mapping[str, str], runbook: Runbook) -> Kind:
    """Return the kind of the command with ``values``, for display and confirmation. With a missing value it counts as a
    change, because nobody can judge it; with a refused one the kind stays: it will not run."""
    if any(placeholder.name not in values for placeholder in command.placeholders):
        return "change" if command.kind in READS else command.kind
    if any(map(shell_name, values)):
        passed = ShellVariables(runbook.steps).passed(command, values)
        values = {name: value for name, value in values.items() if not shell_name(name)} | passed
    try:
        return kind_as_run(command, fill(command, values, runbook.variables), runbook)
    except LilFoxError:
        return command.kind


def asks_with(command: Command, values: Mapping[str, str], runbook: Runbook) -> bool:
    """Return whether the user must confirm the command before it runs with ``values``. If only these make it a change,
    it must be confirmed whatever its fence says, because that was written for the command without them."""
    found = kind_with(command, values, runbook)
    return asks(replace(command, kind=found)) or found == "change" != command.kind


def unseen(command: Command) -> LilFoxError:
    """Return the error for a command that only its values turn into a change, which nobody has confirmed."""
    return LilFoxError(
        tr("{why}; it is not run without confirmation", why=_became(command)),
        tr("run it step by step, without --yes: LilFox then shows the final command and asks for confirmation"),
    )


def _became(command: Command) -> Message:
    if not command.placeholders:
        return tr("line {line}: the command is not known to be read-only", line=command.line)
    return tr("line {line}: the command is not known to be read-only with these values", line=command.line)


# From a turn to what runs: hosts, values and their checks, the text with its values. Nothing has run when it fails.


_FOLDERS = ("pwd", "oldpwd", "cwd")


class PreparedCommand(Struct, frozen=True, kw_only=True):
    """A command that is ready to start on the hosts of its turn."""

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
    keeps: tuple[str, ...] = ()
    """Variables that it passes to the next fences."""
    warning: Message | None = None
    """What could not be looked at before it runs."""


class CommandPreparer:
    """Prepares turns. ``values`` contains all given values, including secrets; others fill it."""

    def __init__(self, config: Config, hosts: Hosts, reducer: RunReducer, values: RunValues) -> None:
        self._config, self._hosts, self._reducer, self._values = config, hosts, reducer, values
        self._unset_of = reducer.runbook, ShellVariables(reducer.runbook.steps)

    async def ready(self, turn: Turn) -> PreparedCommand:
        """Prepare a turn. Raises LilFoxError: a missing or refused value, no host, a host where changes are
        forbidden."""
        assert turn.command is not None
        step = self._reducer.runbook.steps[turn.step]
        command = step.commands[turn.command]
        if command.kind == "none":
            raise LilFoxError(tr("line {line}: this is only shown, never run", line=command.line))
        self._refuse_missing(turn)
        if not turn.hosts:
            raise LilFoxError(tr("line {line}: the command has no host to run on", line=command.line))
        self.shell_variables.refuse(command)
        for name in turn.hosts:
            host_config(self._config, name)
        if command.kind not in READS and not command.placeholders:
            refuse_change(self._config, turn.hosts)  # before anything is looked up
        variables = self._reducer.runbook.variables
        names = {placeholder.name for placeholder in command.placeholders}
        mine = [variable for variable in variables if variable.name in names]
        refused, warning = await self._denied(mine, turn.hosts)
        filled, kinds = {}, set[Kind]()
        for host in turn.hosts:
            there = self._values.on(host)
            self.shell_variables.refuse_lacking(command, host, there)
            values = {name: value for name, value in there.items() if name in names}
            for variable in mine:
                values[variable.name] = check_value(variable, values[variable.name], denied=refused)
            filled[host] = fill(command, values | self.shell_variables.passed(command, there), variables)
            kinds.add(let_through(self._config, (host,), command, filled[host], self._reducer.runbook))
        found = min(kinds, key=lambda each: each in READS)  # what it changes on one of them it changes
        as_run = replace(command, kind=found)
        return PreparedCommand(
            turn=turn,
            title=step.title,
            command=as_run,
            became=found == "change" != command.kind,
            filled=filled,
            needed=self.shell_variables.needed(as_run),
            keeps=self.shell_variables.keeps(command),
            warning=warning,
        )

    def _refuse_missing(self, turn: Turn) -> None:
        """Raise LilFoxError if a value that the command needs is unknown on one of its hosts."""
        missing = self._reducer.missing(turn)
        if not missing:
            return
        hint = tr("set it: --var {name}=VALUE", name=missing[0])
        if missing[0] in self._reducer.known.names() | self._reducer.hidden.names():
            where = listed(host for host in turn.hosts if self._reducer.missing(Turn(turn.step, turn.command, (host,))))
            raise LilFoxError(
                tr("<{name}> has no value on {hosts}: a value captured on several hosts applies only to the host "
                   "it was captured on",
                   name=missing[0], hosts=where or "?"),
                hint,
            )  # fmt: skip
        raise LilFoxError(tr("no value is given for {names}", names=listed(f"<{name}>" for name in missing)), hint)

    def look_ahead(self) -> None:
        """Raise LilFoxError if one of the remaining commands could not run: a missing value that no output provides, a
        value that is not allowed in its place, or a host where changes are forbidden."""
        reducer, runbook = self._reducer, self._reducer.runbook
        commands = [command for step in runbook.steps for command in step.commands]
        captured = {name for command in commands for name in command.attributes.capture}
        for turn in reducer.turns():
            if turn.command is None or reducer.passed(turn):
                continue
            command = reducer.command(turn)
            for name in turn.hosts:
                host_config(self._config, name)
            self.shell_variables.refuse(command)
            missing = reducer.missing(turn)
            if command.kind == "change" and (missing or not command.placeholders):
                refuse_change(self._config, turn.hosts)
            if left := [name for name in missing if name not in captured]:
                raise LilFoxError(
                    tr("line {line}: <{name}> has no value; nothing was run", line=command.line, name=left[0]),
                    tr("set it: --var {name}=VALUE", name=left[0]),
                )
            if not missing:
                for host in turn.hosts or ("",):
                    there = self._values.on(host)
                    values = {name: value for name, value in there.items() if not shell_name(name)}
                    values |= self.shell_variables.passed(command, there)
                    filled = fill(command, values, runbook.variables)
                    if let_through(self._config, turn.hosts, command, filled, runbook) == "change" != command.kind:
                        raise unseen(command)

    @property
    def shell_variables(self) -> ShellVariables:
        """Those of the runbook as it is now."""
        if self._unset_of[0] is not self._reducer.runbook:
            self._unset_of = self._reducer.runbook, ShellVariables(self._reducer.runbook.steps)
        return self._unset_of[1]

    async def kept(self, host: str, *, sudo: bool) -> KeptShellVariables:
        """Return what passes from fence to fence on the host. Raises HostError."""
        file = kept_in(self._reducer.first_run, host)
        return read_kept(await kept(self._hosts[host], file, sudo=sudo, limit_bytes=MOST_BYTES))

    async def _denied(self, variables: list[Variable], hosts: tuple[str, ...]) -> tuple[Denied, Message | None]:
        """Return the addresses that are denied, and a warning about hosts whose addresses are unknown. Queries hosts
        for our address and looks names up only if a variable needs it, and then each time, because a restored
        connection may come from another address."""
        never = self._config.runbooks.never_ban
        if not any("self" in variable.deny for variable in variables):
            return denied((), never, ()), None
        own: set[Address] = set()
        for name in hosts:
            own |= await own_addresses(self._hosts[name], local=host_config(self._config, name).local)
        known = await looked_up(self._config.hosts, self._config.ssh)
        return denied(own, never, known.found), known.warning


def interpreter_of(command: Command) -> str:
    """Return the program that reads the command, if it is not bash. Raises LilFoxError if its words cannot be
    parsed."""
    words = command.attributes.interpreter or ""
    try:
        shlex.split(words)
    except ValueError:
        raise LilFoxError(tr("line {line}: interpreter: a quote is not closed", line=command.line)) from None
    return words


def is_secret(name: str, value: str, variables: tuple[Variable, ...]) -> bool:
    """Whether a value must not be written anywhere: it is declared secret, or looks like one, by itself or by its name.
    A folder is no secret: to a shell ``pwd`` is the current folder."""
    if any(variable.name == name and variable.type == "secret" for variable in variables) or redact(value) != value:
        return True
    if name.lower() in _FOLDERS:
        return not value.startswith("/")
    return names_a_secret(name)


# What is not run unless somebody says so.


def refuse_again(reducer: RunReducer, turn: Turn) -> None:
    """Refuse to run a command twice. Raises LilFoxError."""
    results = reducer.results(turn.step, turn.command or 0)
    for host in turn.hosts:
        state = results[host].state if host in results else "ready"
        if state == "done":
            raise LilFoxError(
                tr("the command is already done on {host}; it was not run again", host=host),
                tr("to run it again, confirm that explicitly"),
            )
        if state in ("unknown", "running"):
            raise LilFoxError(
                tr("the outcome of this command on {host} is not known; it was not run again", host=host),
                tr("check the host first; to run it again, confirm that explicitly"),
            )


def refuse_unseen(ready: PreparedCommand) -> None:
    """Refuse a command that only its values turn into a change, until the user has seen that. Raises LilFoxError."""
    if ready.became:
        raise unseen(ready.command)


def refuse_behind_undone(reducer: RunReducer) -> None:
    """Refuse to continue after an undone command: what is left relies on it, and no user is there to allow it. Raises
    LilFoxError."""
    if any(reducer.state_of(turn) == "undone" for turn in reducer.turns()):
        raise LilFoxError(
            tr("changes were undone: the commands after them are not run without confirmation"),
            tr("start a new run, or continue this one step by step, without --yes"),
        )
