"""A command that prints records line by line, narrowed on its host by grep: lines that hold a needle are all that cross
the wire. Who reads them still holds each against the whole filter."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lilfox_tui.logs.filter.needles import Needles

_NARROW = r"""
LC_ALL=C; export LC_ALL
live=$1 fold=$2 needles=$3 begun=$4; shift 4
each=
printf 'a\n' | grep -aF --line-buffered -e a >/dev/null 2>&1 && each=--line-buffered
if [ "$(printf 'a\nB\n' | grep -aFi -e 'x
b' 2>/dev/null)" != B ] || { [ "$live" = live ] && [ -z "$each" ]; }; then exec "$@"; fi
printf '%s\n' "$begun"
exec 3>&1
told() { "$@" 3>&-; echo "$?" >&4; }
found() { grep -aF $each $fold -e "$needles" >&3; [ "$?" -le 1 ] || echo grep >&4; }
ended=$({ told "$@" | found; } 4>&1)
[ "$ended" = 0 ]
"""
BEGUN = b"-- narrowed --"
"""The first line, so that who follows knows of a host that answers before anything matches."""


def narrowed(argv: Sequence[str], wanted: Needles, *, live: bool) -> list[str]:
    """``argv`` with less of its output: every line that holds one of ``wanted``. With ``live`` each comes at once,
    where the host's grep can (GNU, BSD); where it cannot (BusyBox), and where there is no grep, all of it comes.

    It ends with 0 if ``argv`` has, otherwise with 1 and the same words on stderr."""
    needles = "\n".join(map(os.fsdecode, wanted.any_of))
    fold = "-i" if wanted.ignore_case else ""
    return ["sh", "-c", _NARROW, "sh", "live" if live else "page", fold, needles, BEGUN.decode(), *argv]
