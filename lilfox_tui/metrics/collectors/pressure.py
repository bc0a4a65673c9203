"""Pressure stall information: /proc/pressure/* (Documentation/accounting/psi.rst), since Linux 4.20 if enabled."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, decimal
from lilfox_tui.metrics.model import Labels, Sample

_RESOURCES = ("cpu", "memory", "io")
_FILES = {f"/proc/pressure/{resource}": resource for resource in _RESOURCES}
FILES: tuple[str, ...] = tuple(_FILES)
_LABELS: dict[tuple[str, str], Labels] = {
    (resource, kind): (("kind", kind), ("resource", resource)) for resource in _RESOURCES for kind in ("some", "full")
}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``pressure_percent`` (avg10) and ``pressure_waiting_seconds_total`` by resource and kind (some, full).

    A kernel without pressure gives nothing, which is no fault of it.
    """
    samples: list[Sample] = []
    bad: list[Message] = []
    for path, resource in _FILES.items():
        for line in text.get(path, "").split("\n"):
            if not line:
                continue
            try:
                samples += _line(line, resource)
            except (ValueError, KeyError):
                bad.append(bad_line(path, line))
    return checked(samples, bad)


def _line(line: str, resource: str) -> list[Sample]:
    """Parse a line such as ``some avg10=0.12 avg60=0.10 avg300=0.05 total=123456``; total is in microseconds."""
    kind, *pairs = line.split()
    labels = _LABELS[resource, kind]
    values = {key: word for key, _, word in (pair.partition("=") for pair in pairs)}
    return [
        Sample("pressure_percent", decimal(values["avg10"]), labels),
        Sample("pressure_waiting_seconds_total", count(values["total"]) / 1e6, labels),
    ]
