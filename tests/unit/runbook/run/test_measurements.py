"""How long a command waits for what is measured before it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import cast

import pytest

from lilfox_tui.config.model import Config
from lilfox_tui.incident import incidents
from lilfox_tui.runbook.run import measurements
from lilfox_tui.runbook.run.gate import Hosts, PreparedCommand
from lilfox_tui.runbook.run.measurements import HostMeasured, Measurement, MeasurementTaker, ServiceMeasured, as_text
from lilfox_tui.runbook.run.persistence import RunRecorder
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import Turn
from tests.unit.runbook.made import command, runbook

CHANGE = command("touch x", "change")


class Recorder:
    """As much of a run's record as is asked."""

    run_id, secrets = "r", frozenset[str]()

    def __init__(self) -> None:
        self.reducer = RunReducer(runbook((CHANGE,)))
        self.reducer.taking_over = True  # nothing waits: nothing is read ahead
        self.said: list[str] = []

    def say(self, text: str, level: str) -> None:
        self.said.append(f"{level}: {text}")


async def test_a_change_waits_its_two_seconds_once_though_the_one_before_is_still_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[str] = []

    async def hangs(_taker: MeasurementTaker, _name: str) -> HostMeasured:
        await asyncio.Event().wait()
        raise AssertionError

    async def incident(_taker: MeasurementTaker) -> str:
        return "INC-1"

    monkeypatch.setattr(measurements, "MOST_S", 0.4)
    monkeypatch.setattr(MeasurementTaker, "_read_host", hangs)
    monkeypatch.setattr(MeasurementTaker, "_incident", incident)
    monkeypatch.setattr(incidents, "keep_evidence", lambda _id, _name, _data, text, by: kept.append(text))
    recorder = Recorder()
    taker = MeasurementTaker(Config(), Hosts(Config()), cast("RunRecorder", recorder))
    ready = PreparedCommand(turn=Turn(0, 0, ("web1",)), title="Step", command=CHANGE, became=False, filled={})
    taker.after(ready, "fox@den")
    start = time.monotonic()
    assert await taker.before(ready, "fox@den")
    assert time.monotonic() - start < 0.7
    assert [text.partition(" step")[0] for text in kept] == ["after", "before"]
    assert "no answer within 0.4 s" in kept[1]
    assert recorder.said == []
    await taker.close()


def test_a_service_that_was_not_measured_is_not_told_to_be_unknown() -> None:
    """Beside a service that is shown as failing that would be another state; the reason is what is known."""
    services = {
        "backend": ServiceMeasured(error="no answer within 0.5 s"),
        "gateway": ServiceMeasured(),
        "model": ServiceMeasured(health="unhealthy", status=503, response_s=0.002),
        "shop": ServiceMeasured(health="error", error="refused"),
    }
    at = datetime(2026, 3, 29, tzinfo=UTC)
    text = as_text(Measurement(moment="before", runbook="r", step=1, title="Look", at=at, hosts={}, services=services))
    assert text.split("\n")[1:] == [
        "backend: no answer within 0.5 s",
        "gateway: not measured",
        "model: unhealthy 503 2 ms",
        "shop: no answer: refused",
    ]
