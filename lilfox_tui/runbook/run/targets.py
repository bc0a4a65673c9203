"""Targets of a run: the hosts that a runbook's words mean, and values that a command on them offers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import TracebackType

from lilfox_tui.config.model import Config, HostConfig, allows_no_change
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.i18n import listed, tr
from lilfox_tui.redact import redacted_start
from lilfox_tui.runbook.bash.launcher import WALL
from lilfox_tui.runbook.classify import verdict_of_text
from lilfox_tui.runbook.model import Runbook, Variable
from lilfox_tui.runbook.run.state import EACH, HERE, named_host, word_of
from lilfox_tui.runbook.run.variables import ValueChoice, choices_of

# Where commands run: host words of a runbook, and the hosts that they mean in a configuration.


LOCALHOST = "localhost"
"""What this machine is called when the configuration does not name it."""
ALL = "all"


def here(config: Config) -> str:
    """The name of this machine: of the first host that is ``local``, so that what protects it holds."""
    return next((name for name, host in config.hosts.items() if host.local), LOCALHOST)


def resolve(config: Config, word: str, run: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names of the hosts that ``word`` means: ``local``, ``all``, ``each`` (the hosts of the run), a name, a glob, or
    several with commas between; in the order of the configuration. Raises UsageError where it means none."""
    found: dict[str, None] = {}
    for part in filter(None, map(str.strip, word.split(","))):
        names = _of_part(config, part, run)
        if not names:
            raise UsageError(
                tr("{word}: no host of the configuration is meant by that", word=part),
                tr("hosts are: {names}", names=listed(config.hosts) or HERE),
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
    """What each host word of the runbook means. Raises UsageError."""
    of_run = runbook.hosts or HERE
    run = resolve(config, ALL if of_run == EACH else of_run) if not of_run.startswith("<") else ()
    commands = [command for step in runbook.steps for command in step.commands if command.kind != "none"]
    asked = {word_of(command, runbook) for command in commands if named_host(command, runbook) is None}
    return {word: resolve(config, word, run) for word in sorted(asked)} | {EACH: run}


def host_config(config: Config, name: str) -> HostConfig:
    """Of a host that is configured, or of this machine. Raises UsageError for another one."""
    if name in config.hosts:
        return config.hosts[name]
    if name == here(config):
        return HostConfig(local=True)
    raise UsageError(
        tr("there is no host {name} in the configuration", name=name),
        tr("hosts are: {names}", names=listed(config.hosts) or HERE),
    )


def refuse_unknown(config: Config, runbook: Runbook, values: Mapping[str, str]) -> None:
    """Raises UsageError where a value is to name a host of a command and names none that is configured."""
    for step in runbook.steps:
        for command in step.commands:
            name = named_host(command, runbook)
            if name is not None and name in values:
                try:
                    host_config(config, values[name])
                except UsageError as error:
                    raise UsageError(f"<{name}>: {error.message}", error.hint) from None


class Hosts:
    """The hosts of a run, opened when they are asked for and closed together, as an async context manager."""

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
        """The host of that name, not connected yet. Raises UsageError for one that is not configured."""
        if name not in self._open:
            config = host_config(self._config, name)
            self._open[name] = open_host(name, config, self._config.ssh, read_only=self._config.read_only)
        return self._open[name]


# What the command of a variable's ``from:`` offers as its values, asked where the value will be used.


PATIENCE_S = 10.0
_MOST_BYTES = 256 << 10


async def offered(config: Config, variable: Variable, hosts: tuple[str, ...]) -> tuple[ValueChoice, ...]:
    """The choices; of an ``enum`` its own, of a variable without ``from:`` none. The first of ``hosts`` is asked, or
    this machine. Raises LilFoxError where it cannot be asked, or is not known to read only."""
    if variable.type == "enum" or not variable.from_:
        return tuple(map(ValueChoice, variable.choices))
    if verdict_of_text(variable.from_) != "read":
        raise LilFoxError(tr("{name}: its from: is not known to read only; it is not run", name=variable.name))
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
            tr("{name}: its choices cannot be read: {reason}", name=variable.name, reason=said or done.exit_status)
        )
    if not found and refused:
        raise LilFoxError(tr("{name}: all that is offered would be refused", name=variable.name))
    return found
