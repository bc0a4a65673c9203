"""Whether a command worked, by what its fence says of it; and what of its output is captured."""

from __future__ import annotations

import re
import signal
from functools import lru_cache
from typing import TYPE_CHECKING

from lilfox_tui.i18n import Message, tr
from lilfox_tui.runbook.model import Attributes

if TYPE_CHECKING:
    import re2

_LONGEST_VALUE = 4096
_REFUSED = 125
_NOT_RUN = re.compile(r"lilfox: (?:\$(\w+) is not set|(.*?));? ?nothing was run\s*", re.DOTALL)
"""What the shell says that was to run it and did not (``shell.py``)."""


def fine_status(attributes: Attributes) -> int | None:
    """The exit status that is good; None where the output alone decides."""
    expect = attributes.expect
    return None if isinstance(expect, str) else 0 if expect is None else expect


def why_failed(attributes: Attributes, exit_status: int, output: str) -> Message | None:
    """Why it did not work; None where it did. ``output``: as much as is kept of it."""
    expect = attributes.expect
    if isinstance(expect, str):
        return None if _found(expect, output) else tr("its output does not have /{pattern}/", pattern=expect)
    if exit_status == fine_status(attributes):
        return None
    if (signalled := signal_of(exit_status)) and expect is None:
        return tr("it ended with {status}: by signal {name}", status=exit_status, name=signalled)
    if expect is None:
        return tr("it ended with {status}", status=exit_status)
    return tr("it ended with {status}, {expected} was expected", status=exit_status, expected=expect)


def signal_of(exit_status: int) -> str:
    """The signal that ended it, as a shell tells it; empty where none did."""
    try:
        return signal.Signals(exit_status - 128).name
    except ValueError:
        return ""


def why_not_run(exit_status: int, output: str) -> Message | None:
    """Why the shell on the host did not begin the command at all; None where it did."""
    last = output.rstrip("\n").rpartition("\n")[2]
    if exit_status != _REFUSED or (said := _NOT_RUN.fullmatch(last)) is None:
        return None
    if said[1]:
        return tr(
            "${name} is set neither by a command before this one in its fence nor by the host; nothing was run",
            name=said[1],
        )
    return tr("nothing was run: {reason}", reason=said[2] or output.strip().partition("\n")[0])


def captured(attributes: Attributes, output: str) -> tuple[dict[str, str], Message | None]:
    """Values of the output, and why one of them is not there."""
    values: dict[str, str] = {}
    for name, pattern in attributes.capture.items():
        found = _found(pattern, output)
        if not found:
            return values, tr("its output has nothing for <{name}>: /{pattern}/", name=name, pattern=pattern)
        value = found.group(1 if found.re.groups else 0) or ""
        values[name] = value.strip()[:_LONGEST_VALUE]
    return values, None


def _found(pattern: str, output: str) -> re2.Match | None:
    compiled = _compiled(pattern)
    return None if compiled is None else compiled.search(output)


@lru_cache(maxsize=100)
def _compiled(pattern: str) -> re2.Pattern | None:
    """None for one that cannot be read (``attributes.py`` says so): it matches nothing."""
    import re2  # only where a fence asks for it

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(f"(?m){pattern}", options)
    except (re2.error, UnicodeEncodeError):
        return None
