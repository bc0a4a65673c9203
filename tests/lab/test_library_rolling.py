"""The bundled rolling updates: of whole hosts one after the other, and of a deployment by kubectl.

There is no real API server: ``kubectl`` is a stand-in of this test that knows the few calls which the runbook makes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import MENDED, Load, Walk, broken, install_backend
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-library"),
    pytest.mark.usefixtures("jobs"),
]
RESET = f"""
{MENDED}
cd /srv/lilfox
rm -f sick .git/lilfox-before .git/index.lock
runuser -u app -- git checkout -q --detach v1
systemctl reset-failed lilfox-backend
systemctl restart lilfox-backend
until curl -fsS -o /dev/null http://127.0.0.1:8000/health 2>/dev/null; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def machines(lab: MachineLab) -> Iterator[list[Machine]]:
    made = [lab.machine("web-1"), lab.machine("web-2")]
    for machine in made:
        machine.up()
        install_backend(machine)
    yield made
    for machine in made:
        machine.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, machines: list[Machine]) -> Walk:
    for machine in machines:
        machine.ssh(RESET)
    return Walk(tmp_path, lab, machines)


def versions(machines: list[Machine]) -> list[str]:
    """What each serves."""
    answers = [machine.ssh("curl -sS -m 5 http://127.0.0.1:8000/health || true") for machine in machines]
    return [json.loads(answer)["version"] if answer else "" for answer in answers]


def test_hosts_are_updated_one_after_the_other(walk: Walk, machines: list[Machine]) -> None:
    done = walk("rolling-update", "web-1,web-2", version="v2", patience=10)
    assert done.code == 0, done.why
    assert versions(machines) == ["v2", "v2"]


@pytest.mark.parametrize(
    ("fails", "on", "fault"),
    [
        ("1.1", 1, "systemctl stop lilfox-backend"),
        ("2.1", 0, broken("systemctl", '[ "$1" = restart ] && [ ! -e /once ] && touch /once')),
        ("2.1", 1, broken("systemctl", '[ "$1" = restart ] && [ ! -e /once ] && touch /once')),
        ("3.1", 1, broken("git", '[ "$*" = "rev-parse HEAD" ] && [ -e .git/lilfox-before ]')),
    ],
)  # fmt: skip
def test_the_first_host_that_fails_stops_all_and_the_undo_brings_them_back(
    walk: Walk, machines: list[Machine], fails: str, on: int, fault: str
) -> None:
    machines[on].ssh(f"rm -f /once; {fault}")
    done = walk("rolling-update", "web-1,web-2", undo=True, version="v2", patience=3)
    assert (done.code != 0, done.failed) == (True, [fails]), done.why
    for machine in machines:
        machine.ssh(f"{MENDED}; systemctl start lilfox-backend")
    assert versions(machines) == ["v1", "v1"]


BALANCER = """
install -d /srv/lb /var/lib/nginx /var/log/nginx
rm -rf /etc/nginx/modules-enabled; install -d /etc/nginx/modules-enabled
cat >/etc/nginx/nginx.conf <<'CONF'
user root;
events { worker_connections 1024; }
http {
    access_log off;
    split_clients $request_id $pick { 50% @ONE@; * @TWO@; }
    server {
        listen 80;
        location / {
            set $to $pick;
            if (-f /srv/lb/web-1) { set $to @TWO@; }
            if (-f /srv/lb/web-2) { set $to @ONE@; }
            proxy_pass http://$to:8000;
        }
        location /lb/ { alias /srv/lb/; dav_methods PUT DELETE; }
    }
}
CONF
systemd-run --quiet --unit=balancer nginx -g 'daemon off;'
until curl -fsS -o /dev/null http://127.0.0.1/health 2>/dev/null; do sleep 0.1; done
"""
"""An nginx that balances between both hosts, and sends nothing to one whose name was put to ``/lb/``."""
DRAIN = """\
cat >/usr/local/bin/drain <<'DRAIN'
#!/bin/sh
echo "$1" >>/tmp/drained
[ ! -e /tmp/refuses ] || exit 1
case $1 in
    out) echo | curl -fsS -m 5 -T - http://@ONE@/lb/$(hostname) ;;
    in) curl -sS -m 5 -X DELETE http://@ONE@/lb/$(hostname) ;;
esac
DRAIN
chmod +x /usr/local/bin/drain
sed -i 's/127.0.0.1", port/0.0.0.0", port/' /srv/backend.py
rm -f /tmp/drained /tmp/refuses
systemctl restart lilfox-backend
until curl -fsS -o /dev/null http://127.0.0.1:8000/health 2>/dev/null; do sleep 0.1; done
"""


@pytest.fixture
def balanced(machines: list[Machine], walk: Walk) -> Iterator[Walk]:
    """Both hosts, behind a balancer on the first."""
    one, two = (machine.address for machine in machines)
    for machine in machines:
        machine.ssh(DRAIN.replace("@ONE@", one))
    machines[0].ssh(BALANCER.replace("@ONE@", one).replace("@TWO@", two))
    yield walk
    machines[0].ssh("systemctl stop balancer; rm -rf /srv/lb")


def test_no_request_fails_while_hosts_behind_a_balancer_are_updated(balanced: Walk, machines: list[Machine]) -> None:
    values = {"version": "v2", "patience": 20, "drain_program": "/usr/local/bin/drain"}
    with Load(machines[0].address, 80).asking() as load:
        wait_for(lambda: load.answers["v1"] > 50, what="requests are answered")
        done = balanced("rolling-update", "web-1,web-2", values)
        assert done.code == 0, done.why
        wait_for(lambda: load.answers["v2"] > 50, what="the new version answers")
    assert load.failed == []
    assert versions(machines) == ["v2", "v2"]
    assert [machine.ssh("cat /tmp/drained").split() for machine in machines] == [["out", "in"]] * 2
    assert machines[0].ssh("ls /srv/lb").split() == []


def test_a_host_that_the_balancer_does_not_let_go_is_not_touched(balanced: Walk, machines: list[Machine]) -> None:
    machines[1].ssh("touch /tmp/refuses")
    values = {"version": "v2", "patience": 20, "drain_program": "/usr/local/bin/drain"}
    done = balanced("rolling-update", "web-1,web-2", values, undo=True)
    assert (done.code != 0, done.failed) == (True, ["2.1"]), done.why
    assert "this host is not updated" in done.output("2.1")
    assert versions(machines) == ["v1", "v1"]
    assert machines[0].ssh("cat /tmp/drained").split() == ["out", "in", "out", "in"]


KUBECTL = """\
#!/usr/bin/python3
import json, pathlib, sys
state = pathlib.Path(__file__).with_name("state.json")
data = json.loads(state.read_text())
if "--context=prod" not in sys.argv and sys.argv[1:] != ["config", "get-contexts", "--output=name"]:
    sys.exit("error: no context was named")
words = [word for word in sys.argv[1:] if not word.startswith(("--namespace=", "--context="))]
def save(): state.write_text(json.dumps(data))
if words[:2] == ["rollout", "status"]:
    if data["images"][-1].endswith(":bad"): sys.exit("error: timed out waiting for the condition")
    print("deployment successfully rolled out")
elif words[:2] == ["config", "get-contexts"]:
    print("prod\\nstaging")
elif words[:2] == ["config", "view"]:
    print("https://prod.example:6443", end="")
elif words[:2] == ["get", "deployment"]:
    path = words[-1].split("jsonpath=")[1]
    print(data["images"][-1] if "image" in path else len(data["images"]) if "revision" in path else "0", end="")
elif words[:2] == ["set", "image"]:
    if "refused" in words[-1]: sys.exit("error: forbidden")
    data["images"].append(words[-1].split("=", 1)[1]); save()
elif words[:2] == ["rollout", "undo"]:
    data["images"].append(data["images"][int(words[-1].split("=")[1]) - 1]); save()
else:
    sys.exit(f"unknown: {words}")
"""


class Cluster:
    """A stand-in ``kubectl`` in front of the path, and what it holds."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "kubectl").write_text(KUBECTL)
        (folder / "kubectl").chmod(0o755)
        self._state = folder / "state.json"
        self._state.write_text(json.dumps({"images": ["registry:5000/backend:1"]}))

    @property
    def image(self) -> str:
        return str(json.loads(self._state.read_text())["images"][-1])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Cluster(tmp_path / "bin")


def test_a_deployment_is_brought_to_an_image(tmp_path: Path, lab: MachineLab, cluster: Cluster) -> None:
    done = Walk(tmp_path, lab, [])("rolling-update-kubernetes", context="prod", image="registry:5000/backend:2")
    assert done.code == 0, done.why
    assert "revision=1" in done.output("1.1")
    assert "context=prod\nAPI server: https://prod.example:6443" in done.output("1.1")
    assert cluster.image == "registry:5000/backend:2"


@pytest.mark.parametrize(
    ("fails", "image"), [("1.1", "backend:latest"), ("2.1", "backend:refused"), ("2.2", "backend:bad")]
)
def test_a_deployment_goes_back_to_its_revision(
    tmp_path: Path, lab: MachineLab, cluster: Cluster, fails: str, image: str
) -> None:
    done = Walk(tmp_path, lab, [])("rolling-update-kubernetes", undo=True, context="prod", image=image)
    assert (done.code != 0, done.failed) == (True, [fails]), done.why
    assert cluster.image == "registry:5000/backend:1"


@pytest.mark.parametrize("values", [{}, {"context": "staging"}])
def test_no_deployment_is_changed_without_its_context(
    tmp_path: Path, lab: MachineLab, cluster: Cluster, values: dict[str, object]
) -> None:
    done = Walk(tmp_path, lab, [])("rolling-update-kubernetes", values=values, image="backend:2")
    assert done.code != 0, done.why
    assert cluster.image == "registry:5000/backend:1"
