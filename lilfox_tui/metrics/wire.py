"""The text between here and a host: one sh script for all collectors, one answer a sample.

A question is a list of kinds. The answer has the FILES of all of them by one ``tail`` (its ``==> FILE <==`` headers),
then the output of each script after a line with ``MARK``, this loop's secret and the kind. The secret keeps what a
host's programs print from passing for a mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct, field

from lilfox_tui.i18n import Message
from lilfox_tui.metrics.collector import Collector

UPTIME = "/proc/uptime"
"""Read with every question: the host's own monotonic clock divides the rates."""
MARK = "@@LILFOX-SCRIPT@@"
_HEADER = re.compile(r"(?:\A|\n)==> (/\S+) <==\n")

_PRELUDE = r"""
LC_ALL=C; export LC_ALL
case $(tail -n +1 -- /proc/uptime /proc/uptime 2>/dev/null) in
'==> /proc/uptime <=='*'==> /proc/uptime <=='*) lilfox_read() { tail -n +1 -- "$@" 2>/dev/null </dev/null; } ;;
*) lilfox_read() {
       for file; do [ -r "$file" ] && printf '\n==> %s <==\n' "$file" && cat "$file" 2>/dev/null </dev/null; done
   } ;;
esac
if timeout 3 true 2>/dev/null; then lilfox_limit() { timeout "$@"; }
else lilfox_limit() { shift; "$@"; }
fi
"""
_LOOP = """
while read -r tick words; do
    lilfox_answer $words
    printf '\\n@@LILFOX-END@@ %s\\n' "$tick"
done
"""
_ONCE = """
lilfox_answer "$@"
"""


class Answer(Struct, frozen=True):
    """What was read: FILES by path, scripts by kind. Absent is what could not be read, or still runs; ``failed`` says
    why a kind's script could not be run."""

    files: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Message] = field(default_factory=dict)


def loop_script(collectors: Sequence[Collector], secret: str) -> str:
    """For ``Host.loop``: answers lines ``TICK KIND…``."""
    return _functions(collectors, secret) + _LOOP


def once_script(collectors: Sequence[Collector], secret: str) -> str:
    """For ``Host.run_script``: answers the kinds in its arguments."""
    return _functions(collectors, secret) + _ONCE


def _functions(collectors: Sequence[Collector], secret: str) -> str:
    parts = [_PRELUDE]
    parts += [f"lilfox_{one.kind}() {{\n{one.script}\n}}" for one in collectors if one.script]
    parts += ["lilfox_answer() {", f"files={UPTIME}", "for kind; do case $kind in"]
    for one in collectors:
        if files := [path for path in one.files if path != UPTIME]:
            parts.append(f'{one.kind}) files="$files {" ".join(files)}" ;;')
    parts += ["esac; done", "lilfox_read $files", "for kind; do case $kind in"]
    for one in collectors:
        if one.script:
            mark = f"printf '\\n%s\\n' '{MARK} {secret} {one.kind}'"
            parts.append(f"{one.kind}) {mark}; (lilfox_{one.kind}) 2>/dev/null </dev/null ;;")
    parts += ["esac; done", f"printf '\\n%s\\n' '{MARK} {secret} .'", "}"]
    return "\n".join(parts)


def read_answer(output: bytes, asked: Sequence[Collector], secret: str) -> Answer | None:
    """The parts of an answer to ``asked``; None when it is not whole (its last mark is not there).

    Bytes that are not UTF-8 become lone surrogates (PEP 383).
    """
    text = output.decode("utf-8", "surrogateescape")
    first, *sections = text.split(f"\n{MARK} {secret} ")
    if not sections or sections[-1].split("\n", 1)[0] != ".":
        return None
    scripts = {}
    for section in sections[:-1]:
        kind, _, printed = section.partition("\n")
        scripts[kind] = printed
    return Answer(_files(first, asked), scripts)


def _files(text: str, asked: Sequence[Collector]) -> dict[str, str]:
    """Cuts at the headers of the files that were asked for, in their order; any other line is a file's own.

    No line of these files can be the header of a later one: interface names hold no space, mounts have six fields.
    """
    order = {path: place for place, path in enumerate(file_list(asked))}
    found: list[tuple[str, int, int]] = []
    last = -1
    for match in _HEADER.finditer(text):
        place = order.get(match[1], -1)
        if place > last:
            found.append((match[1], match.start(), match.end()))
            last = place
    if not found:
        return {}
    ends = [start for _, start, _ in found[1:]] + [len(text)]
    return {path: text[begin:end] for (path, _, begin), end in zip(found, ends, strict=True) if text[begin:end]}


def file_list(asked: Sequence[Collector]) -> list[str]:
    """The files of ``asked`` in the order in which they are read."""
    return list(dict.fromkeys([UPTIME, *(path for one in asked for path in one.files)]))
