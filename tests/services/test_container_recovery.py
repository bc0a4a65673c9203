"""``lilfox recover`` watches containers of real engines as it watches units: restarted, proved, limited, left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.containers.model import Container
from lilfox_tui.incident.incidents import list_incidents
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.recovery.containers import judge_container
from tests.services.container_engines import ContainerEngine
from tests.services.lilfox_command import lilfox
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = pytest.mark.usefixtures("jobs")
NOW = datetime.now(UTC)
SERVES = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[ContainerEngine]:
    with ContainerEngine(request.param) as running:
        yield running


class RecoveredContainer:
    """A host with one container under ``recovery:``."""

    def __init__(self, folder: Path, engine: ContainerEngine) -> None:
        self.engine, self.config = engine, folder / "config.yaml"
        self.made = ""
        self.written()

    def written(self, **changes: Any) -> None:
        """The configuration, with a container that is looked at fast."""
        one = {"host": "here", "container": "app", "every": "100ms", "failures": 2, "settle": "300ms"}
        recovery = {"api": {**one, "back_off": "100ms", **changes}}
        hosts = {"here": {"local": True, "containers": [self.engine.socket]}}
        self.config.write_text(json.dumps({"hosts": hosts, "recovery": recovery}))
        self.config.chmod(0o600)

    def run(self, script: str = SERVES, **settings: Any) -> None:
        """A container that runs a script."""
        self.made = self.engine.script("app", script, **settings)

    def recover(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code of ``lilfox recover``, and what it says of the container."""
        done = lilfox("--language", "en", "--config", self.config, "recover", "--json", *words)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["units"]["api"]
        return done.returncode, found

    def state(self) -> dict[str, Any]:
        """What the engine says."""
        found: dict[str, Any] = self.engine.ask("GET", "/containers/app/json")["State"]
        return found

    def serves(self) -> None:
        """It sleeps, and has set its trap: a signal before that ends it, or the engine's program, in another way."""
        wait_for(lambda: len(self.engine.ask("GET", "/containers/app/top")["Processes"]) == 2, what="it serves")

    def ended(self) -> None:
        """It has ended by itself, and the engine says when: a moment before it says so it does not know how."""

        def is_known() -> bool:
            state = self.state()
            return bool(state["Status"] == "exited" and not state["FinishedAt"].startswith("0001"))

        wait_for(is_known, what="it has ended")


@pytest.fixture
def api(tmp_path: Path, engine: ContainerEngine) -> Iterator[RecoveredContainer]:
    made = RecoveredContainer(tmp_path, engine)
    yield made
    if made.made:
        engine.remove(made.made)


def test_what_is_well_is_left_alone_and_one_that_crashed_is_restarted_as_a_job(api: RecoveredContainer) -> None:
    api.run("trap 'exit 0' TERM; [ -e /once ] || { echo >/once; exit 3; }; while :; do sleep 1 & wait $!; done")
    api.ended()
    assert api.recover("--dry-run")[1]["why"] == "app is exited (3)"
    assert list_jobs() == []
    code, found = api.recover()
    assert (code, found["state"]) == (0, "well"), found
    (job,) = list_jobs()
    assert (job.kind, job.state, job.id) == ("recover", "ok", found["job"])
    assert job.message == "container app is running"
    started = api.state()["StartedAt"]
    assert api.recover()[0] == 0
    assert (api.state()["StartedAt"], len(list_jobs())) == (started, 1)


def test_one_that_was_stopped_is_left_alone(api: RecoveredContainer) -> None:
    api.run()
    api.serves()
    api.engine.ask("POST", "/containers/app/stop?t=5")
    api.ended()
    code, found = api.recover()
    assert (code, found["state"]) == (0, "left alone"), found
    assert "was stopped, or exited successfully (0)" in found["why"]
    assert list_jobs() == []


def test_at_the_limit_it_is_given_up_and_an_incident_opened(api: RecoveredContainer) -> None:
    api.written(limit=1, failures=1)
    api.run("usleep 200000; exit 4")
    api.ended()
    code, found = api.recover()
    assert (code, found["state"]) == (1, "given up"), found
    assert [job.state for job in list_jobs()] == ["failed"]
    (incident,) = list_incidents()
    assert "container app on here failed to recover" in incident.title
    assert api.recover()[1]["state"] == "given up"
    assert len(list_jobs()) == 1


def test_one_that_its_own_check_finds_ill_is_restarted_and_proved_by_that_check(api: RecoveredContainer) -> None:
    check = {"Test": ["CMD", "sh", "-c", "[ -e /ill ] && exit 1 || exit 0"], "Interval": 300_000_000, "Retries": 1}
    begin = "if [ -e /began ]; then busybox rm -f /ill; else echo >/began; echo >/ill; fi"
    api.run(f"{begin}; {SERVES}", Healthcheck=check)
    for _turn in range(3):
        api.engine.check_health("app")
    wait_for(lambda: api.state()["Health"]["Status"] == "unhealthy", what="it is unhealthy")
    code, found = api.recover("--dry-run")
    assert (code, found["state"]) == (1, "unhealthy"), found
    assert "health checks failed in a row" in found["why"]
    if api.engine.kind == "podman":
        return  # without systemd nothing runs its checks
    code, found = api.recover()
    assert (code, found["state"]) == (0, "well"), found
    assert api.state()["Health"]["Status"] == "healthy"


def test_a_container_that_is_not_there_is_unknown(api: RecoveredContainer) -> None:
    code, found = api.recover()
    assert (code, found["state"], found["why"]) == (1, "unknown", "here has no container app")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": "running"}, "well"),
        ({"state": "running", "health": "starting"}, "well"),
        ({"state": "running", "health": "unhealthy"}, "unhealthy"),
        ({"state": "exited", "exit_code": 1, "finished": NOW}, "unhealthy"),
        ({"state": "exited"}, "left alone"),
        ({"state": "exited", "exit_code": 1, "finished": NOW, "started": NOW + timedelta(seconds=1)}, "left alone"),
        ({"state": "exited", "exit_code": 1, "finished": NOW, "started": NOW + timedelta(seconds=0.01)}, "unhealthy"),
        ({"state": "exited", "exit_code": 137, "finished": NOW}, "left alone"),
        ({"state": "exited", "exit_code": 137, "oom_killed": True, "finished": NOW}, "unhealthy"),
        ({"state": "exited", "exit_code": 143, "finished": NOW}, "left alone"),
        ({"state": "created"}, "left alone"),
        ({"state": "created", "error": "no such file"}, "unhealthy"),
        ({"state": "restarting", "exit_code": 0}, "unhealthy"),
        ({"state": "dead"}, "unhealthy"),
        ({"state": "paused"}, "left alone"),
        ({"state": "unknown"}, "unhealthy"),
    ],
)
def test_how_a_container_is(changes: dict[str, Any], state: str) -> None:
    assert judge_container(Container(id="ab" * 32, name="app", image="x", **changes))[0] == state
