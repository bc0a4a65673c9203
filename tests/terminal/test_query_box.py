"""The box for PromQL in the real program, over what it scrapes of the demo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.terminal.console import Console

pytestmark = pytest.mark.xdist_group("demo")  # one worker: two demos that start at once want the same ports


def test_a_rate_of_the_demo_is_completed_asked_and_drawn(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path) as console:
        console.until(lambda text: re.search(r"gateway.*\d/s|gateway.*\d\.\d", text) is not None)
        console.press("Q")
        console.until("Type a metric")
        console.press("sum by (job) (rate(http_requests_to")
        console.until(lambda text: "(http_requests_to" in text and "tab takes it" in text)
        console.press("\t[1m]))\r")
        text = console.until(lambda text: "3 series" in text and re.search(r"/s +model ", text) is not None)
        assert "from local scrapes" in text
        assert re.search(r"/s +gateway .*[▁▂▃▄▅▆▇█]", text)
        console.press("\x1b")
        console.until(" Services ")
        console.press("q")
        assert console.ended_within() == 0
