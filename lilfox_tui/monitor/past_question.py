"""A question in PromQL to a Prometheus elsewhere whose answer stands where history has none."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lilfox_tui.metrics.model import Series
from lilfox_tui.scrape.labels import quoted

RATE_S = 300.0
"""Rates are of so much at least: four scrapes of a Prometheus that asks once a minute, and one that fails."""


class Question(Struct, frozen=True):
    """``text`` gives the values of ``series``; where it names ``by``, those labels of the answer are put onto it."""

    series: Series
    text: str
    by: tuple[str, ...] = ()


def matchers(labels: Mapping[str, str]) -> str:
    """Labels as what stands in the braces of a selector."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())


def span_text(seconds: float) -> str:
    """A duration as PromQL has it, :data:`RATE_S` at least."""
    return f"{round(max(seconds, RATE_S) * 1000)}ms"
