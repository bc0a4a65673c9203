"""The bundled installation of Prometheus, on a whole host, with the real programs behind a server of releases."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import MENDED, Walk, broken
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-recovery"),
    pytest.mark.usefixtures("jobs"),
]
RELEASES = """
set -e
arch=$(dpkg --print-architecture)
release() {
    folder=/srv/mirror/$1/releases/download/v$2
    install -d "$folder" "/srv/made/$1-$2.linux-$arch"
    ln -s "$3" "/srv/made/$1-$2.linux-$arch/$1"
    ln -s /usr/bin/promtool "/srv/made/$1-$2.linux-$arch/"
    tar -ch -C /srv/made "$1-$2.linux-$arch" | gzip -1 >"$folder/$1-$2.linux-$arch.tar.gz"
}
release prometheus 3.5.0 /usr/bin/prometheus
release node_exporter 1.9.1 /usr/bin/prometheus-node-exporter
systemd-run --quiet --unit=mirror python3 -m http.server --bind 127.0.0.1 --directory /srv/mirror 8900
until curl -fsS -o /dev/null http://127.0.0.1:8900/; do sleep 0.1; done
"""
"""Debian's own programs, packed as the project packs its releases."""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("metrics")
    made.up()
    subprocess.run(["mount", "-o", "remount,size=2g", str(made.folder)], check=True)  # the programs are large
    made.ssh(RELEASES)
    yield made
    made.kill()


@pytest.fixture
def values(machine: Machine) -> dict[str, object]:
    sums = [
        machine.ssh(f"sha256sum /srv/mirror/{name}/releases/download/*/*.tar.gz").split()[0]
        for name in ("prometheus", "node_exporter")
    ]
    return {
        "version": "3.5.0", "sha256": sums[0], "node_version": "1.9.1", "node_sha256": sums[1], "port": 19090,
        "node_port": 19100, "mirror": "http://127.0.0.1:8900", "patience": 60,
    }  # fmt: skip


def test_a_release_with_another_hash_is_not_installed(
    tmp_path: Path, lab: MachineLab, machine: Machine, values: dict[str, object]
) -> None:
    walk = Walk(tmp_path, lab, [machine])

    done = walk("install-prometheus", "metrics", values=values | {"node_sha256": "0" * 64}, undo=True)

    assert done.failed == ["2.1"], done.why
    assert not machine.ssh("ls /usr/local/bin/prometheus /etc/prometheus/lilfox.yml 2>/dev/null || true").strip()


def test_what_does_not_get_ready_is_taken_back(
    tmp_path: Path, lab: MachineLab, machine: Machine, values: dict[str, object]
) -> None:
    machine.ssh("install -d /usr/local/bin; echo before >/usr/local/bin/promtool")
    machine.ssh(broken("curl", "case $* in *ready*) ;; *) false ;; esac"))

    done = Walk(tmp_path, lab, [machine])("install-prometheus", "metrics", values=values | {"patience": 3}, undo=True)

    machine.ssh(MENDED)
    assert done.failed == ["4.1"], done.why
    assert machine.ssh("cat /usr/local/bin/promtool") == "before\n"
    assert not machine.ssh("ls /usr/local/bin/prometheus /etc/systemd/system/node_exporter.service || true").strip()
    assert not machine.ssh("ss -Hltn 'sport = :19090 or sport = :19100'").strip()


def test_prometheus_scrapes_itself_and_its_host(
    tmp_path: Path, lab: MachineLab, machine: Machine, values: dict[str, object]
) -> None:
    """In Chinese, too: what is installed already is installed again."""
    walk = Walk(tmp_path, lab, [machine])
    for language in ("en", "zh_CN"):
        done = walk("install-prometheus", "metrics", values=values, language=language)
        assert done.code == 0, done.why
    assert machine.ssh("systemctl is-enabled prometheus node_exporter").split() == ["enabled", "enabled"]
    listens = machine.ssh("ss -Hltn 'sport = :19090 or sport = :19100' | awk '{print $4}'").split()
    assert sorted(listens) == ["127.0.0.1:19090", "127.0.0.1:19100"]
