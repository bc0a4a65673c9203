"""Containers of Podman on a host with cgroup v2, as its control groups tell of them: under systemd and without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.config.model import Config
from lilfox_tui.containers.model import ContainerView
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.monitor import Monitor
from tests.lab.auditing import run, write
from tests.lab.kernels import KernelMachine
from tests.lab.machines import MachineLab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
ENGINE = '[engine]\ncgroup_manager = "{manager}"\nruntime = "runc"\nevents_logger = "file"'
IMAGE = (
    "mkdir -p /srv/image/bin; cp /bin/busybox /srv/image/bin/; ln -sf busybox /srv/image/bin/sh; "
    "tar -C /srv/image -c . | podman import -q - box"
)
PODMAN = (
    "podman run -d --network none --memory 24m --cpus 0.5 --name {name} {options} box /bin/busybox sh -c '{program}'"
)


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[KernelMachine]:
    made = KernelMachine(lab, "boxes1", memory_mb=448)
    made.up()
    asyncio.run(_prepared(made))
    yield made
    made.kill()


async def _prepared(machine: KernelMachine) -> None:
    await write(machine, "/etc/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
    await run(machine, IMAGE)


async def seen(lab: MachineLab, machine: KernelMachine) -> dict[str, ContainerView]:
    config = Config(hosts={machine.name: machine.config()}, ssh=lab.ssh())
    overview = await Monitor(config).check_once(60)
    (engine,) = overview.containers[machine.name]
    assert engine.error is None
    return {each.container.name: each for each in engine.containers}


@pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])
async def test_use_limits_and_kills_of_containers(lab: MachineLab, machine: KernelMachine, manager: str) -> None:
    await write(machine, "/etc/containers/containers.conf", ENGINE.format(manager=manager))
    eats = "x=1; while true; do x=$x$x; done"
    await run(
        machine,
        PODMAN.format(name="busy", options="", program="while true; do true; done"),
        PODMAN.format(name="idle", options="", program="sleep 600"),
        PODMAN.format(name="eats", options="", program=eats),
        "podman wait eats",
    )
    found = await seen(lab, machine)
    assert found.keys() == {"busy", "idle", "eats"}
    busy, idle, eats_view = found["busy"], found["idle"], found["eats"]
    assert (busy.container.cpu_limit, busy.container.memory_limit) == (0.5, 24 * 2**20)
    assert busy.cpu_percent is not None
    assert busy.cpu_percent > 10
    assert idle.cpu_percent is not None
    assert idle.cpu_percent < 5
    for each in (busy, idle):
        assert each.usage.memory is not None
        assert 0 < each.usage.memory < 24 * 2**20
        assert each.usage.oom_kills == 0
        assert each.usage.read_bytes is not None
    assert eats_view.container.exit_code == 137
    if manager == "cgroupfs":  # systemd may remove the group before Podman has read why it ended
        assert (eats_view.container.oom_killed, eats_view.level) == (True, Level.FAILING)
        assert "memory" in str(eats_view.reasons[0])
    await run(machine, "podman rm -f -t 0 busy idle eats")
