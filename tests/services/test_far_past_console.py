"""A console beside a real Prometheus: a day of charts though it has just begun, and back to before it was there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from tests.services.prometheus_server import prometheus
from tests.services.two_days import fill
from tests.terminal.console import Console

CONFIG = """
hosts:
  here: {{local: true, series: {{instance: "web-1:9100"}}}}
refresh: 500ms
prometheus: http://127.0.0.1:{port}
"""


def test_a_console_that_has_just_begun_shows_yesterday(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with prometheus(tmp_path) as server:
        fill(server, datetime.now(UTC))
        config.write_text(CONFIG.format(port=server.port))
        config.chmod(0o600)
        with Console(["--config", str(config)], home=tmp_path, columns=120, rows=40) as console:
            console.until(" Hosts ", 30)
            console.press("\r")
            console.until("CPU busy", 10)
            console.press("ttt")
            told = f'{{instance="web-1:9100", job="node"}} from 127.0.0.1:{server.port}'
            console.until(f" from 127.0.0.1:{server.port}", 20)
            drawn = max(map(len, re.findall("[▁▂▃▄▅▆▇█]+", console.text)))
            assert drawn > 28, "24 hours are drawn, in the whole width of a chart, though nothing was recorded"
            console.press(" ")
            console.until(told, 10)
            console.press("g")
            console.press("[")  # a thirtieth of the day: 48 minutes
            console.until(lambda text: bool(re.search(r"◀ 4[89] min", text)), 10)
            console.until(
                lambda text: bool(re.search(r"up \d{3,} d", text)), 10
            )  # since when the exporter's host is up, not this one
            console.press("`")
            console.until(lambda text: "◀" not in text, 10)
            console.press("q")
            assert console.ended_within(5) == 0


def test_a_console_says_that_it_does_not_answer(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with prometheus(tmp_path) as server:
        config.write_text(CONFIG.format(port=server.port))
    config.chmod(0o600)
    with Console(["--config", str(config)], home=tmp_path, columns=120, rows=40) as console:
        console.until(" Hosts ", 30)
        console.press("ttt\r")
        console.until("CPU busy", 10)
        unavailable = re.compile(r"data before \d\d-\d\d \d\d:\d\d is unavailable: .*refuses the connection")
        console.until(lambda text: bool(unavailable.search(text)), 20)
        console.press("[")
        console.until("unknown: ", 10)
        assert "no data for this host yet" in console.text
        console.press("q")
        assert console.ended_within(5) == 0
