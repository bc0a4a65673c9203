"""Data in Markdown (CommonMark and what code hosts add): never markup, a link, HTML or the end of a block."""

from __future__ import annotations

import re

from lilfox_tui.text import clean

_MARKS = re.compile(r"([\\`*_\[\]|~$]|(?<!\w)@|@(?=[\w-]+\.))")
"""With what code hosts make of @name and of addresses."""
_LINE_START = re.compile(r"^([#+=>-]|[0-9]+(?=[.)]))")
_TICKS = re.compile(r"`+")
_HARMLESS_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)


def inline(text: str) -> str:
    """``text`` on one line, as it stands."""
    shown = _MARKS.sub(r"\\\1", clean(text).strip().replace("&", "&amp;"))
    shown = shown.replace("<", "&lt;").replace(">", "&gt;").replace("://", ":\\//").replace("www.", "www\\.")
    return _LINE_START.sub(lambda found: _escaped_start(found[1]), shown)


def lines(text: str, indent: int) -> str:
    """``text`` of several lines as one paragraph of a list item that is ``indent`` deep."""
    shown = [inline(line) for line in text.splitlines() if line.strip()]
    return ("\\\n" + " " * indent).join(shown)


def code(text: str) -> str:
    """``text`` as a code span; one of several lines on one."""
    shown = clean(text.replace("\n", "; ")).strip() or "-"
    ticks = "`" * (_longest(shown) + 1)
    return f"{ticks} {shown} {ticks}" if "`" in shown else f"{ticks}{shown}{ticks}"


def block(text: str, indent: int) -> str:
    """``text`` as a fenced block in a list item that is ``indent`` deep."""
    shown = [clean(line) for line in text.splitlines()]
    fence = "`" * max(3, *(_longest(line) + 1 for line in shown), 3)
    return "\n".join(" " * indent + line for line in (f"{fence}text", *shown, fence))


def link(file: str, folder: str) -> str:
    """A link to a file of evidence; the bare name where it is none that ``keep`` gives."""
    return f"[{inline(file)}]({folder}/{file})" if _HARMLESS_FILE.fullmatch(file) else inline(file)


def _longest(text: str) -> int:
    return max((len(found) for found in _TICKS.findall(text)), default=0)


def _escaped_start(start: str) -> str:
    return f"{start}\\" if start.isdigit() else f"\\{start}"
