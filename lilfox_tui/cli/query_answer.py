"""Answers to queries as tables and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from lilfox_tui.cli.output import Cell
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.notation import time_of
from lilfox_tui.told import time_at


def rows(value: Value, zone: tzinfo) -> Iterator[list[Cell]]:
    """One row a series: the number and the series; of lines, each series with a row for each of its numbers below."""
    match value:
        case Vector():
            for labels, number in zip(value.labels, value.values.tolist(), strict=True):
                yield [Cell(number_text(number), right=True), Cell(str(labels))]
        case Matrix():
            for line in value.lines:
                yield from _rows_of_line(line, zone)
        case float():
            yield [Cell(number_text(value))]
        case str():
            yield [Cell(value)]


def _rows_of_line(line: Line, zone: tzinfo) -> Iterator[list[Cell]]:
    yield [Cell(str(line.labels))]
    for at_ms, number in zip(line.times.tolist(), line.values.tolist(), strict=True):
        at = time_at(at_ms / 1000).astimezone(zone)
        yield [Cell(f"  {at:%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d}"), Cell(number_text(number), right=True)]


def document(query: str, value: Value, notes: Sequence[str]) -> dict[str, Any]:
    """The JSON of it: times are RFC 3339 in UTC, numbers that JSON has not are the texts NaN, +Inf and -Inf."""
    made: dict[str, Any] = {"query": query}
    match value:
        case Vector():
            made["kind"] = "vector"
            made["series"] = [
                {"labels": dict(labels), "value": _number(number)}
                for labels, number in zip(value.labels, value.values.tolist(), strict=True)
            ]
        case Matrix():
            made["kind"] = "matrix"
            made["series"] = [_of_line(line) for line in value.lines]
        case float():
            made |= {"kind": "scalar", "value": _number(value)}
        case str():
            made |= {"kind": "string", "value": value}
    return made | {"notes": list(notes)}


def number_text(number: float) -> str:
    """A number as PromQL writes it."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _of_line(line: Line) -> dict[str, Any]:
    values = [
        {"at": _time(at_ms), "value": _number(number)}
        for at_ms, number in zip(line.times.tolist(), line.values.tolist(), strict=True)
    ]
    return {"labels": dict(line.labels), "values": values}


def _number(number: float) -> float | str:
    return number if math.isfinite(number) else number_text(number)


def _time(at_ms: int) -> str:
    return time_of(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
