"""Statements as they may be shown: PostgreSQL keeps the text of those that set a password as it was written."""

from __future__ import annotations

import re

from lilfox_tui.redact import MASK, redact

_PASSWORD = re.compile(r"(?i)(\bpassword\s+)(?:[eun]&?)?'(?:[^']|'')*(?:'|\Z)")


def without_secrets(statement: str) -> str:
    """The statement with passwords masked, also where it was cut inside one."""
    return redact(_PASSWORD.sub(rf"\1'{MASK}'", statement))
