from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.metrics.collectors import filesystems, processes, units, uptime
from lilfox_tui.metrics.model import MalformedOutput, Sample, Series
from tests.unit.metrics.collectors.reading import CAPTURES, COLLECTORS, capture, labelled, parsed, partly, values

KIB = 1024.0


def test_cpu_time_has_nice_in_user_and_interrupts_in_system() -> None:
    cpu = parsed("cpu", capture("linux-6.12"))
    assert cpu[labelled("cpu_seconds_total", mode="user")] == 12.0
    assert cpu[labelled("cpu_seconds_total", mode="system")] == 5.0
    assert cpu[labelled("cpu_seconds_total", mode="steal")] == 0.25
    assert cpu[labelled("cpu_seconds_total", cpu="10", mode="idle")] == 450.0
    assert cpu[Series("cpu_count")] == 3
    assert cpu[Series("processes_blocked")] == 1


def test_a_damaged_core_leaves_the_others() -> None:
    found, said = partly("cpu", {"/proc/stat": "cpu  1 2 3 4 5 6 7 8\ncpu0 1 2 x 4 5 6 7 8\ncpu1 1 2 3 4 5 6 7 8\n"})
    assert "cpu0 1 2 x" in said
    assert labelled("cpu_seconds_total", cpu="1", mode="user") in found
    assert labelled("cpu_seconds_total", cpu="0", mode="user") not in found


def test_memory_available_is_read_or_estimated() -> None:
    assert parsed("memory", capture("linux-6.12"))[Series("memory_available_bytes")] == 9_000_000 * KIB
    old = parsed("memory", capture("linux-2.6.32"))
    assert old[Series("memory_available_bytes")] == (100_000 + 50_000 + 300_000 - 20_000 + 10_000) * KIB


def test_memory_without_a_field_is_not_zero() -> None:
    found, said = partly("memory", {"/proc/meminfo": "MemTotal: 100 kB\nMemFree: 50 kB\nSwapFree: 0 kB\n"})
    assert "SwapTotal" in said
    assert Series("memory_available_bytes") not in found
    assert Series("swap_total_bytes") not in found


def test_partitions_and_loops_are_left_out() -> None:
    devices = {series.label("device") for series in parsed("disk", capture("linux-6.12"))}
    assert devices == {"nvme0n1", "sda", "dm-0"}
    disk = parsed("disk", capture("linux-2.6.32"))
    assert disk[labelled("disk_written_bytes_total", device="sda")] == 160 * 512
    assert disk[labelled("disk_io_time_seconds_total", device="sda")] == 0.015


def test_interfaces_without_loopback_and_without_a_space() -> None:
    network = parsed("network", capture("linux-2.6.32"))
    assert {series.label("device") for series in network} == {"eth0"}
    assert network[labelled("network_receive_bytes_total", device="eth0")] == 4294967000
    network = parsed("network", capture("linux-6.12"))
    assert network[labelled("network_transmit_errors_total", device="eth0")] == 3


def test_load_pressure_and_uptime() -> None:
    answer = capture("linux-6.12")
    loads = {Series("load1"): 0.52, Series("load5"): 1.07, Series("load15"): 3.98}
    assert parsed("load", answer) == {**loads, Series("threads"): 512.0}
    assert parsed("pressure", answer)[labelled("pressure_percent", kind="some", resource="io")] == 40
    assert parsed("pressure", capture("linux-2.6.32")) == {}
    known = parsed("uptime", answer)
    assert known[labelled("host_info", kernel="6.12.38+deb13-amd64")] == 1
    assert known[labelled("boot_info", boot_id="7c1f0c52-3a9e-4d0b-8e57-90a4c1d2b6f3")] == 1


@pytest.mark.parametrize("boot_id", ["", "\x1b[31mevil", "7C1F0C52", "x" * 100_000])
def test_a_boot_that_has_no_number_leaves_the_uptime(boot_id: str) -> None:
    text = {"/proc/uptime": "12.5 3.0\n", "/proc/sys/kernel/random/boot_id": boot_id}
    try:
        samples, said = uptime.parse(text, uptime.Options()), ""
    except MalformedOutput as error:
        samples, said = error.samples, str(error)
    assert samples == [Sample("uptime_seconds", 12.5)]
    assert ("boot_id" in said) == bool(boot_id)
    assert len(said) < 200


def test_filesystems_with_a_disk_of_their_own_once_each() -> None:
    text = {
        "script": "/dev/sda1 / ext4 rw,relatime 0 0\n/dev/sda1 /srv/bound ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n"
        "/dev/sdb1 /mnt/My\\040Disk xfs ro,noatime 0 0\n/dev/loop3 /snap/x squashfs ro 0 0\n"
        "nas:/vol /net nfs4 rw 0 0\npool/data /data zfs rw 0 0\n@@df\n"
        "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 600 300 67% /\n"
        "/dev/sdb1 2000 100 1900 5% /mnt/My Disk\npool/data 50 10 40 20% /data\n@@inodes\n"
        "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 400 100 300 25% /\npool/data 0 0 0 - /data\n",
    }
    found = values(filesystems.parse(text, filesystems.Options()))
    assert {series.label("mountpoint") for series in found} == {"/", "/mnt/My Disk", "/data"}
    root = {"device": "/dev/sda1", "fstype": "ext4", "mountpoint": "/"}
    assert found[labelled("filesystem_used_bytes", **root)] == 600 * KIB
    assert found[labelled("filesystem_inodes_used_percent", **root)] == 25
    disk = {"device": "/dev/sdb1", "fstype": "xfs", "mountpoint": "/mnt/My Disk"}
    assert found[labelled("filesystem_read_only", **disk)] == 1
    assert labelled("filesystem_inodes_used_percent", **disk) not in found


def test_a_host_without_systemd_tells_of_no_units_and_a_broken_one_of_a_problem() -> None:
    assert units.parse({"script": ""}, units.Options()) == []
    listed = "● nginx.service loaded failed failed A server\nbackup.service not-found failed failed x\n@@status 0\n"
    found = values(units.parse({"script": listed}, units.Options()))
    assert found[Series("failed_units")] == 2
    assert found[labelled("failed_unit", unit="nginx.service")] == 1
    assert values(units.parse({"script": "@@status 0\n"}, units.Options())) == {Series("failed_units"): 0}
    assert "@@status 1" in partly("units", {"script": "@@status 1\n"})[1]


def test_the_clock_with_and_without_nanoseconds() -> None:
    exact = values(COLLECTORS["clock"].parse({"script": "1750000000.250000000\n"}))
    assert exact == {Series("clock_seconds"): 1750000000.25, Series("clock_resolution_seconds"): 0}
    coarse = values(COLLECTORS["clock"].parse({"script": "1750000000.%N\n"}))
    assert coarse == {Series("clock_seconds"): 1750000000, Series("clock_resolution_seconds"): 1}


def test_processes_with_hostile_names() -> None:
    name = "a) R (\x1b[2J"
    stat = f"/proc/7/stat:7 ({name}) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 4242 1 1\n"
    found = values(
        processes.parse(
            {"script": stat + "/proc/7/status:Uid:\t0\t33\t0\t0\n/proc/7/status:VmRSS:\t    64 kB\n"},
            processes.Options(),
        )
    )
    facts = {"command": name, "kernel": "no", "pid": "7", "started": "4242", "state": "S", "uid": "33"}
    assert found[labelled("process_cpu_seconds_total", **facts)] == 2.0
    assert found[labelled("process_resident_memory_bytes", **facts)] == 64 * KIB


def test_the_io_of_a_process_is_that_with_disks_and_unknown_where_it_may_not_be_read() -> None:
    stat = "/proc/{pid}/stat:{pid} (x) S 1 7 7 0 -1 {flags} 0 0 0 0 150 50 0 0 20 0 1 0 4242 1 1\n"
    io = (
        "/proc/7/io:read_bytes: 4096\n/proc/7/io:write_bytes: 8192\n/proc/8/io:read_bytes: 4096\n"
        "/proc/9/status:read_bytes: 1\n/proc/9/status:write_bytes: 1\n"
    )
    text = stat.format(pid=7, flags=0) + stat.format(pid=8, flags=2129984) + stat.format(pid=9, flags=4194560) + io
    try:
        samples = processes.parse({"script": text}, processes.Options())
    except MalformedOutput as error:
        samples = list(error.samples)
    found = {(one.name, dict(one.labels)["pid"]): (one.value, dict(one.labels)["kernel"]) for one in samples}
    assert {key: value for key, value in found.items() if "io" in key[0]} == {
        ("process_io_bytes_total", "7"): (12288, "no")
    }
    kernel = {pid: found["process_cpu_seconds_total", pid][1] for pid in "789"}
    assert kernel == {"7": "no", "8": "yes", "9": "no"}


TEXTS = [path.read_text() for path in sorted(Path(CAPTURES).glob("*.txt"))]
WORDS = st.sampled_from(
    sorted({word for text in TEXTS for word in text.split()} | {"-1", "nan", "1e999", "９", "9" * 400})
)
LINES = st.lists(WORDS, max_size=24).map(" ".join)
GARBAGE = st.one_of(st.text(max_size=300), st.lists(LINES, max_size=12).map("\n".join))


@pytest.mark.parametrize("kind", sorted(COLLECTORS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_text_does_more_than_be_malformed(kind: str, data: st.DataObject) -> None:
    one = COLLECTORS[kind]
    text = data.draw(st.dictionaries(st.sampled_from([*one.files, "script"]), GARBAGE))
    if data.draw(st.booleans()):
        answer = capture(data.draw(st.sampled_from([path.stem for path in CAPTURES.glob("*.txt")])))
        for path in one.files:
            if whole := answer.files.get(path):
                cut = data.draw(st.integers(0, len(whole)))
                text[path] = whole[:cut] + data.draw(GARBAGE) + whole[cut:]
    try:
        samples = one.parse(text)
    except MalformedOutput as error:
        samples, said = error.samples, str(error)
    else:
        said = "nothing is wrong"
    assert said
    assert all(sample.value == sample.value and abs(sample.value) != float("inf") for sample in samples)
