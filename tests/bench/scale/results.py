"""The axes by name, and the results as they are kept, in ``docs/scaling.json``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import msgspec

from tests.bench.scale.model import Axis, Curve, Measured

AXES = ("hosts", "logs", "rules", "series", "sets", "timeline")
FILE = Path(__file__).parents[3] / "docs" / "scaling.json"


def axis_named(name: str) -> Axis:
    """The axis of ``name``, one of :data:`AXES`. Its module is imported only now."""
    axis: Axis = import_module(f"tests.bench.scale.{name}").AXIS
    return axis


def kept() -> dict[str, Measured]:
    """What was measured last, by axis."""
    if not FILE.exists():
        return {}
    found = msgspec.json.decode(FILE.read_bytes(), type=list[Measured])
    return {each.axis: each for each in found}


def keep(new: Measured, before: Mapping[str, Measured]) -> None:
    """Writes ``new`` over what was measured of its axis; of sizes and operations that are not in it, that stays."""
    every = dict(before)
    every[new.axis] = _joined(new, before.get(new.axis))
    ordered = sorted(every.values(), key=lambda each: each.axis)
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def _joined(new: Measured, old: Measured | None) -> Measured:
    if old is None:
        return new
    costs = {each.operation: {cost.size: cost for cost in each.costs} for each in old.curves}
    for curve in new.curves:
        costs.setdefault(curve.operation, {}).update({cost.size: cost for cost in curve.costs})
    curves = tuple(
        Curve(operation=name, costs=tuple(found[size] for size in sorted(found))) for name, found in costs.items()
    )
    return msgspec.structs.replace(new, curves=curves)
