"""The bundled runbooks against an attack, on whole hosts: who attacks has an address of the internet."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import MachineLab
from tests.lab.runbook_walks import MENDED, Walk, broken
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-operations"),
    pytest.mark.usefixtures("jobs"),
]
NGINX = """
set -e
install -d /var/log/nginx /var/lib/nginx /etc/nginx/conf.d /srv/www
echo fox >/srv/www/index.html; echo fox >/srv/www/login
rm -rf /etc/nginx/sites-enabled /etc/nginx/modules-enabled; install -d /etc/nginx/modules-enabled
cat >/etc/nginx/nginx.conf <<'CONF'
events {}
http {
    access_log /var/log/nginx/access.log;
    include /etc/nginx/conf.d/*.conf;
    server { listen 80; listen [::]:80; root /srv/www; }
}
CONF
cat >/etc/systemd/system/nginx.service <<'UNIT'
[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStart=nginx
ExecReload=nginx -s reload
UNIT
systemctl daemon-reload
systemctl start nginx
"""


class Attack:
    """``web-1`` with nginx, and ``bad-1`` that asks it; both have addresses in a range of the internet too."""

    def __init__(self, lab: MachineLab) -> None:
        self.net = f"198.18.{lab.network.rsplit('.', 1)[1]}"
        self.web, self.bad = lab.machine("web-1"), lab.machine("bad-1")
        self.own, self.attacker, self.balancer = f"{self.net}.254", f"{self.net}.9", f"{self.net}.10"
        subprocess.run(["ip", "address", "replace", f"{self.own}/24", "dev", lab.bridge], check=True)
        for machine, address in ((self.web, f"{self.net}.1"), (self.bad, self.attacker)):
            machine.up()
            machine.ssh(f"ip address add {address}/24 dev host0")
        self.bad.ssh(f"ip address add {self.balancer}/24 dev host0")
        self.web.ssh(NGINX)
        lines = lab.known_hosts.read_text().splitlines()
        line = next(line for line in lines if line.startswith(f"{self.web.address} "))
        lab.known_hosts.write_text("\n".join([*lines, line.replace(self.web.address, f"{self.net}.1")]) + "\n")

    def gets_in(self, address: str = "") -> bool:
        """Whether a request of the attacker is answered."""
        words = f"curl -sS -m 1 --interface {address or self.attacker} http://{self.net}.1/ 2>/dev/null || true"
        return self.bad.ssh(words) == "fox\n"


@pytest.fixture(scope="module")
def attack(lab: MachineLab) -> Iterator[Attack]:
    made = Attack(lab)
    yield made
    made.web.kill()
    made.bad.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, attack: Attack) -> Walk:
    """Reaches ``web-1`` from an address of the internet; a load balancer is in ``never_ban``."""
    attack.web.ssh(
        f"nft delete table inet lilfox_ban 2>/dev/null; rm -f /etc/nginx/conf.d/lilfox-attack.conf; {MENDED};"
        " nginx -s reload"
    )
    made = Walk(tmp_path, lab, [attack.web], runbooks={"never_ban": [attack.balancer]})
    made.config.write_text(made.config.read_text().replace(f"{attack.web.address}", f"{attack.net}.1"))
    assert attack.gets_in()
    return made


@pytest.mark.fault("2.24", "2.27")
def test_an_attacker_is_banned_for_a_time_and_limited(walk: Walk, attack: Attack) -> None:
    done = walk("network-attack", "web-1", limit_path="/", attack_ip=attack.attacker, duration="20s", rate=60, burst=2)
    assert done.code == 0, done.why
    assert attack.attacker in done.output("1.1")
    assert attack.attacker in done.output("4.1")
    assert not attack.gets_in()
    assert attack.gets_in(attack.balancer)
    ask = f"curl -s -o /dev/null -w '%{{http_code}}\\n' --interface {attack.balancer} http://{attack.net}.1/"
    assert "429" in attack.bad.ssh(f"for _ in 1 2 3 4 5 6; do {ask}; done")
    wait_for(attack.gets_in, timeout_s=60, what="the ban ends by itself")


@pytest.mark.fault("2.24")
def test_what_never_may_be_banned_is_not(walk: Walk, attack: Attack) -> None:
    """Your own address, the load balancer, and ranges that are not of the internet, in all their spellings."""
    refused = [attack.own, f"{attack.net}.1", attack.balancer, attack.web.address, "127.0.0.1", f"::ffff:{attack.own}",
               "fe80::1", "10.0.0.1"]  # fmt: skip
    for address in refused:
        done = walk("network-attack", "web-1", limit_path="/", attack_ip=address)
        assert done.code != 0, (address, done.why)
        assert "2.1" not in [name for name, state in done.states.items() if state == "done"], address
    assert attack.web.ssh("nft list tables").split() == []
    assert attack.gets_in()


@pytest.mark.parametrize(
    ("fails", "fault"),
    [
        ("1.1", ": >/var/log/nginx/access.log"),
        ("2.1", broken("nft")),
        ("3.1", "echo 'nonsense;' >/etc/nginx/conf.d/zz.conf"),
        ("3.1", "cp /etc/nginx/nginx.conf /etc/nginx/conf.d/lilfox-attack.conf"),
        ("4.1", broken("tail", '[ "$2" = 1000 ]')),
    ],
)
def test_each_step_can_fail_and_what_was_changed_is_taken_back(
    walk: Walk, attack: Attack, fails: str, fault: str
) -> None:
    attack.web.ssh(fault)
    try:
        done = walk("network-attack", "web-1", limit_path="/", undo=True, attack_ip=attack.attacker)
        assert (done.code != 0, done.failed) == (True, [fails]), done.why
    finally:
        attack.web.ssh("rm -f /etc/nginx/conf.d/zz.conf")
    wait_for(attack.gets_in, what="the attacker is let in again")
    assert attack.web.ssh("grep -l lilfox_attack /etc/nginx/conf.d/* || true") == ""


@pytest.mark.fault("2.24")
def test_a_ban_is_lifted_before_its_time(walk: Walk, attack: Attack) -> None:
    done = walk("network-attack", "web-1", limit_path="/", attack_ip=attack.attacker, rate=60000, burst=10000)
    assert done.code == 0, done.why
    assert not attack.gets_in()
    bans = json.loads(attack.web.ssh("nft -j list set inet lilfox_ban v4"))
    assert attack.attacker in json.dumps(bans)
    done = walk("unban", "web-1", banned_ip=attack.attacker)
    assert done.code == 0, done.why
    assert attack.gets_in()
    assert walk("unban", "web-1", banned_ip=attack.attacker).failed == ["2.1"]


def test_without_nft_a_timer_lifts_the_ban(walk: Walk, attack: Attack) -> None:
    attack.web.ssh("mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        done = walk(
            "network-attack",
            "web-1",
            limit_path="/",
            attack_ip=attack.attacker,
            duration="15s",
            rate=60000,
            burst=10000,
        )
        assert done.code == 0, done.why
        assert not attack.gets_in()
        wait_for(attack.gets_in, timeout_s=60, what="the ban ends by itself")
        assert "DROP" not in attack.web.ssh("iptables -S INPUT")
    finally:
        attack.web.ssh("mv /usr/sbin/nft.away /usr/sbin/nft")


def test_an_attack_from_many_addresses_is_seen_by_network_and_limited_on_its_path(walk: Walk, attack: Attack) -> None:
    """Addresses of an IPv6 /64 share one limit, in all their spellings; other networks, paths and IPv4 have theirs."""
    spellings = ["2001:db8:7:1::%x", "2001:db8:7:1:0:0:0:%x", "2001:db8:7:1:a::%x"]
    asked = [spellings[number % 3] % number for number in range(1, 31)] + ["::1", "2001:db8:8::5", "203.0.113.9"]
    lines = [f'{address} - - [01/Jan/2026:00:00:00 +0000] "GET /login?a=b HTTP/1.1" 200 4 "-" "-"' for address in asked]
    text = "\n".join(lines)
    attack.web.ssh(f"cat >/var/log/nginx/access.log <<'LOG'\n{text}\nLOG\nnginx -s reopen")
    done = walk("network-attack", "web-1", attack_ip=attack.attacker, limit_path="/log", rate=1, burst=1)
    assert done.code == 0, done.why
    who = done.output("1.1")
    assert "30 2001:db8:7:1::/64" in who
    assert "1 2001:db8:8:0::/64" in who
    assert "1 0:0:0:0::/64" in who
    assert "1 203.0.113.9" in who
    assert "33 requests from 33 addresses; the first address made 3 %" in who
    assert "limit the rate of the path" in who
    attack.web.ssh("for a in 5::1 5::a 5::b 6::a; do ip -6 address replace 2001:db8:$a/128 dev lo nodad; done")

    def asks(path: str, *sources: str) -> list[str]:
        ask = "curl -s -o /dev/null -m 5 -w '%{http_code} ' --interface"
        to = {source: "[2001:db8:5::1]" if ":" in source else "127.0.0.1" for source in sources}
        return attack.web.ssh("; ".join(f"{ask} {each} 'http://{to[each]}{path}'" for each in sources)).split()

    one, neighbour, other = "2001:db8:5::a", "2001:db8:5::b", "2001:db8:6::a"
    assert asks("/login", one, neighbour, one, neighbour, other, "127.0.0.1") == [
        "200",
        "200",
        "429",
        "429",
        "200",
        "200",
    ]
    assert asks("//%6cogin", one) == ["429"]
    assert asks("/", *[one] * 5) == ["200"] * 5
