"""Bans where the way to the host is another one: over IPv6, through a jump host, behind NAT. Nobody shuts themselves
out, and who attacks is shut out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lilfox_tui.operations.addresses import ban_operation
from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import Walk
from tests.lab.test_library_attack import Attack
from tests.lab.test_operations import Acts
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.fault("2.24"),
    pytest.mark.xdist_group("lab-operations"),
    pytest.mark.usefixtures("jobs"),
]
V6 = "2001:db8:88:"
ELSEWHERE = "203.0.113.1"
"""An address of ``web-1`` that is reached through ``gate-1`` alone, which puts its own in place of the sender's."""


class Ways(Attack):
    """``web-1`` is reached over IPv4 and IPv6, through ``gate-1`` as a jump host, and as ``ELSEWHERE`` by its NAT."""

    def __init__(self, lab: MachineLab) -> None:
        super().__init__(lab)
        self.gate: Machine = lab.machine("gate-1")
        self.gate.up()
        self.gate_address = f"{self.net}.20"
        subprocess.run(["ip", "address", "replace", f"{V6}:254/64", "dev", lab.bridge, "nodad"], check=True)
        for machine, last in ((self.web, 1), (self.bad, 9)):
            machine.ssh(f"ip address add {V6}:{last}/64 dev host0 nodad")
        self.web.ssh(f"ip address add {ELSEWHERE}/32 dev lo; printf 'server {{ listen [::]:80; root /srv/www; }}\\n'"
                     " >/etc/nginx/conf.d/v6.conf; nginx -s reload")  # fmt: skip
        self.gate.ssh(
            f"ip address add {self.gate_address}/24 dev host0; ip route add {ELSEWHERE}/32 via {self.net}.1;"
            " sysctl -qw net.ipv4.ip_forward=1; nft add table ip nat;"
            " nft add chain ip nat out '{ type nat hook postrouting priority 100; }';"
            " nft add rule ip nat out masquerade"
        )
        subprocess.run(["ip", "route", "replace", f"{ELSEWHERE}/32", "via", self.gate_address], check=True)
        lines = lab.known_hosts.read_text().splitlines()
        line = next(line for line in lines if line.startswith(f"{self.web.address} "))
        more = [line.replace(self.web.address, each) for each in (f"{V6}:1", ELSEWHERE)]
        lab.known_hosts.write_text("\n".join([*lines, *more]) + "\n")

    def gets_in_by_6(self) -> bool:
        """Whether a request of the attacker over IPv6 is answered."""
        words = f"curl -sS -m 1 --interface {V6}:9 'http://[{V6}:1]/' 2>/dev/null || true"
        return self.bad.ssh(words) == "fox\n"


@pytest.fixture(scope="module")
def ways(lab: MachineLab) -> Iterator[Ways]:
    made = Ways(lab)
    assert made.gets_in(), "the runbook reads the access log, which must not be empty"
    yield made
    subprocess.run(["ip", "route", "del", f"{ELSEWHERE}/32"], check=False)
    for machine in (made.web, made.bad, made.gate):
        machine.kill()


@pytest.fixture
def acts(tmp_path: Path, lab: MachineLab, ways: Ways) -> Acts:
    ways.web.ssh("nft delete table inet lilfox_ban 2>/dev/null; rm -f /etc/nginx/conf.d/lilfox-attack.conf; :")
    return Acts(tmp_path, lab, ways)


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, ways: Ways, acts: Acts) -> Walk:
    return Walk(tmp_path, lab, [ways.web])


def reached(acts: Acts, walk: Walk, **keys: object) -> None:
    """Both know the host so."""
    acts.settings["hosts"]["web-1"] |= keys
    acts.write()
    walk.config.write_text(yaml.safe_dump(acts.settings))


def refused(acts: Acts, walk: Walk, *addresses: str) -> None:
    """By key and in the runbook; and nothing is banned."""
    for address in addresses:
        done = acts.make(ban_operation("web-1", address, 60, sudo=False))
        assert (done.state, "refused to ban " in done.message) == ("failed", True), (address, done.message)
        walked = walk("network-attack", "web-1", limit_path="/", attack_ip=address)
        assert (walked.code != 0, "is refused" in walked.said) == (True, True), (address, walked.why)
    assert "lilfox_ban" not in acts.web.ssh("nft list tables")


def test_over_ipv6_your_own_address_is_refused_and_the_attackers_is_shut_out(
    acts: Acts, walk: Walk, ways: Ways
) -> None:
    reached(acts, walk, address=f"{V6}:1")
    assert ways.gets_in_by_6()
    refused(acts, walk, f"{V6}:254", f"{V6.upper()}0:0:0:0:254", f"{V6}:1")
    done = acts.make(ban_operation("web-1", f"{V6}:9", 5, sudo=False))
    assert done.state == "ok", (done.message, done.hint)
    assert not ways.gets_in_by_6()
    assert ways.gets_in()
    wait_for(ways.gets_in_by_6, timeout_s=20, what="the ban ends by itself")
    walked = walk(
        "network-attack", "web-1", limit_path="/", attack_ip=f"{V6}:9", duration="20s", rate=60000, burst=10000
    )
    assert walked.code == 0, walked.why
    assert not ways.gets_in_by_6()
    wait_for(ways.gets_in_by_6, timeout_s=40, what="the ban ends by itself")


def test_without_nft_a_timer_ends_a_ban_of_ipv6(walk: Walk, acts: Acts, ways: Ways) -> None:
    reached(acts, walk, address=f"{V6}:1")
    ways.web.ssh("mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        walked = walk(
            "network-attack", "web-1", limit_path="/", attack_ip=f"{V6}:9", duration="15s", rate=60000, burst=10000
        )
        assert walked.code == 0, walked.why
        assert not ways.gets_in_by_6()
        wait_for(ways.gets_in_by_6, timeout_s=40, what="the ban ends by itself")
        assert "DROP" not in ways.web.ssh("ip6tables -S INPUT")
    finally:
        ways.web.ssh("mv /usr/sbin/nft.away /usr/sbin/nft")


def test_behind_a_jump_host_its_address_is_yours(acts: Acts, walk: Walk, ways: Ways, lab: MachineLab) -> None:
    ssh_config = acts.config.with_name("ssh_config")
    gate = ways.gate.address
    ssh_config.write_text(f"Host {ways.net}.1\n  ProxyJump root@{gate}\nHost {gate}\n  IdentityFile {lab.client_key}\n")
    acts.settings["ssh"]["config_files"] = [str(ssh_config)]
    reached(acts, walk)
    refused(acts, walk, ways.gate_address)
    done = acts.make(ban_operation("web-1", ways.own, 60, sudo=False))
    assert done.state == "ok", "from there nobody comes to this host: it was reached through the other one"


def test_behind_nat_what_the_host_sees_is_yours(acts: Acts, walk: Walk, ways: Ways) -> None:
    reached(acts, walk, address=ELSEWHERE)
    refused(acts, walk, ways.gate_address, ELSEWHERE)


def test_hosts_of_the_configuration_are_not_banned(acts: Acts, walk: Walk, ways: Ways) -> None:
    acts.settings["hosts"]["balancer"] = {"address": ways.attacker, "user": "root"}
    reached(acts, walk)
    refused(acts, walk, ways.attacker)
    assert ways.gets_in()


def test_a_limit_that_nginx_did_not_load_is_none(acts: Acts, walk: Walk, ways: Ways) -> None:
    """``nginx -t`` is content with a port that is somebody else's."""
    reached(acts, walk)
    ways.web.ssh("echo 'server { listen 127.0.0.1:22; }' >/etc/nginx/conf.d/zz.conf; nginx -t")
    try:
        done = walk("network-attack", "web-1", limit_path="/", attack_ip=ways.attacker, undo=True)
        assert (done.code != 0, done.failed) == (True, ["3.1"]), done.why
        assert "did not load it" in done.output("3.1")
        assert ways.web.ssh("ls /etc/nginx/conf.d").split() == ["v6.conf", "zz.conf"]
        wait_for(ways.gets_in, what="the attacker is let in again")
    finally:
        ways.web.ssh("rm /etc/nginx/conf.d/zz.conf; nginx -s reload")
