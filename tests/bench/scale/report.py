"""The measured curves as Markdown and as pictures (SVG, both axes logarithmic)."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.bench.scale.curves import SUPERLINEAR, Point, passes, upper_exponent
from tests.bench.scale.model import Axis, Curve, Measured, Operation
from tests.bench.scale.results import AXES, FILE, axis_named, kept

_IMAGES = FILE.parent / "images"
_WIDTH, _HEIGHT, _MARGIN = 720, 360, 60
_INK, _PAPER, _GRID = "#d9dde6", "#16171c", "#33363f"
_LITTLE = 0.05
"""Of the memory of the process, what an operation needs is not worth an exponent."""
_COLOURS = ("#0dbc79", "#2472c8", "#e5e510", "#bc3fbc", "#e06c45")


def page() -> str:
    """The generated part of docs/scaling.md."""
    measured = kept()
    return "\n".join(_section(axis_named(name), measured[name]) for name in AXES if name in measured)


def pictures() -> dict[Path, str]:
    """The pictures of docs/scaling.md, by file."""
    measured = kept()
    found = [(axis_named(name), measured[name]) for name in AXES if name in measured]
    return {_IMAGES / f"scaling-{axis.name}.svg": picture(axis, curves) for axis, curves in found}


def _section(axis: Axis, measured: Measured) -> str:
    rows = ["| operation | size | CPU | wall | memory, peak | bytes |", "|---|---:|---:|---:|---:|---:|"]
    fits = ["| operation | exponent: CPU | memory | bytes | knee |", "|---|---:|---:|---:|---|"]
    for operation, curve in _pairs(axis, measured):
        rows += [
            f"| {operation.title} | {_sized(axis, cost.size)} | {cost.cpu_s:.3g} s | {cost.wall_s:.3g} s "
            f"| {cost.peak_bytes / 1e6:.0f} MB | {'' if cost.moved_bytes is None else f'{cost.moved_bytes:,}'} |"
            for cost in curve.costs
        ]
        exponents = " | ".join(_exponent(curve, each) for each in ("cpu_s", "memory_bytes", "moved_bytes"))
        fits.append(f"| {operation.title} | {exponents} | {_knee(axis, operation, curve)} |")
    head = f"### {axis.title}\n\n![{axis.title}](images/scaling-{axis.name}.svg)\n"
    when = f"Measured on {measured.day}; {measured.machine}."
    about, *notes = ["\n".join(textwrap.wrap(each, 100)) for each in (axis.about, *_left_out(axis, measured))]
    told = [line for note in notes for line in ("", note)]
    return "\n".join([head, about, "", when, *told, "", *fits, "", *rows, ""])


def _left_out(axis: Axis, measured: Measured) -> Iterator[str]:
    """Which operations were not measured at the largest sizes of the axis."""
    curves = list(_pairs(axis, measured))
    unit = "" if axis.unit == "bytes" else f" {axis.unit}"
    largest = max(curve.costs[-1].size for _operation, curve in curves)
    for operation, curve in curves:
        if (size := curve.costs[-1].size) < largest:
            yield f"Not measured above {_sized(axis, size)}{unit}: {operation.title}."


def _pairs(axis: Axis, measured: Measured) -> Iterator[tuple[Operation, Curve]]:
    curves = {each.operation: each for each in measured.curves}
    return ((each, curves[each.name]) for each in axis.operations if each.name in curves)


def _points(curve: Curve, measure: str) -> list[Point]:
    return [(each.size, value) for each in curve.costs if (value := getattr(each, measure)) is not None]


def _exponent(curve: Curve, measure: str) -> str:
    last = curve.costs[-1]
    held = measure == "memory_bytes" and last.memory_bytes < _LITTLE * last.peak_bytes
    found = 0.0 if held else upper_exponent(_points(curve, measure))
    return "-" if found is None else f"{found:.2f}{' (faster than linear)' if found > SUPERLINEAR else ''}"


def _knee(axis: Axis, operation: Operation, curve: Curve) -> str:
    told = []
    for measure, text in (("wall_s", "{:g} s"), ("cpu_s", "{:g} s of CPU"), ("peak_bytes", "")):
        limit = getattr(operation.limits, measure)
        at = None if limit is None else passes(_points(curve, measure), limit)
        if at is not None:
            told.append(f"{text.format(limit) if text else _bytes(limit)} from {_sized(axis, at)}")
    return ", ".join(told) or f"none up to {_sized(axis, curve.costs[-1].size)}"


def _sized(axis: Axis, size: float) -> str:
    return _bytes(size) if axis.unit == "bytes" else f"{size:,.0f}"


def _bytes(size: float) -> str:
    power = next(each for each in (9, 6, 3, 0) if size >= 10**each)
    return f"{size / 10**power:.3g} {({9: 'GB', 6: 'MB', 3: 'kB', 0: 'B'})[power]}"


def picture(axis: Axis, measured: Measured) -> str:
    """CPU seconds of each operation against the size, and dashed what is linear."""
    lines = [(operation.title.replace("`", ""), _points(curve, "cpu_s")) for operation, curve in _pairs(axis, measured)]
    every = [point for _name, points in lines for point in points]
    left, right = (math.log10(each(size for size, _cost in every)) for each in (min, max))
    low = math.floor(math.log10(min(cost for _size, cost in every)))
    high = math.ceil(math.log10(max(cost for _size, cost in every)))

    def at(size: float, cost: float) -> tuple[float, float]:
        across = (math.log10(size) - left) / (right - left)
        up = (math.log10(cost) - low) / (high - low)
        return _MARGIN + across * (_WIDTH - 2 * _MARGIN), _HEIGHT - _MARGIN - up * (_HEIGHT - 2 * _MARGIN)

    parts = [f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{_PAPER}"/>', *_grid(axis, at, left, right, low, high)]
    parts += _linear(at, left, right, low, high)
    for number, ((name, points), colour) in enumerate(zip(lines, _COLOURS, strict=False)):
        placed = [at(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(_MARGIN + 12, _MARGIN + 18 + 16 * number, name, colour))
    parts.append(_text(_MARGIN, 24, f"{axis.title}: CPU seconds against {axis.unit}", _INK))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="monospace">'
    return "\n".join([head, *parts, "</svg>\n"])


def _linear(at: object, left: float, right: float, low: int, high: int) -> Sequence[str]:
    """Lines along which ten times the size costs ten times as much."""
    assert callable(at)
    parts = []
    for power in range(low - math.ceil(right - left), high):
        begin, end = max(left, left + low - power), min(right, left + high - power)
        if begin < end:
            (x, y), (x2, y2) = (at(10**size, 10 ** (power + size - left)) for size in (begin, end))
            parts.append(f'<path d="M{x:.1f} {y:.1f}L{x2:.1f} {y2:.1f}" stroke="{_GRID}" stroke-dasharray="4 4"/>')
    return parts


def _grid(axis: Axis, at: object, left: float, right: float, low: int, high: int) -> Sequence[str]:
    assert callable(at)
    parts = []
    for power in range(low, high + 1):
        (x, y), (end, _) = at(10**left, 10.0**power), at(10**right, 10.0**power)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{end:.1f}" stroke="{_GRID}"/>')
        parts.append(_text(4, y + 4, f"{10.0**power:g} s", _INK))
    for power in range(math.ceil(left), math.floor(right) + 1):
        (x, y), (_, end) = at(10.0**power, 10.0**low), at(10.0**power, 10.0**high)
        parts.append(f'<path d="M{x:.1f} {y:.1f}V{end:.1f}" stroke="{_GRID}"/>')
        parts.append(_text(x - 12, y + 18, _sized(axis, 10**power), _INK))
    return parts


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" fill="{colour}">{escape(text)}</text>'
