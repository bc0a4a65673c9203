"""Failed systemd units: ``systemctl list-units --failed`` (systemctl(1)). A host without systemd reports none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.collector import checked
from lilfox_tui.metrics.model import Sample

EVERY_S = 30.0
_BOOTED = "/run/systemd/system"
"""Is there where systemd runs as the init system: sd_booted(3)."""
_DONE = "@@status 0"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def script(options: Options) -> str:
    """Print failed units, one per line, then the exit status; nothing without systemd."""
    return (
        f"if [ -d {_BOOTED} ]; then\n"
        "    lilfox_limit 3 systemctl list-units --failed --no-legend --plain --no-pager --full\n"
        '    echo "@@status $?"\n'
        "fi"
    )


def read_here(options: Options) -> str | None:
    """Return an empty text without systemd; None with systemd, because only systemctl knows which units have failed."""
    return None if Path(_BOOTED).is_dir() else ""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``failed_units``, their number, and ``failed_unit`` (1) for each (label ``unit``)."""
    lines = [line for line in text.get("script", "").split("\n") if line.strip()]
    if not lines:
        return []
    if lines[-1] != _DONE:
        return checked([], [tr("units: systemctl returned no list: {line}", line=lines[-1][:80])])
    units = []
    for line in lines[:-1]:
        words = line.split()
        if words[0] in ("●", "*", "×"):
            del words[0]
        if words:
            units.append(words[0])
    failed = [Sample("failed_unit", 1.0, (("unit", unit),)) for unit in dict.fromkeys(units)]
    return [Sample("failed_units", float(len(failed))), *failed]
