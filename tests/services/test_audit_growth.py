"""File systems that will be full, by the free space that a real Prometheus has of two days."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.model import ApiConfig, Config
from tests.services.prometheus_server import PrometheusServer, prometheus

CHECK = "filesystem-growth"
SETTINGS = "global: {}\nstorage: {tsdb: {out_of_order_time_window: 72h}}\n"
DAY_MS = 86_400_000
GIB = 1 << 30
DISK = {"__name__": "node_filesystem_avail_bytes", "instance": "web-1:9100", "job": "node", "fstype": "ext4"}


def tell(server: PrometheusServer, mount: str, *free_gib: float, **labels: str) -> None:
    """The free space of two days ago, a day ago, and now."""
    now = int(time.time() * 1000)
    named = {**DISK, "mountpoint": mount, "device": f"/dev/{mount}", **labels}
    for days, free in zip((2, 1, 0), free_gib, strict=True):
        server.write([(named, [now - days * DAY_MS - 5000], [struct.pack("<d", free * GIB)])])


async def audited(server: PrometheusServer) -> Report:
    config = Config(prometheus=ApiConfig(url=f"http://127.0.0.1:{server.port}"))
    return await Audit(config, timeout_s=60).run(chosen([CHECK]), targets_of(config))


@pytest.mark.provokes(CHECK)
async def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    with prometheus(tmp_path, settings=SETTINGS) as server:
        unknown = await audited(server)
        assert (unknown.found, unknown.not_checked, unknown.passed) == ((), (), ())  # it knows no host
        tell(server, "/", 40, 30, 20)
        tell(server, "/srv", 41, 31, 21, device="/dev//")  # the same device, mounted twice
        tell(server, "/var", 400, 390, 380)  # 38 days
        tell(server, "/nightly", 30, 30, 10)  # a job that has not removed its files yet
        tell(server, "/grown", 30, 10, 10)  # something that was installed
        tell(server, "/mended", 10, 30, 50)
        tell(server, "/run", 3, 2, 1, fstype="tmpfs")
        tell(server, "/boot", 3, 2, 1)
        report = await audited(server)
        assert {each.finding.subject: str(each.finding.evidence) for each in report.found} == {
            "web-1:9100: /": "web-1:9100: / has 20G free, and each of the last two days took 10G or more: full in 2 d"
        }
        assert report.not_checked == ()
        assert report.found[0].finding.fix.commands[1] == "du -xh -d 2 / | sort -h"


async def test_a_disk_that_no_longer_grows(tmp_path: Path) -> None:
    with prometheus(tmp_path, settings=SETTINGS) as server:
        tell(server, "/", 40, 30, 30)
        after = await audited(server)
        assert (after.found, after.not_checked) == ((), ())
        assert [each.check.id for each in after.passed] == [CHECK]


async def test_without_a_prometheus_there_is_nothing_to_judge() -> None:
    report = await Audit(Config(), timeout_s=60).run(chosen([CHECK]), targets_of(Config()))
    assert (report.found, report.not_checked, report.passed) == ((), (), ())


async def test_a_prometheus_that_is_gone_is_not_checked(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server:
        pass
    report = await audited(server)
    assert (report.found, report.passed) == ((), ())
    assert [each.check.id for each in report.not_checked] == [CHECK]
