"""The gate: what every text of a file goes through before it is a command on a host.

Where nothing may be changed (``--read-only``, ``read_only: true``, ``protected`` hosts) only what is known to read gets
through: judged in the moment before it runs, as the text that runs, with the values that it has. What its fence says of
it can only make that stricter.

Through it go the commands of runbooks (checks, rollbacks and those for a terminal among them), ``from:`` of variables
and log sources of the kind ``command``. What LilFox itself makes of an action on the screen, a restore or a restart is
a change by its nature: there ``refuse_change`` alone decides.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from lilfox_tui.config.model import Config
from lilfox_tui.config.protection import allows_no_change, refuse_change
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.runbook.filling import Filled, fill
from lilfox_tui.runbook.model import BUNDLED, Command, Kind, Runbook
from lilfox_tui.runbook.readers.spec import Verdict
from lilfox_tui.runbook.recognising import kind, verdict_of_text
from lilfox_tui.runbook.shell import is_bash
from lilfox_tui.runbook.turns import asks

READS: frozenset[Kind] = frozenset({"read", "follow"})
"""What runs where nothing may be changed."""


def kind_as_run(command: Command, filled: Filled, runbook: Runbook, *, protected: bool = False) -> Kind:
    """What the command is with its values, whatever it was taken for without them. One for a terminal stays one.
    ``protected``: where nothing may be changed no fence's word counts, also none of those that LilFox brings."""
    if command.kind in ("none", "interactive"):
        return command.kind
    known: Verdict = "unknown"
    if not command.blind and (not command.script or is_bash(command.text, command.attributes.interpreter)):
        known = verdict_of_text(filled.script, filled.env)
    found = kind(known, command.attributes, ours=runbook.path.startswith(BUNDLED) and not protected)
    return "change" if found == "interactive" else found


def let_through(config: Config, hosts: Sequence[str], command: Command, filled: Filled, runbook: Runbook) -> Kind:
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
