"""What the command of a variable's ``from:`` offers as its values, asked where the value will be used."""

from __future__ import annotations

from lilfox_tui.config.model import Config
from lilfox_tui.config.protection import allows_no_change
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.i18n import tr
from lilfox_tui.redact import redacted_start
from lilfox_tui.runbook.model import Variable
from lilfox_tui.runbook.recognising import verdict_of_text
from lilfox_tui.runbook.shell import WALL
from lilfox_tui.runbook.targets import Hosts, here
from lilfox_tui.runbook.variables import Choice, choices_of

PATIENCE_S = 10.0
_MOST_BYTES = 256 << 10


async def offered(config: Config, variable: Variable, hosts: tuple[str, ...]) -> tuple[Choice, ...]:
    """The choices; of an ``enum`` its own, of a variable without ``from:`` none. The first of ``hosts`` is asked, or
    this machine. Raises LilFoxError where it cannot be asked, or is not known to read only."""
    if variable.type == "enum" or not variable.from_:
        return tuple(map(Choice, variable.choices))
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
