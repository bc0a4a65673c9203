"""What ended on a host is forgotten there: together, once it is quiet, and never what runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host
from lilfox_tui.runbook.run import runner
from lilfox_tui.runbook.run.gate import Hosts
from lilfox_tui.runbook.run.runner import RemoteCleanup
from tests.waiting import until


@pytest.fixture
async def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with Hosts(Config(hosts={"here": HostConfig(local=True), "gone": HostConfig(address="192.0.2.1")})) as made:
        yield made


async def ended(host: Host, *jobs: str) -> None:
    for job in jobs:
        await detached.start(host, job, ["true"])
        while (await detached.look(host, job)).state != "ended":
            pass


async def known(host: Host) -> list[str]:
    return [each.id for each in await detached.listing(host)]


async def test_all_are_forgotten_when_it_is_quiet(hosts: Hosts, tmp_path: Path) -> None:
    host = hosts["here"]
    await ended(host, "one", "two")
    at_work = RemoteCleanup(hosts)
    for job in ("one", "two"):
        at_work.add("here", job, sudo=False)
    await until(lambda: not list((tmp_path / ".cache/lilfox/jobs").iterdir()), timeout_s=60)
    await at_work.close(60)


async def test_what_is_left_goes_at_the_end_and_what_runs_stays(hosts: Hosts) -> None:
    host = hosts["here"]
    await ended(host, "one", "two")
    await detached.start(host, "runs", ["sleep", "1000"])
    at_work = RemoteCleanup(hosts)
    for job in ("one", "runs", "two"):
        at_work.add("here", job, sudo=False)
    await at_work.close(60)
    assert await known(host) == ["runs"]
    await detached.cancel(host, "runs")


async def test_many_are_not_waited_with(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_MOST", 2)
    monkeypatch.setattr(runner, "_QUIET_S", 1e6)
    await ended(hosts["here"], "one", "two", "three")
    at_work = RemoteCleanup(hosts)
    for job in ("one", "two", "three"):
        at_work.add("here", job, sudo=False)
    await until(lambda: [path.name for path in (tmp_path / ".cache/lilfox/jobs").iterdir()] == ["three"], timeout_s=60)
    await at_work.close(60)
    assert await known(hosts["here"]) == []


async def test_a_host_that_is_not_there_is_given_up(hosts: Hosts) -> None:
    at_work = RemoteCleanup(hosts)
    at_work.add("gone", "one", sudo=False)
    await at_work.close(0.1)
