"""Secrets out of text that is stored, exported, sent or put into an error."""

from __future__ import annotations

import re
from functools import cache

MASK = "***"


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is looked for, and what comes in its place: made when it is first needed, which is not while starting."""
    return (
        (re.compile(r"(?s)-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)"), MASK),
        (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)([^\s/:@]*):([^\s/@]+)@"), rf"\1\2:{MASK}@"),
        (re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)(?:(basic|bearer|token)\s+)?[^\s,;]+"), rf"\1{MASK}"),
        (re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{8,}=*"), rf"\1{MASK}"),
        (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"), MASK),
        (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
        (
            re.compile(
                r"(?i)(?<![a-z0-9_-])([a-z0-9_-]*(?:password|passwd|pwd|secret|token|api[_-]?key|secret[_-]?key|"
                r"access[_-]?key|encryption[_-]?key)[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"'()]+)"
            ),
            rf"\1{MASK}",
        ),
    )


def redact(text: str) -> str:
    """``text`` with passwords in URLs, authorization headers, tokens, keys and ``password=…`` values masked."""
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    return text
