"""Secrets in the text of a fence: whoever reads the file has them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.i18n import _
from lilfox_tui.runbook.lint.source import Source, hazard
from lilfox_tui.runbook.model import Problem

_WORDS = r"(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)"
_LITERAL = r"(?!\$|<|\{|\(|\*|os\.|env|null|none|true|false|str\b)"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']*:(?![$<{*])[^\s/@\"']+@",
        r"\.login\([^,()]+,\s*[\"'][^\"']+[\"']",
        rf"{_WORDS}[\"']?\s*[:=]\s*[\"']{_LITERAL}[^\"'\s]+[\"']",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bauthorization:\s*(?:basic|bearer)\s+(?![$<{*])[\w.~+/-]{8,}",
    )
)
_IN_SHELL = re.compile(rf"\b\w*(?:PGPASSWORD|{_WORDS})=(?![$<\"'(])\S+|\s--password=(?![$<\"'(])\S+", re.IGNORECASE)


def check(source: Source) -> Iterator[Problem]:
    """What is to be said of one fence; the secret itself is not repeated."""
    for line, text in source.lines:
        if any(pattern.search(text) for pattern in _PATTERNS) or (source.shell and _IN_SHELL.search(text)):
            yield hazard(
                line,
                "secret-in-text",
                _("a password or key stands in the text; ask for it (type: secret), or read it from a file"),
            )
