"""Limits of control groups: as the script prints them, as this machine reads them, and what they make of a host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.config.model import Thresholds
from lilfox_tui.metrics.collectors import limits
from lilfox_tui.metrics.model import HostSnapshot, Level, MalformedOutput, Series
from lilfox_tui.metrics.summary import series_of, summarize, summary_at
from lilfox_tui.monitor.export import _numbers
from lilfox_tui.monitor.levels import judge_values, streaks
from tests.unit.metrics.collectors.reading import labelled, values

GIB, MIB = 2**30, 2**20
AT = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
OPTIONS = limits.Options()
SHELLS = [words for words in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(words[0])]

NAMESPACED = {
    "proc": "0::/init.scope\n",
    "cgroup.controllers": "cpu memory\n",
    "memory.max": f"{GIB}\n",
    "memory.current": f"{GIB - 100 * MIB}\n",
    "memory.stat": f"anon 5\nfile 7\ninactive_file {50 * MIB}\n",
    "cpu.max": "50000 100000\n",
    "cpu.stat": "usage_usec 4000000\nuser_usec 3\n",
}
"""A container that sees the namespace of its own group alone, with systemd in it."""
NESTED = {
    "proc": "0::/kubepods/pod 7/box\n",
    "cgroup.controllers": "cpu memory\n",
    "kubepods/memory.max": f"{8 * GIB}\n",
    "kubepods/memory.current": f"{GIB}\n",
    "kubepods/memory.stat": "inactive_file 0\n",
    "kubepods/pod 7/memory.max": f"{2 * GIB}\n",
    "kubepods/pod 7/memory.current": f"{2 * GIB - MIB}\n",
    "kubepods/pod 7/memory.stat": "inactive_file 0\n",
    "kubepods/pod 7/cpu.max": "max 100000\n",
    "kubepods/pod 7/cpu.stat": "usage_usec 1\n",
    "kubepods/pod 7/box/memory.max": f"{GIB}\n",
    "kubepods/pod 7/box/memory.current": f"{100 * MIB}\n",
    "kubepods/pod 7/box/memory.stat": "inactive_file 0\n",
}
"""The whole hierarchy is seen; the tightest is the one in the middle: a greedy neighbour has left 1 MiB of it."""
VERSION_1 = {
    "proc": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n",
    "memory/memory.limit_in_bytes": f"{512 * MIB}\n",
    "memory/memory.usage_in_bytes": f"{500 * MIB}\n",
    "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MIB}\n",
    "cpu/cpu.cfs_quota_us": "150000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpu/cpuacct.usage": "7000000000\n",
}
"""Its own group is mounted where the whole hierarchy is on a machine."""
MACHINE = {
    "proc": "4:memory:/\n1:cpu,cpuacct:/\n0::/init.scope\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.usage_in_bytes": "1\n",
    "memory/memory.stat": "total_inactive_file 1\n",
    "cpu/cpu.cfs_quota_us": "-1\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "unified/cgroup.controllers": "\n",
    "unified/user.slice/memory.max": "1000\n",
}
"""Process 1 has no limit; that a slice has one is no limit of the host."""


@pytest.fixture(params=["here", *map(" ".join, SHELLS)])
def reads(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """What a way of reading, this machine's or the script by a shell, finds in a made tree."""

    def read(tree: Mapping[str, str]) -> dict[Series, float]:
        root, first = tmp_path / "cgroup", tmp_path / "first"
        first.write_text(tree["proc"])
        for name, text in tree.items():
            if name != "proc":
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
        if request.param == "here":
            for name, place in (("_ROOT", root), ("_OF_FIRST", first), ("_OF_US", first)):
                monkeypatch.setattr(limits, name, str(place))
            return values(limits.parse({"script": limits.read_here(OPTIONS) or ""}, OPTIONS))
        script = limits.script(OPTIONS).replace("/sys/fs/cgroup", str(root)).replace("/proc/1/cgroup", str(first))
        ran = subprocess.run([*request.param.split(), "-c", script], capture_output=True, text=True, check=False)
        assert ran.stderr == ""
        return values(limits.parse({"script": ran.stdout}, OPTIONS))

    return read


@pytest.mark.fault("4.91")
def test_a_container_has_the_limits_of_its_namespace(reads) -> None:  # type: ignore[no-untyped-def]
    host = {"cgroup": "/", "scope": "host"}
    assert reads(NAMESPACED) == {
        labelled("cgroup_memory_limit_bytes", **host): GIB,
        labelled("cgroup_memory_used_bytes", **host): GIB - 150 * MIB,
        labelled("cgroup_cpu_limit_cores", **host): 0.5,
        labelled("cgroup_cpu_seconds_total", **host): 4.0,
    }


@pytest.mark.fault("4.91")
def test_the_tightest_of_nested_groups_counts(reads) -> None:  # type: ignore[no-untyped-def]
    pod = {"cgroup": "/kubepods/pod 7", "scope": "host"}
    assert reads(NESTED) == {
        labelled("cgroup_memory_limit_bytes", **pod): 2 * GIB,
        labelled("cgroup_memory_used_bytes", **pod): 2 * GIB - MIB,
    }


@pytest.mark.fault("4.91")
def test_version_1_has_them_too(reads) -> None:  # type: ignore[no-untyped-def]
    host = {"cgroup": "/", "scope": "host"}
    assert reads(VERSION_1) == {
        labelled("cgroup_memory_limit_bytes", **host): 512 * MIB,
        labelled("cgroup_memory_used_bytes", **host): 400 * MIB,
        labelled("cgroup_cpu_limit_cores", **host): 1.5,
        labelled("cgroup_cpu_seconds_total", **host): 7.0,
    }


@pytest.mark.fault("4.91")
def test_a_machine_has_none(reads) -> None:  # type: ignore[no-untyped-def]
    assert reads(MACHINE) == {}
    assert reads({**MACHINE, "proc": "4:memory:/../../other\n0::/../x\n"}) == {}, "of another namespace"


@pytest.mark.fault("4.91")
@given(st.text(max_size=200))
def test_any_text_is_samples_or_told(text: str) -> None:
    try:
        samples = limits.parse({"script": text}, OPTIONS)
    except MalformedOutput as error:
        samples = error.samples
    assert all(sample.name.startswith("cgroup_") for sample in samples)


def _snapshot(script: str, cpu_s: float = 0.0) -> HostSnapshot:
    gauges = {Series("memory_total_bytes"): 16.0 * GIB, Series("memory_available_bytes"): 12.0 * GIB,
              Series("cpu_count"): 4.0}  # fmt: skip
    rates = {labelled("cpu_seconds_total", mode=mode): value for mode, value in
             {"user": 0.1, "system": 0.1, "iowait": 0.0, "steal": 0.0, "idle": 3.8}.items()}  # fmt: skip
    for sample in limits.parse({"script": script}, OPTIONS):
        if sample.name.endswith("_total"):
            rates[sample.series] = cpu_s
        else:
            gauges[sample.series] = sample.value
    return HostSnapshot("box", AT, 2.0, gauges, {}, rates)


@pytest.mark.fault("4.91")
def test_a_container_fails_at_its_own_limits_not_the_machines() -> None:
    full = f"host memory {GIB} {GIB} {10 * MIB} /\nhost cpu 50000 100000 1 /\n"
    found = summarize(_snapshot(full, cpu_s=0.49))
    assert (found.memory_total, found.memory_available) == (GIB, 10 * MIB)
    assert found.machine is not None
    assert (found.machine.total, found.machine.percent) == (16 * GIB, 25.0)
    assert found.cpu_percent == pytest.approx(98)
    limits_ = Thresholds(hold=1)
    judged = judge_values(found, limits_, streaks(found, limits_, {}))
    assert judged.level is Level.FAILING
    assert {str(reason) for reason in judged.reasons} >= {"memory 99% > 95%", "cpu 98% > 95%"}
    told = _numbers(found)
    assert told["memory"]["total"] == GIB
    assert told["machine_memory"] == {"total": 16 * GIB, "available": 12 * GIB, "percent": 25.0}
    assert told["limit"]["cpu"] == {"cores": 0.5, "percent": pytest.approx(98)}
    again = summary_at("box", AT, series_of(found))
    assert again.memory_percent == found.memory_percent, "in the past too"
    assert again.cpu_percent == pytest.approx(98)
    assert again.machine == found.machine


@pytest.mark.fault("4.91")
def test_of_a_limit_above_the_machine_or_of_lilfox_alone_the_host_has_nothing() -> None:
    more = summarize(_snapshot(f"host memory {64 * GIB} {GIB} 0 /\nhost cpu 800000 100000 1 /\n"))
    assert (more.limit, more.machine, more.memory_total) == (None, None, 16 * GIB)
    own = summarize(_snapshot(f"own memory {100 * MIB} {99 * MIB} 0 /system.slice/lilfox.service\n"))
    assert own.own_limit is not None
    assert own.own_limit.memory is not None
    assert own.own_limit.memory.percent == pytest.approx(99)
    assert (own.limit, own.memory_percent) == (None, 25.0)


@pytest.mark.fault("4.91")
def test_where_the_machine_has_less_left_than_the_limit_that_counts() -> None:
    found = summarize(_snapshot(f"host memory {14 * GIB} {GIB} 0 /\n"))
    assert found.memory_available == 12 * GIB


MEMORY = Path("/sys/fs/cgroup/memory")
UNIFIED = Path("/sys/fs/cgroup")


@pytest.fixture
def group() -> Iterator[tuple[Path, str]]:
    """A real group with a limit of 256 MiB, and the name that its limit has."""
    one, name = MEMORY / f"lilfox-test-{os.getpid()}", "memory.limit_in_bytes"
    if not (MEMORY / name).exists():
        one, name = UNIFIED / one.name, "memory.max"
    try:
        one.mkdir()
        (one / name).write_text(str(256 * MIB))
    except OSError as error:
        with suppress(OSError):
            one.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    yield one, name
    one.rmdir()


@pytest.mark.fault("4.91")
def test_a_real_group_that_lilfox_lives_in_is_told(group: tuple[Path, str]) -> None:
    code = (
        "import os, sys; from lilfox_tui.metrics.collectors import limits as l\n"
        f"open({str(group[0] / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "sys.stdout.write(l.read_here(l.Options()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    found = values(limits.parse({"script": ran.stdout}, OPTIONS))
    assert found[labelled("cgroup_memory_limit_bytes", cgroup=f"/{group[0].name}", scope="own")] == 256 * MIB
    assert 0 < found[labelled("cgroup_memory_used_bytes", cgroup=f"/{group[0].name}", scope="own")] < 256 * MIB


def test_a_limit_that_is_set_later_is_found_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now, first = [1000.0], tmp_path / "first"
    first.write_text("0::/\n")
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1048576\n")
    for name, place in (("_ROOT", tmp_path), ("_OF_FIRST", first), ("_OF_US", first)):
        monkeypatch.setattr(limits, name, str(place))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert limits.read_here(OPTIONS) == ""
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    assert limits.read_here(OPTIONS) == ""
    now[0] += 10
    assert limits.read_here(OPTIONS) == f"host memory {GIB} 1048576 0 /"
    (tmp_path / "memory.current").write_text("2097152\n")
    assert limits.read_here(OPTIONS) == f"host memory {GIB} 2097152 0 /", "a limit is read each time"
