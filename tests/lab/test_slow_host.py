"""A host at the other end of a bad link: 200 ms there and back with 1 % loss is no silence; a link that is cut is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

from lilfox_tui.config.model import Config, HostConfig, SshConfig
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.monitor.monitor import Monitor
from tests.lab.machines import Machine, MachineLab
from tests.lab.slow_link import slow_link
from tests.lab.watching import NOT_BUSY

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
Record = Callable[[str, object], None]
OVERVIEWS = 12
"""One a period of 2 s: the time that is watched before the link is cut."""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("far")
    made.up()
    yield made
    made.kill()


@pytest.mark.fault("4.90")
def test_a_slow_link_is_not_taken_for_a_silent_host_and_one_that_is_cut_is_told_within_six_seconds(
    lab: MachineLab, machine: Machine, record_property: Record
) -> None:
    words = (sys.executable, "-m", __name__, machine.address, str(lab.client_key), str(lab.known_hosts))
    with (
        slow_link(lab, 2) as link,
        subprocess.Popen(link.there(*words), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as watching,
    ):
        assert watching.stdout is not None
        try:
            while _next(watching.stdout)["level"] != "GOOD":
                pass
            watched = [_next(watching.stdout) for _ in range(OVERVIEWS)]
            assert {each["level"] for each in watched} == {"GOOD"}
            record_property("worst_age_s", max(each["age_s"] for each in watched))
            _carried, lost = link.cut()
            cut_s = time.monotonic()
            while (last := _next(watching.stdout))["level"] != "FAILING":
                pass
            record_property("frames_lost", lost)
            record_property("told_s", time.monotonic() - cut_s)
            assert last["age_s"] < 6
            assert time.monotonic() - cut_s < 6.5
        finally:
            watching.kill()


def _next(stdout: IO[bytes]) -> dict[str, Any]:
    line = stdout.readline()
    assert line, "the program at the far end has ended"
    return dict(json.loads(line))


async def _watch(address: str, identity: str, known_hosts: str) -> None:
    """At the far end: says what each overview has of the host."""
    host = HostConfig(address=address, user="root", identity=identity)
    ssh = SshConfig(config_files=(), known_hosts=(known_hosts,))
    monitor = Monitor(Config(hosts={"far": host}, thresholds=NOT_BUSY, ssh=ssh), changes=ChangeLog())
    running = asyncio.create_task(monitor.run())
    async with aclosing(monitor.overview.watch()) as states:
        async for _state in states:
            if (overview := monitor.overview.value) is not None and overview.hosts["far"].summary is not None:
                view = overview.hosts["far"]
                age_s = (datetime.now(UTC) - view.summary.at).total_seconds()  # type: ignore[union-attr]
                sys.stdout.write(json.dumps({"level": view.level.name, "age_s": age_s}) + "\n")
                sys.stdout.flush()
    await running


if __name__ == "__main__":
    asyncio.run(_watch(*sys.argv[1:4]))
