"""The bundled blue-green update on a whole host, under a load of requests of which not one may fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import BACKEND, MENDED, Load, Walk, broken
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-library"),
    pytest.mark.usefixtures("jobs"),
]
UPSTREAM = """\
cat >/etc/nginx/conf.d/lilfox-upstream.conf <<'CONF'
upstream lilfox_backend {
    server 127.0.0.1:8000 weight=5 max_fails=0;  # the live one
    server 127.0.0.1:8099 backup;
    keepalive 16;
}
map $uri $lilfox_other { default 127.0.0.1:8000; }
CONF
"""
SETUP = r"""
set -e
useradd --system --create-home --home-dir /srv/lilfox --shell /usr/sbin/nologin app
cat >/srv/backend.py <<'END_OF_BACKEND'
@BACKEND@
END_OF_BACKEND
as() { runuser -u app -- "$@"; }
as git init --quiet -b main /srv/lilfox/blue
cd /srv/lilfox/blue
as git config user.name app
as git config user.email app@localhost
for version in v1 v2 v3 broken-4; do
    echo "$version" >VERSION
    chown app VERSION
    as git add VERSION
    as git commit --quiet -m "Release $version"
    as git tag "$version"
done
as git clone --quiet /srv/lilfox/blue /srv/lilfox/green
as git -c advice.detachedHead=false checkout --quiet v1
cat >/etc/systemd/system/lilfox-backend@.service <<'UNIT'
[Service]
User=app
ExecStart=sh -c 'colour=green; [ %i = 8010 ] || colour=blue; exec python3 /srv/backend.py %i /srv/lilfox/$colour'
[Install]
WantedBy=multi-user.target
UNIT
install -d /var/log/nginx /var/lib/nginx /etc/nginx/conf.d
rm -rf /etc/nginx/sites-enabled /etc/nginx/modules-enabled; install -d /etc/nginx/modules-enabled
cat >/etc/nginx/nginx.conf <<'CONF'
events { worker_connections 1024; }
http {
    access_log off;
    include /etc/nginx/conf.d/*.conf;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server { listen 80; location / { proxy_pass http://lilfox_backend; } }
}
CONF
@UPSTREAM@
cat >/etc/systemd/system/nginx.service <<'UNIT'
[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStart=nginx
ExecReload=nginx -s reload
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --quiet lilfox-backend@8000 nginx
systemctl start lilfox-backend@8000 nginx
until curl -fsS -o /dev/null http://127.0.0.1/health 2>/dev/null; do sleep 0.1; done
""".replace("@UPSTREAM@", UPSTREAM)
RESET = f"""
{MENDED}
rm -f /etc/nginx/conf.d/zz.conf /srv/lilfox/*/sick
systemctl stop lilfox-backend@8010
runuser -u app -- git -C /srv/lilfox/blue checkout --quiet v1
systemctl restart lilfox-backend@8000
{UPSTREAM}
systemctl disable --quiet lilfox-backend@8010
systemctl enable --quiet lilfox-backend@8000
until curl -fsS -o /dev/null http://127.0.0.1:8000/health 2>/dev/null; do sleep 0.1; done
systemctl restart nginx
"""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("web-1")
    made.up()
    made.ssh(SETUP.replace("@BACKEND@", BACKEND).replace("@UPSTREAM@", UPSTREAM))
    yield made
    made.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, machine: Machine) -> Walk:
    machine.ssh(RESET)
    return Walk(tmp_path, lab, [machine])


def serves(machine: Machine) -> str:
    """What the host says through nginx."""
    return machine.ssh("curl -sS -m 5 http://127.0.0.1/health")


def enabled(machine: Machine) -> list[str]:
    """The ports of the instances that start with the host."""
    states = {port: machine.ssh(f"systemctl is-enabled lilfox-backend@{port} || true") for port in ("8000", "8010")}
    return [port for port, state in states.items() if state.strip() == "enabled"]


def upstream(machine: Machine) -> str:
    return machine.ssh("cat /etc/nginx/conf.d/lilfox-upstream.conf")


def upstream_of(port: int) -> str:
    """The whole file, in which no more than the port of the live server differs."""
    held = UPSTREAM.split("<<'CONF'\n")[1].split("CONF")[0]
    return held.replace("8000 weight", f"{port} weight")


def test_after_a_power_cut_the_host_serves_the_version_that_was_switched_to(walk: Walk, machine: Machine) -> None:
    done = walk("blue-green", "web-1", version="v2", patience=20)
    assert done.code == 0, done.why
    assert enabled(machine) == ["8010"]
    assert upstream(machine) == upstream_of(8010)
    assert machine.ssh("ls -A /etc/nginx/conf.d").split() == ["lilfox-upstream.conf"]
    machine.kill()
    machine.up()
    wait_for(lambda: '"version": "v2", "port": 8010' in machine.ssh("curl -sS -m 5 http://127.0.0.1/health || true"),
             what="the new version answers")  # fmt: skip


@pytest.mark.fault("2.20")
def test_no_request_fails_while_versions_are_switched_forth_and_back(
    walk: Walk, machine: Machine, record_property: Callable[[str, object], None]
) -> None:
    with Load(machine.address, 80).asking() as load:
        wait_for(lambda: load.answers["v1"] > 50, what="requests are answered")
        done = walk("blue-green", "web-1", version="v2", patience=20)
        assert done.code == 0, done.why
        assert "live=8000\nnext=8010" in done.output("1.1")
        assert '"version": "v2", "port": 8010' in serves(machine)
        assert machine.ssh("systemctl is-active lilfox-backend@8000 || true").strip() == "inactive"
        done = walk("blue-green", "web-1", version="v3", patience=20)
        assert done.code == 0, done.why
        assert "live=8010\nnext=8000" in done.output("1.1")
        assert '"version": "v3", "port": 8000' in serves(machine)
    record_property("requests answered, failed", (load.answers.total(), len(load.failed)))
    sys.stdout.write(f"blue-green: {load.answers.total()} requests answered, {len(load.failed)} failed\n")
    assert load.failed == []
    assert min(load.answers[version] for version in ("v1", "v2", "v3")) > 20


@pytest.mark.fault("2.20")
@pytest.mark.parametrize(
    ("fails", "fault", "values"),
    [
        ("1.1", "true", {"green_port": 8001}),
        ("1.1", "sed -i s/8000/8001/ /etc/nginx/conf.d/lilfox-upstream.conf", {}),
        ("1.1", "systemd-run --quiet --unit=other python3 -m http.server 8010", {}),
        ("2.1", "true", {"version": "v9"}),
        ("2.2", "true", {"version": "broken-4"}),
        ("2.2", "touch /srv/lilfox/green/sick", {}),
        ("3.1", broken("nginx", '[ "$1" = -t ]'), {}),
        ("3.1", "true", {"public_url": "http://127.0.0.1:81/health"}),
        ("4.1", "systemd-run --quiet --unit=holds sh -c 'exec 3<>/dev/tcp/127.0.0.1/8000; sleep 60'", {}),
    ],
)
def test_each_step_can_fail_and_traffic_stays_where_it_was(
    walk: Walk, machine: Machine, fails: str, fault: str, values: dict[str, object]
) -> None:
    machine.ssh(fault.replace("sh -c 'exec", "bash -c 'exec"))
    try:
        with Load(machine.address, 80).asking() as load:
            done = walk("blue-green", "web-1", {"version": "v2", "patience": 3, **values}, undo=True)
            assert (done.code != 0, done.failed) == (True, [fails]), done.why
    finally:
        machine.ssh(
            "systemctl stop other holds 2>/dev/null; sed -i s/8001/8000/ /etc/nginx/conf.d/lilfox-upstream.conf"
        )
    assert load.failed == []
    looked_through_nginx = fails == "4.1" or "public_url" in values
    assert set(load.answers) <= ({"v1", "v2"} if looked_through_nginx else {"v1"})
    assert '"version": "v1", "port": 8000' in serves(machine)
    assert enabled(machine) == ["8000"]
    assert upstream(machine) == upstream_of(8000)
    assert machine.ssh("systemctl is-active lilfox-backend@8010 || true").strip() in ("inactive", "failed")
    assert "8000" in machine.ssh("nginx -T 2>/dev/null | grep -A2 'upstream lilfox_backend'")
