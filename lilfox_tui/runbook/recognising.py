"""What a command is on sight: it only reads, prints until it is stopped, wants a terminal, or changes something.

Its one rule: a command reads only if every word of it is understood. What bash makes of the text is
``shell_values.py``, what programs make of their words is ``readers/``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lilfox_tui.runbook.model import Attributes, Kind
from lilfox_tui.runbook.readers.spec import Verdict
from lilfox_tui.runbook.shell_effects import decides
from lilfox_tui.runbook.shell_reading import read_all
from lilfox_tui.runbook.shell_syntax import CLOSE, OPEN, Unclear
from lilfox_tui.runbook.shell_walking import Walk, behind_check
from lilfox_tui.runbook.splitting import masked

_UNREADABLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f{OPEN}{CLOSE}\ud800-\udfff]")
"""Characters that bash uses within itself, or that no person writes; and the marks of placeholders."""
_LONGEST = 100_000


def verdict_of_text(text: str, values: Mapping[str, str] | None = None, *, filled: bool = True) -> Verdict:
    """What a whole shell text is known to do: the worst of its commands.

    ``filled``: it is what runs, as it stands (``Filled.script``), and ``<name>`` in it is what a shell makes of it;
    else it is a placeholder. ``values`` are put in as single literal words, and judged as the words that they are: by
    the name of the environment (``LF_name``: ``Filled.env``), or of the placeholder. One without a value is one word of
    data that begins with no ``-``.
    """
    if len(text) > _LONGEST or _UNREADABLE.search(text) or any(map(_UNREADABLE.search, (values or {}).values())):
        return "unknown"
    text, plain = behind_check(text)
    try:
        return Walk(values or {}, plain=plain).verdict(read_all(text if filled else masked(text)))
    except (Unclear, RecursionError):
        return "unknown"


def decides_what_runs(text: str) -> bool:
    """Whether what a command leaves in its shell may make others of the commands behind it: a function of their name,
    another ``PATH``, an option of the shell. Of one that only reads it is not asked."""
    try:
        return any(decides(statement) for statement in read_all(masked(text)))
    except (Unclear, RecursionError):
        return True


def kind(known: Verdict, attributes: Attributes, *, ours: bool = False) -> Kind:
    """What it counts as. What its fence says can only make it stricter: what is not known to only read is a change,
    whatever it is called there. ``ours``: in a runbook that LilFox brings ``risk: read`` is LilFox's own word."""
    if attributes.interactive:
        return "interactive"
    if attributes.risk in ("change", "destroy"):
        return "change"
    if ours and attributes.risk == "read" and known in ("unknown", "change"):
        known = "read"
    if known == "interactive":
        return "change" if attributes.interactive is False else "interactive"
    if known == "follow":
        return "read" if attributes.follow is False else "follow"
    if known == "read":
        return "follow" if attributes.follow else "read"
    return "change"
