"""Durations on the command line, written as in the configuration."""

from __future__ import annotations

import argparse
import re

from lilfox_tui.i18n import _

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def duration(text: str) -> float:
    """Seconds in ``500ms``, ``2s``, ``5m``, ``1h``, ``1d`` or a number of seconds; for argparse's ``type``."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)?", text, re.ASCII)
    seconds = 0.0 if found is None else float(found[1]) * _UNITS_S[found[2] or ""]
    if not 0.1 <= seconds <= 86400 * 7:
        raise argparse.ArgumentTypeError(
            _("{given} is not a duration from 100ms to 7d, such as 500ms, 2s, 5m, 1h, 1d", given=text)
        )
    return seconds
