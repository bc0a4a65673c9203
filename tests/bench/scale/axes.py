"""The axes, by name; each is a module, imported only when it is measured or shown."""

from __future__ import annotations

from importlib import import_module

from tests.bench.scale.model import Axis

AXES = ("sets", "timeline")


def axis_named(name: str) -> Axis:
    """The axis of ``name``, one of :data:`AXES`."""
    axis: Axis = import_module(f"tests.bench.scale.{name}").AXIS
    return axis
