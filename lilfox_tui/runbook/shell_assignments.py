"""What commands of bash themselves set variables, by their words."""

from __future__ import annotations

import re
from collections.abc import Sequence

ASSIGNS = re.compile(r"([A-Za-z_]\w*)(\[[^]\n]*\])?\+?=")
"""How a word begins that assigns."""
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_DECLARES = ("export", "declare", "typeset", "local", "readonly")
_READS = {"read": "REPLY", "mapfile": "MAPFILE", "readarray": "MAPFILE"}


def foreign(name: str) -> bool:
    """Whether the command takes what is not in the text into its own shell."""
    return name in (".", "source", "eval")


def sets(name: str, words: Sequence[str]) -> set[str]:
    """The variables that a command with these words sets; too many rather than too few, as bash looks again."""
    names = {word for word in words if IDENTIFIER.fullmatch(word)}
    if name in _READS:
        return names or {_READS[name]}
    if name in _DECLARES:
        arrays = any(word.startswith("-") and ("a" in word or "A" in word) for word in words)
        return {word[:-1] for word in words if word.endswith("=")} | (names if arrays else set())
    if name == "getopts":
        return {*names, "OPTARG", "OPTIND"}
    if name == "printf" and "-v" in words[:-1]:
        return {words[list(words).index("-v") + 1].partition("[")[0]}
    if name == "let":
        return set(IDENTIFIER.findall(" ".join(words)))
    if name == "wait" and "-p" in words[:-1]:
        return {words[list(words).index("-p") + 1]}
    return set(words[:1]) & names if name == "coproc" and len(words) > 1 else set()
