"""From a turn to what runs: hosts, values and their checks, the text with its values. Nothing has run when it fails."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import Config
from lilfox_tui.config.protection import refuse_change
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.addresses import Denied, denied
from lilfox_tui.hosts.host_addresses import looked_up
from lilfox_tui.hosts.own_address import own_addresses
from lilfox_tui.i18n import Message, listed, tr
from lilfox_tui.redact import names_a_secret, redact
from lilfox_tui.runbook.filling import Filled, fill
from lilfox_tui.runbook.gate import READS, let_through, unseen
from lilfox_tui.runbook.model import Command, Kind, Variable
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.targets import Hosts, host_config
from lilfox_tui.runbook.turns import Turn
from lilfox_tui.runbook.unset import Needed, Unset
from lilfox_tui.runbook.values import Values
from lilfox_tui.runbook.variables import check_value

if TYPE_CHECKING:
    from lilfox_tui.hosts.addresses import Address


_FOLDERS = ("pwd", "oldpwd", "cwd")


class Ready(Struct, frozen=True, kw_only=True):
    """A command that can be begun on the hosts of its turn."""

    turn: Turn
    title: str
    """Of its step."""
    command: Command
    """Of the kind that it is with its values."""
    became: bool
    """Whether only its values have made a change of it: nobody knew that who saw it without them."""
    filled: dict[str, Filled]
    """On each of its hosts: what was captured there is its own."""
    needed: Needed = Needed()
    """Variables that its shell looks for before."""
    warning: Message | None = None
    """What could not be looked at before it runs."""


class Preparing:
    """Makes turns ready. ``values`` has all that were given, secret ones too; it is filled by others."""

    def __init__(self, config: Config, hosts: Hosts, folding: Folding, values: Values) -> None:
        self._config, self._hosts, self._folding, self._values = config, hosts, folding, values
        self._unset_of = folding.runbook, Unset(folding.runbook)

    async def ready(self, turn: Turn) -> Ready:
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
        return Ready(
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

    def _unset(self) -> Unset:
        if self._unset_of[0] is not self._folding.runbook:
            self._unset_of = self._folding.runbook, Unset(self._folding.runbook)
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
