"""Facts of a source tree on this machine. A fact's question is the ending of file names (``.py``); its answer maps the
paths of those files, relative to the tree, to their contents. Tests, migrations, and what others wrote (virtual
environments, vendored packages, hidden folders) are left out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lilfox_tui.audit.model import Fact, NotKnown
from lilfox_tui.core.i18n import tr

MOST_FILES = 10_000
MOST_BYTES = 64 * 1024 * 1024
_LEFT_OUT = frozenset(
    [
        "node_modules",
        "site-packages",
        "dist-packages",
        "vendor",
        "third_party",
        "build",
        "dist",
        "__pycache__",
        "tests",
        "test",
        "testing",
        "migrations",
        "alembic",
        "venv",
        "env",
    ]
)


async def gather(tree: Path, facts: Sequence[Fact[Any]]) -> Mapping[str, Mapping[str, bytes] | NotKnown]:
    """The files that each fact asks for; NotKnown if there are too many, or if one cannot be read."""
    return await asyncio.to_thread(lambda: {fact.name: _answer(tree, fact.question) for fact in facts})


def _answer(tree: Path, ending: str) -> Mapping[str, bytes] | NotKnown:
    if not tree.is_dir():
        return NotKnown(tr("{path}: no such folder", path=tree))
    found: dict[str, bytes] = {}
    size = 0
    try:
        for path in _files(tree, ending):
            size += path.stat().st_size
            if len(found) == MOST_FILES or size > MOST_BYTES:
                return NotKnown(tr("{path} has too many files: name a folder further down", path=tree))
            found[path.relative_to(tree).as_posix()] = path.read_bytes()
    except OSError as error:
        return NotKnown(tr("{path}: {reason}", path=error.filename, reason=error.strerror))
    return found


def _files(tree: Path, ending: str) -> Iterator[Path]:
    """The files below ``tree`` in order; links are not followed."""
    for folder, folders, files in os.walk(tree, onerror=_raise):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _LEFT_OUT and not name.startswith(".") and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            if name.endswith(ending) and not name.startswith("test_") and not (here / name).is_symlink():
                yield here / name


def _raise(error: OSError) -> None:
    raise error
