"""What the script reads of control groups of version 2, from texts as the kernel writes them. Version 1 is read of real
engines in tests/services/test_containers.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lilfox_tui.containers.model import ContainerUsage, usages_of
from lilfox_tui.metrics.collectors.containers import Options, parse, script

ID, OTHER = "0123456789ab" + "c" * 52, "ba9876543210" + "d" * 52
GROUP = {
    "memory.current": "268435456\n",
    "memory.stat": "anon 180355072\nfile 76546048\nkernel 9437184\nkernel_stack 262144\npagetables 1310720\n"
    "sock 0\nshmem 0\nfile_mapped 25165824\nfile_dirty 0\ninactive_anon 180330496\nactive_anon 24576\n"
    "inactive_file 68157440\nactive_file 8388608\nunevictable 0\nslab_reclaimable 5242880\npgfault 812345\n",
    "memory.events": "low 0\nhigh 12\nmax 48\noom 3\noom_kill 2\noom_group_kill 0\n",
    "cpu.stat": "usage_usec 27960123\nuser_usec 20123456\nsystem_usec 7836667\ncore_sched.force_idle_usec 0\n"
    "nr_periods 4711\nnr_throttled 12\nthrottled_usec 98765\nnr_bursts 0\nburst_usec 0\n",
    "io.stat": "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
    "8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n",
    "cgroup.procs": "",
}
"""Kernel 6.12, Documentation/admin-guide/cgroup-v2.rst."""
USED = ContainerUsage(
    cpu_s=27.960123,
    memory=200278016.0,
    oom_kills=2.0,
    read_bytes=91889664.0,
    written_bytes=613781504.0,
)
PLACES = {
    "Docker, systemd": f"system.slice/docker-{ID}.scope",
    "Docker, cgroupfs": f"docker/{ID}",
    "Podman, systemd": f"machine.slice/libpod-{ID}.scope",
    "Podman, cgroupfs": f"libpod_parent/libpod-{ID}",
    "Podman of a user": f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
    "Docker of a user": f"user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope",
}


def group(root: Path, place: str, **changes: str) -> Path:
    """A control group in a tree of version 2."""
    folder = root / place
    folder.mkdir(parents=True)
    for name, text in {**GROUP, **changes}.items():
        (folder / name).write_text(text)
    return folder


def used(root: Path, options: Options | None = None) -> dict[str, ContainerUsage]:
    """What the script says of the containers below a root of version 2."""
    (root / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc\n")
    text = script(options or Options()).replace("/sys/fs/cgroup", str(root))
    ran = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == ""
    read_at, found = usages_of((each.series, each.value) for each in parse({"script": ran.stdout}, Options()))
    assert (read_at is not None) == bool(found)
    return found


def test_each_engine_has_its_groups_where_it_puts_them(tmp_path: Path) -> None:
    for number, (name, place) in enumerate(PLACES.items()):
        group(tmp_path / str(number), place)
        assert used(tmp_path / str(number)) == {ID[:12]: USED}, name


def test_what_belongs_to_a_container_is_no_container(tmp_path: Path) -> None:
    group(tmp_path, f"machine.slice/libpod-conmon-{ID}.scope")
    group(tmp_path, f"system.slice/docker-{ID}.scope")
    group(tmp_path, f"system.slice/docker-{ID}.scope/init.scope")
    group(tmp_path, f"system.slice/docker-{ID}.scope/docker/{OTHER}")  # of an engine inside of it
    group(tmp_path, "system.slice/docker.service")
    group(tmp_path, "system.slice/docker-short.scope")
    assert used(tmp_path) == {ID[:12]: USED}


def test_processes_may_be_in_a_group_below(tmp_path: Path) -> None:
    """Podman's are in ``container``: the group above has the numbers, none of the processes."""
    folder = group(tmp_path, f"machine.slice/libpod-{ID}.scope")
    below = folder / "container"
    below.mkdir()
    (below / "cgroup.procs").write_text("1\n")  # of this machine, whose interfaces are counted then
    found = used(tmp_path)[ID[:12]]
    assert found.receive_bytes is not None
    assert found.transmit_bytes is not None


def test_what_a_kernel_does_not_tell_is_unknown(tmp_path: Path) -> None:
    folder = group(tmp_path, f"docker/{ID}")
    for name in (
        "memory.events",
        "cpu.stat",
        "memory.stat",
    ):  # cpu.stat is always there, the others by their controllers
        (folder / name).unlink()
    (folder / "memory.current").write_text("")
    found = used(tmp_path)[ID[:12]]
    assert (found.cpu_s, found.memory, found.oom_kills) == (None, None, None)
    assert found.read_bytes == USED.read_bytes


def test_inactive_files_never_make_less_than_nothing(tmp_path: Path) -> None:
    group(tmp_path, f"docker/{ID}", **{"memory.current": "4096\n"})
    assert used(tmp_path)[ID[:12]].memory == 0.0


def test_so_many_are_read_at_most(tmp_path: Path) -> None:
    for number in range(5):
        group(tmp_path, f"docker/{number}{ID[1:]}")
    assert len(used(tmp_path, Options(most=3))) == 3
