"""The recovery policy: when an unhealthy unit is restarted or given up. Pure rules over its history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from lilfox_tui.config.model import RecoveryConfig
from lilfox_tui.recovery.history import UnitRecord, UnitState

Step = Literal["nothing", "restart", "give up"]


def observe(record: UnitRecord | None, state: UnitState, why: str, now: datetime, config: RecoveryConfig) -> UnitRecord:
    """The record after a look that found ``state``: ``well``, ``unhealthy`` or ``left alone``. One that was given up
    stays so until it is well."""
    before = record or UnitRecord(state=state, since=now, looked=now)
    # a clock that was put back since would otherwise keep the unit down for as much as that
    restarts = (min(each, now) for each in before.restarts)
    recent = tuple(each for each in restarts if now - each < timedelta(seconds=config.within))
    if state == "unhealthy":
        kept: UnitState = before.state if before.state in ("given up", "waiting", "restarting") else state
        looks = before.unhealthy_looks + 1
        since = before.since if kept == before.state else now
        return replace(before, state=kept, since=since, looked=now, why=why, unhealthy_looks=looks, restarts=recent)
    since = before.since if state == before.state else now
    return replace(
        before, state=state, since=since, looked=now, why=why, unhealthy_looks=0, restarts=recent, told=False
    )


def next_step(record: UnitRecord, now: datetime, config: RecoveryConfig) -> Step:
    """What to do of a unit that was just found as ``record`` says."""
    if record.unhealthy_looks < config.failures or record.state == "given up":
        return "nothing"
    if len(record.restarts) >= config.limit:
        return "give up"
    due = next_at(record, config)
    return "restart" if due is None or now >= due else "nothing"


def next_at(record: UnitRecord, config: RecoveryConfig) -> datetime | None:
    """Before when it is not restarted again; None where it was not."""
    if not record.restarts:
        return None
    pause = config.back_off * 2 ** (len(record.restarts) - 1)
    return record.restarts[-1] + timedelta(seconds=min(pause, config.within))
