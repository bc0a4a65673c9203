"""The files that ssh reads here: ssh_config with all that it includes, known_hosts, keys.

They decide what runs (``ProxyCommand``), as whom, and which host is the right one, so they are read only where nobody
else can have written them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from lilfox_tui import trusted_file

_INCLUDE = re.compile(r"\s*include(?:\s*=\s*|\s+)(.*)", re.IGNORECASE)
_MOST_BYTES = 1 << 20
_MOST_FILES = 1000


def refuse_config(files: Iterable[str | Path]) -> None:
    """Looks at files of ssh_config and at what they include, as asyncssh finds it. Raises NotTrusted, OSError."""
    seen: set[Path] = set()
    todo = [Path(each).expanduser() for each in files]
    while todo and len(seen) < _MOST_FILES:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        with trusted_file.opened(path) as (descriptor, _found):
            text = trusted_file.content(descriptor, _MOST_BYTES).decode("utf-8", "replace")
        for line in text.splitlines():
            if (found := _INCLUDE.match(line)) is not None:
                todo += _included(found[1])


def refuse_all(files: Iterable[str | Path]) -> None:
    """Looks at known_hosts, or at keys. Raises NotTrusted."""
    for each in files:
        trusted_file.refuse(Path(each).expanduser())


def _included(words: str) -> Iterator[Path]:
    """What ``Include`` means; patterns that are relative are of ~/.ssh (ssh_config(5))."""
    try:
        patterns = shlex.split(words)
    except ValueError:
        return  # asyncssh refuses the whole file
    for pattern in patterns:
        path = Path("~/.ssh", pattern).expanduser() if not pattern.startswith("~") else Path(pattern).expanduser()
        try:
            yield from (each for each in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if each.is_file())
        except (OSError, ValueError, NotImplementedError):
            continue
