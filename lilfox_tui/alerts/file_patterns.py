"""Patterns of files as Prometheus and promtool read them (Go's path/filepath.Glob): ``*`` also takes hidden files,
``**`` is nothing special, ``[^a]`` is what is not a, a backslash takes the next character as it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

_SPECIAL = frozenset("*?[\\")


def files(pattern: str, base: Path) -> list[Path]:
    """What is there of ``pattern`` (relative to ``base``), sorted; empty where nothing is. Raises LilFoxError for a
    pattern that is none."""
    whole = os.path.normpath(base / pattern) if pattern else ""
    if not _SPECIAL & set(whole):
        return [Path(whole)] if whole and Path(whole).exists() else []
    root, *parts = Path(whole).parts
    found = [Path(root)] if Path(whole).is_absolute() else _inside([Path()], root)
    for part in parts:
        found = _inside(found, part)
    return found


_PIECE = re.compile(r"\*|\?|\[\^?(?:\\.|[^\\\]])++\]|\\.|[^*?\[\\]", re.DOTALL)


def _inside(folders: list[Path], part: str) -> list[Path]:
    if not _SPECIAL & set(part):
        return [folder / part for folder in folders if (folder / part).exists()]
    wanted = _expression(part)
    return [folder / name for folder in folders for name in _names(folder) if wanted.fullmatch(name)]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return []


def _expression(part: str) -> re.Pattern[str]:
    pieces, at = [], 0
    while at < len(part):
        found = _PIECE.match(part, at)
        if found is None:
            raise LilFoxError(tr("{pattern} is not a pattern of files; close what [ opens", pattern=part))
        pieces.append(found[0])
        at = found.end()
    return re.compile("".join(_piece(piece) for piece in pieces), re.DOTALL)


def _piece(piece: str) -> str:
    if piece in ("*", "?"):
        return ".*" if piece == "*" else "."
    if piece.startswith("["):
        inner = piece[1:-1].replace("[", "\\[")
        return f"[{inner}]"
    return re.escape(piece[-1])
