"""Fixes that several checks give."""

from __future__ import annotations

import re

from lilfox_tui.audit.model import Fix
from lilfox_tui.core.i18n import Message, tr

SERVER_BLOCK = tr("Add these lines to the server block of nginx, or configure the equivalent in your web server.")
HEADER_LINES = tr("Add this line to the server block of nginx, and to each location that has its own add_header lines.")


_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./+-]+")


def plain(word: str, instead: str) -> str:
    """A word that a server sent, for a line of a fix: ``instead`` where it has characters that mean something in a
    configuration or a shell."""
    return word if _PLAIN_WORD.fullmatch(word) else instead


def nginx(*lines: str, text: Message = SERVER_BLOCK) -> Fix:
    """Lines for nginx, which is then told to read them."""
    return Fix(text, lines=lines, commands=("nginx -t", "systemctl reload nginx"))
