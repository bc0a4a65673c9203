"""Targets that are scraped, in the reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lilfox_tui.feed import Pending, Ready
from lilfox_tui.monitor.export_forms import iso
from lilfox_tui.monitor.target_view import TargetView


def targets_document(targets: Iterable[TargetView]) -> list[dict[str, Any]]:
    """One object a target; ``up`` is null where that is not known yet."""
    return [_target(target) for target in targets]


def _target(target: TargetView) -> dict[str, Any]:
    state = target.state
    scrape = state.value if isinstance(state, Ready) else None
    return {
        "job": target.job,
        "instance": target.instance,
        "url": target.url,
        "host": target.host or None,
        "up": None if isinstance(state, Pending) else scrape is not None,
        "needed": not target.optional,
        "why": None if isinstance(state, Pending | Ready) else str(state.error),
        "since": None if isinstance(state, Pending | Ready) else iso(state.since),
        "samples": None if scrape is None else scrape.samples,
        "duration_s": None if scrape is None else scrape.duration_s,
    }
