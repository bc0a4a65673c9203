"""Circuit breakers on pages as their libraries write them, read over HTTP."""

from __future__ import annotations

import pytest

from lilfox_tui.backends.kinds import breakers
from lilfox_tui.backends.model import BackendError, BackendReading
from lilfox_tui.backends.tables import BreakerState
from lilfox_tui.metrics.model import Level, Series
from tests.services.http_servers import Flood, page, serving

RESILIENCE4J = """\
# TYPE resilience4j_circuitbreaker_state gauge
resilience4j_circuitbreaker_state{name="model",state="closed"} 0.0
resilience4j_circuitbreaker_state{name="model",state="open"} 0.0
resilience4j_circuitbreaker_state{name="model",state="half_open"} 1.0
resilience4j_circuitbreaker_state{name="model",state="forced_open"} 0.0
resilience4j_circuitbreaker_state{name="model",state="disabled"} 0.0
resilience4j_circuitbreaker_state{name="mail",state="closed"} 0.0
resilience4j_circuitbreaker_state{name="mail",state="forced_open"} 1.0
resilience4j_circuitbreaker_state{name="tax",state="disabled"} 1.0
# TYPE resilience4j_circuitbreaker_failure_rate gauge
resilience4j_circuitbreaker_failure_rate{name="model"} 62.5
resilience4j_circuitbreaker_failure_rate{name="mail"} -1.0
# TYPE other gauge
other{name="model"} 7
"""
ENVOY = """\
# TYPE envoy_cluster_circuit_breakers_default_cx_open gauge
envoy_cluster_circuit_breakers_default_cx_open{envoy_cluster_name="backend"} 0
# TYPE envoy_cluster_circuit_breakers_high_rq_pending_open gauge
envoy_cluster_circuit_breakers_high_rq_pending_open{envoy_cluster_name="backend"} 1
"""
GAUGE = """\
# TYPE circuit_breaker_state gauge
circuit_breaker_state{name="a"} 0
circuit_breaker_state{name="b"} 1
circuit_breaker_state{name="c"} 2
"""


def opossum(**counts: int) -> str:
    lines = [f'circuit{{name="model",event="{event}"}} {count}' for event, count in counts.items()]
    return "\n".join(["# TYPE circuit counter", *lines, ""])


async def look(text: str, **changes: object) -> BackendReading:
    talk = page(text.encode(), head="Content-Type: text/plain; version=0.0.4\r\n")
    async with serving(talk) as port:
        options = breakers.Options(url=f"http://127.0.0.1:{port}", **changes)  # type: ignore[arg-type]
        backend = breakers.open_backend("breakers", options, None)
        try:
            return await backend.read()
        finally:
            await backend.close()


def states(reading: BackendReading) -> dict[str, BreakerState]:
    return {
        series.label("breaker"): BreakerState(round(value))
        for series, value in reading.values.items()
        if series.name == "breaker_state"
    }


async def test_resilience4j() -> None:
    reading = await look(RESILIENCE4J)
    assert states(reading) == {"model": BreakerState.HALF_OPEN, "mail": BreakerState.OPEN, "tax": BreakerState.DISABLED}
    assert [(each.level, str(each.text)) for each in reading.findings] == [
        (Level.FAILING, "mail open"),
        (Level.DEGRADED, "model half-open"),
    ]
    details = {row[0]: str(row[3]) for row in reading.tables[0].rows}
    assert details == {"model": "failure rate 62.5%", "mail": "", "tax": ""}
    assert reading.values[Series("breakers_not_closed")] == 2


async def test_envoy() -> None:
    assert states(await look(ENVOY)) == {
        "backend default cx": BreakerState.CLOSED,
        "backend high rq_pending": BreakerState.OPEN,
    }


async def test_a_gauge_of_ones_own_means_what_the_config_says_and_nothing_before() -> None:
    without = await look(GAUGE)
    assert states(without) == {}
    assert "values 0, 1, 2 of circuit_breaker_state are not mapped" in str(without.incomplete)
    assert without.findings == ()
    one = await look(GAUGE, states={"0": "closed", "1": "half-open", "2": "open"})
    assert states(one) == {"a": BreakerState.CLOSED, "b": BreakerState.HALF_OPEN, "c": BreakerState.OPEN}
    other = await look(GAUGE, states={"0": "closed", "1": "open", "2": "half-open"})
    assert states(other) == {"a": BreakerState.CLOSED, "b": BreakerState.OPEN, "c": BreakerState.HALF_OPEN}
    assert other.incomplete is None


async def test_opossum_which_has_counters_only() -> None:
    reader = breakers.Opossum()

    def state(**counts: int) -> BreakerState | None:
        from lilfox_tui.backends.http_probe import HttpBody, MetricsPage

        page_ = MetricsPage("here", lambda name: name == "circuit")
        return reader.take(page_.samples(HttpBody(opossum(**counts).encode(), "text/plain")))[0].state

    assert state(fire=10) is BreakerState.CLOSED
    assert state(fire=12, open=1) is BreakerState.OPEN
    assert state(fire=12, open=1, halfOpen=1) is BreakerState.HALF_OPEN
    assert state(fire=13, open=2, halfOpen=2) is BreakerState.HALF_OPEN
    assert state(fire=14, open=3, halfOpen=2) is BreakerState.OPEN
    assert state(fire=14, open=4, halfOpen=3) is BreakerState.OPEN
    assert state(fire=15, open=4, halfOpen=4, close=1) is BreakerState.CLOSED
    assert state(fire=16, open=5, halfOpen=5, close=1) is BreakerState.HALF_OPEN
    assert state(fire=17, open=6, halfOpen=6, close=2) is None
    assert state(fire=17, open=6, halfOpen=6, close=2) is None
    assert state(fire=18, open=7, halfOpen=6, close=2) is BreakerState.OPEN
    late = breakers.Opossum()
    reader = late
    assert state(open=3, halfOpen=3, close=2) is None


async def test_pages_that_are_none_are_told() -> None:
    async with serving(page(b"<html>login</html>", head="Content-Type: text/html\r\n")) as port:
        backend = breakers.open_backend("b", breakers.Options(url=f"http://127.0.0.1:{port}/x"), None)
        with pytest.raises(BackendError, match="an HTML page, not metrics"):
            await backend.read()
    async with serving(page(b"half a li", head="Content-Type: text/plain\r\n")) as port:
        backend = breakers.open_backend("b", breakers.Options(url=f"http://127.0.0.1:{port}/x"), None)
        with pytest.raises(BackendError, match=f"127.0.0.1:{port}"):
            await backend.read()
        await backend.close()
    backend = breakers.open_backend("b", breakers.Options(url=f"http://127.0.0.1:{port}/x"), None)
    with pytest.raises(BackendError, match="refuses the connection"):
        await backend.read()


async def test_gigabytes_are_not_read() -> None:
    flood = Flood()
    async with serving(flood) as port:
        backend = breakers.open_backend("b", breakers.Options(url=f"http://127.0.0.1:{port}"), None)
        with pytest.raises(BackendError, match="more than 16M"):
            await backend.read()
        await backend.close()
    assert flood.sent < 64 * 1024 * 1024
