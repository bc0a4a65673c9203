"""The checks of containers on real engines: each fault is made, found, mended as its finding says, and gone."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.host.containers import parse_engines
from lilfox_tui.audit.model import Absent, AuditFinding, Found, Passed, Report, Target
from lilfox_tui.audit.run import Audit, judged, targets_of
from lilfox_tui.audit.targets.hosts import CONTAINERS, AuditedContainer, Printed
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.containers.model import Container
from tests.ports import free_port
from tests.services.container_engines import ContainerEngine

USER = 64321
LIMITED = {"Memory": 32 << 20}
VERSION = "localhost/bb:1"


@pytest.fixture(scope="module")
def podman() -> Iterator[ContainerEngine]:
    with ContainerEngine("podman") as running:
        yield running


@pytest.fixture(scope="module")
def docker() -> Iterator[ContainerEngine]:
    with ContainerEngine("docker") as running:
        yield running


@pytest.fixture(params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> ContainerEngine:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ContainerEngine)
    return found


async def report_on(engine: ContainerEngine, *checks: str) -> Report:
    config = Config(hosts={"here": HostConfig(local=True, containers=(engine.socket,))})
    return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))


async def found(engine: ContainerEngine, *checks: str) -> dict[str, AuditFinding]:
    """The findings of a check by their subjects; everything could be checked."""
    report = await report_on(engine, *checks)
    assert report.not_checked == ()
    return {each.finding.subject: each.finding for each in report.found}


async def made(engine: ContainerEngine, name: str, **settings: Any) -> None:
    """A container of that name, in place of one that is there."""
    await asyncio.to_thread(engine.run, name, "sleep", "60", **settings)


async def anew(engine: ContainerEngine, name: str, **settings: Any) -> None:
    await asyncio.to_thread(engine.remove, name)
    await made(engine, name, **settings)


@pytest.mark.provokes(
    "container-privileged", "container-engine-socket", "container-root-on-host-network", "container-image-tag"
)
@pytest.mark.parametrize(
    ("check", "settings", "evidence"),
    [
        ("container-privileged", {"host": {"Privileged": True}}, "app: Privileged=true"),
        ("container-engine-socket", {"host": {"Binds": ["SOCKET:/run/docker.sock:ro"]}}, "app mounts SOCKET"),
        ("container-root-on-host-network", {"host": {"NetworkMode": "host"}}, "app: NetworkMode=host, user root"),
        ("container-image-tag", {"Image": "localhost/bb:latest"}, "app runs localhost/bb:latest"),
    ],
)
async def test_a_setting_is_found_and_gone_with_the_container_made_anew(
    engine: ContainerEngine, check: str, settings: dict[str, Any], evidence: str
) -> None:
    said = json.loads(json.dumps(settings).replace("SOCKET", engine.socket))
    engine.ask("POST", f"/images/{VERSION}/tag?repo=localhost/bb&tag=latest", plain=True)
    await made(engine, "app", **said)
    try:
        finding = (await found(engine, check))["app"]
        assert str(finding.evidence) == evidence.replace("SOCKET", engine.socket)
        assert str(finding.fix.text)
        program = engine.kind
        assert finding.fix.commands == (f"{program} inspect app",)
        await anew(engine, "app")
        assert await found(engine, check) == {}
    finally:
        await asyncio.to_thread(engine.remove, "app")
    assert await found(engine, check) == {}, "nothing runs"


async def test_another_user_may_be_in_the_network_of_the_host(engine: ContainerEngine) -> None:
    await made(engine, "app", host={"NetworkMode": "host"}, User="1000:1000")
    try:
        assert await found(engine, "container-root-on-host-network") == {}
    finally:
        await asyncio.to_thread(engine.remove, "app")


@pytest.mark.provokes("container-no-memory-limit")
async def test_a_container_without_a_limit_gets_one(docker: ContainerEngine) -> None:
    await made(docker, "app")
    try:
        [finding] = (await found(docker, "container-no-memory-limit")).values()
        _look, command = map(shlex.split, finding.fix.commands)
        words = [f"{shutil.which('docker')}", "--host", f"unix://{docker.socket}", *command[1:]]
        await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True, timeout=60)
        assert await found(docker, "container-no-memory-limit") == {}
    finally:
        await asyncio.to_thread(docker.remove, "app")


async def test_a_limit_that_is_there_is_none_missing(podman: ContainerEngine) -> None:
    await made(podman, "app", host=LIMITED)
    try:
        assert await found(podman, "container-no-memory-limit") == {}
        await anew(podman, "app")
        assert (await found(podman, "container-no-memory-limit")).keys() == {"app"}
    finally:
        await asyncio.to_thread(podman.remove, "app")


@pytest.mark.provokes("container-public-port")
async def test_a_port_on_all_addresses(docker: ContainerEngine) -> None:
    port = free_port("127.0.0.1")
    network = docker.ask("POST", "/networks/create", {"Name": "lilfox-audit", "Driver": "bridge"})["Id"]

    def settings(address: str) -> dict[str, Any]:
        places = {"8080/tcp": [{"HostIp": address, "HostPort": str(port)}]}
        return {"host": {"NetworkMode": "lilfox-audit", "PortBindings": places}, "ExposedPorts": {"8080/tcp": {}}}

    try:
        await made(docker, "app", **settings("0.0.0.0"))
        finding = (await found(docker, "container-public-port"))[f"app:{port}"]
        assert f":{port}->8080/tcp" in str(finding.evidence)
        assert f"-p 127.0.0.1:{port}:8080" in str(finding.fix.text)
        await anew(docker, "app", **settings("127.0.0.1"))
        assert await found(docker, "container-public-port") == {}
    finally:
        await asyncio.to_thread(docker.remove, "app")
        docker.ask("DELETE", f"/networks/{network}")


async def test_the_engine_of_a_user_has_no_rights_of_root_to_give() -> None:
    checks = ("container-privileged", "container-root-on-host-network", "container-image-tag")
    with ContainerEngine("podman", user=USER) as own:
        own.ask("POST", f"/images/{VERSION}/tag?repo=localhost/bb&tag=latest", plain=True)
        await made(own, "app", host={"NetworkMode": "host"}, Image="localhost/bb:latest")
        report = await report_on(own, *checks)
        assert [each.check.id for each in report.found] == ["container-image-tag"]
        assert {each.check.id for each in report.passed} == set(checks[:2])


@pytest.mark.provokes("container-engine-tcp")
async def test_an_engine_that_listens_for_everybody() -> None:
    port = free_port("127.0.0.1")
    address = f"tcp://127.0.0.1:{port}"
    with ContainerEngine("docker", words=("-H", address)) as open_to_all:
        finding = (await found(open_to_all, "container-engine-tcp"))[f"dockerd: {address}"]
        assert "without --tlsverify" in str(finding.evidence)
        open_to_all.stop()
        open_to_all.words = ()
        open_to_all.start()
        assert f"dockerd: {address}" not in await found(open_to_all, "container-engine-tcp")


async def test_an_engine_that_cannot_be_asked_is_no_pass(tmp_path: Any) -> None:
    config = Config(hosts={"here": HostConfig(local=True, containers=(f"{tmp_path}/none.sock",))})
    report = await Audit(config, timeout_s=60).run(chosen(["container-privileged"]), targets_of(config))
    assert [each.check.id for each in report.not_checked] == ["container-privileged"]
    config = Config(hosts={"here": HostConfig(local=True, containers=())})
    report = await Audit(config, timeout_s=60).run(chosen(["container-privileged"]), targets_of(config))
    assert (report.not_checked, report.passed, report.found) == ((), (), ())


@pytest.mark.parametrize(
    ("image", "versioned"),
    [
        ("redis", False), ("redis:latest", False), ("registry.example:5000/a/redis", False), ("redis:7.2", True),
        ("registry.example:5000/a/redis:7", True), (f"redis@sha256:{'ab' * 32}", True), ("ab" * 6, True),
        (f"sha256:{'ab' * 32}", True),
    ],
)  # fmt: skip
def test_which_images_have_a_version(image: str, versioned: bool) -> None:
    runs = Container(id="ab" * 32, name="app", image=image, state="running")
    answer = {CONTAINERS.name: (AuditedContainer(runs, "docker", rootless=False),)}
    [check] = chosen(["container-image-tag"])
    assert [type(each) for each in judged(Target("host", "web"), [check], answer)] == [Passed if versioned else Found]


@pytest.mark.parametrize(
    ("words", "file", "addresses", "verifies"),
    [
        (("dockerd", "-H", "fd://"), "", (), False),
        (("dockerd", "-H", "tcp://0.0.0.0:2375", "--host=unix:///x"), "", ("tcp://0.0.0.0:2375",), False),
        (("dockerd", "-Htcp://:2375"), "", ("tcp://:2375",), False),
        (("dockerd", "--host", "tcp://:2376", "--tlsverify"), "", ("tcp://:2376",), True),
        (("dockerd",), '{"hosts": ["tcp://:2376", "fd://"], "tlsverify": true}', ("tcp://:2376",), True),
        (("dockerd",), '{"hosts": ["tcp://:2375"], "tls": true}', ("tcp://:2375",), False),
        (("podman", "system", "service", "--time", "0", "tcp://0.0.0.0:8888"), "", ("tcp://0.0.0.0:8888",), False),
        (("podman", "run", "-e", "X=tcp://a", "bb"), "", (), False),
    ],
)
def test_where_an_engine_listens(words: tuple[str, ...], file: str, addresses: tuple[str, ...], verifies: bool) -> None:
    text = "@@process {}\n{}\n\n@@file\n{}".format(words[0], "\n".join(words), file)
    [engine] = parse_engines(Printed(text))
    assert (engine.addresses, engine.verifies) == (addresses, verifies)
    with pytest.raises(Absent):
        parse_engines(Printed("@@file\n"))
