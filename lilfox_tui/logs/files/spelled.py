"""The words that rg and grep are given for needles."""

from __future__ import annotations

import itertools
import os

from lilfox_tui.logs.filter.needles import Needles

_FEW = 3
"""Up to so many needles are searched fastest with ``-i``."""
_LETTERS = 4
_MOST = 1000


def search_words(wanted: Needles) -> list[str]:
    """``-e`` and a literal each. Many needles in any case are spelled out, for rg searches hundreds of literals three
    times as fast as thirty with ``-i``; of a long one four letters and what is next to them, which finds too much."""
    literals = wanted.any_of
    words = []
    if wanted.ignore_case:
        spelled = sorted({one for literal in literals for one in _spellings(literal)})
        if len(literals) > _FEW and len(spelled) <= _MOST:
            literals = tuple(spelled)
        else:
            words.append("-i")
    for literal in literals:
        words += ["-e", os.fsdecode(literal)]
    return words


def _spellings(literal: bytes) -> list[bytes]:
    """Every way to write a part of ``literal`` with at most four letters, in upper and lower case."""
    letters = [at for at, byte in enumerate(literal) if bytes((byte,)).isalpha()]
    if len(letters) > _LETTERS:
        ends_in_letter = letters[-1] == len(literal) - 1
        literal = literal[: letters[_LETTERS]] if ends_in_letter else literal[letters[-_LETTERS] :]
    each = [{bytes((byte,)).lower(), bytes((byte,)).upper()} for byte in literal]
    return [b"".join(one) for one in itertools.product(*each)]
