"""Bundled runbooks that went well and are taken back all the same, and those whose change is not what it looks like."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lilfox_tui.runbook import library
from lilfox_tui.runbook.run.protocol import FinishRun, Undo
from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import BACKEND, Load, Walk, install_backend
from tests.lab.test_library_blue_green import RESET, SETUP, serves
from tests.lab.test_library_service import Ordered
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-library"),
    pytest.mark.usefixtures("jobs"),
]


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("web-1")
    made.up()
    made.ssh(SETUP.replace("@BACKEND@", BACKEND))
    yield made
    made.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, machine: Machine) -> Walk:
    machine.ssh(RESET)
    return Walk(tmp_path, lab, [machine])


def ordered(walk: Walk, name: str) -> Ordered:
    """A bundled runbook, ordered command by command."""
    made = Ordered(walk)
    made.path = Path(library.__file__).parent / "library" / "en" / f"{name}.md"
    return made


@pytest.mark.fault("2.20")
def test_no_request_fails_when_a_switch_that_went_well_is_taken_back(
    walk: Walk, machine: Machine, record_property: Callable[[str, object], None]
) -> None:
    """Also of those that take two seconds, and so are asked of one version and answered when another one serves."""
    run = ordered(walk, "blue-green")
    job = run.begin(hosts="web-1", values={"version": "v2", "patience": "20"})
    loads = [Load(machine.address, 80), Load(machine.address, 80, "/slow")]
    try:
        with ExitStack() as asking:
            for load in loads:
                asking.enter_context(load.asking())
            wait_for(lambda: all(load.answers["v1"] for load in loads), what="requests are answered")
            for step, command in ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)):
                run.one(job, step, command, "done")
            assert '"version": "v2", "port": 8010' in serves(machine)
            wait_for(lambda: all(load.answers["v2"] for load in loads), what="the new version answers")
            run.order(job, Undo(sha256=run.sha256))
            run.until(job, "undone", 2, 1)
            assert '"version": "v1", "port": 8000' in serves(machine)
    finally:
        run.order(job, FinishRun(abort=True))
        run.ended(job)
    answered, failed = sum(load.answers.total() for load in loads), [each for load in loads for each in load.failed]
    record_property("requests answered, failed", (answered, len(failed)))
    sys.stdout.write(f"blue-green and back: {answered} requests answered, {len(failed)} failed\n")
    assert failed == []
    assert machine.ssh("systemctl is-active lilfox-backend@8010 || true").strip() == "inactive"


@pytest.mark.fault("2.20")
def test_what_nginx_was_told_and_did_not_load_is_no_switch(walk: Walk, machine: Machine) -> None:
    """It takes a port that is somebody else's only when it loads it: ``nginx -t`` is content, and so is the reload."""
    machine.ssh("echo 'server { listen 127.0.0.1:8000; }' >/etc/nginx/conf.d/zz.conf; nginx -t")
    with Load(machine.address, 80).asking() as load:
        done = walk("blue-green", "web-1", version="v2", patience=3, undo=True)
        assert (done.code != 0, done.failed) == (True, ["3.1"]), done.why
        assert "does not load it" in done.output("3.1")
    assert load.failed == []
    assert set(load.answers) == {"v1"}
    assert machine.ssh("systemctl is-active lilfox-backend@8000").strip() == "active"


@pytest.fixture(scope="module")
def crashing(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app-1")
    made.up()
    install_backend(made)
    yield made
    made.kill()


def test_an_undo_knows_nothing_of_the_incident_before(tmp_path: Path, lab: MachineLab, crashing: Machine) -> None:
    """Then the service went to another commit; now it is healthy, and stays what it is."""
    as_app = "cd /srv/lilfox; runuser -u app -- git"
    crashing.ssh(f"{as_app} rev-parse v1 >.git/lilfox-before; systemctl restart lilfox-backend")
    run = ordered(Walk(tmp_path, lab, [crashing]), "service-crash")
    job = run.begin(hosts="app-1", values={"previous-commit": "v1", "patience": "10"})
    try:
        run.one(job, 4, 1, "done")
        run.order(job, Undo(sha256=run.sha256))
        run.until(job, "undone", 4, 1)
    finally:
        run.order(job, FinishRun(abort=True))
        run.ended(job)
    assert crashing.ssh("cat /srv/lilfox/VERSION") == "v2\n"
