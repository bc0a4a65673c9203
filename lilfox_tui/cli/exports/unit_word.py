"""Words of a command line in a systemd unit (systemd.service(5), "Command lines")."""

from __future__ import annotations

import shlex

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr


def unit_word(text: str) -> str:
    """One word of a command line as systemd reads it: quoted, with its own specifiers and variables off. Raises
    UsageError for what a unit cannot hold."""
    if any(ord(char) < 0x20 or char == "\x7f" for char in text):
        raise UsageError(tr("{path}: a unit file cannot hold this path", path=text), tr("rename it"))
    plain = text.replace("%", "%%").replace("$", "$$")
    if shlex.quote(plain) == plain:
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
