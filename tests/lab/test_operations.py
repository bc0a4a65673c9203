"""Operations on whole hosts: units, processes, bans. What is said of each is what is there, whatever is cut."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lilfox_tui.incident.incidents import current, entries, open_incident
from lilfox_tui.incident.model import Changed, JobBegan, JobEnded, Reverted
from lilfox_tui.jobs.listing import cancel, find_job, list_jobs, mark_checked, unsettled
from lilfox_tui.jobs.model import Job, KeyHeld
from lilfox_tui.jobs.start import start
from lilfox_tui.operations.addresses import ban_operation, unban_operation
from lilfox_tui.operations.job import request_of
from lilfox_tui.operations.model import Operation, Signal, Verb, signal_operation, unit_operation
from tests.lab.machines import MachineLab
from tests.lab.test_library_attack import Attack
from tests.unit.jobs.running import ended, jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-operations"),
    pytest.mark.usefixtures("jobs"),
]
SLOW = "slow.service"
_UNITS = f"""
cat >/etc/systemd/system/{SLOW} <<'EOF'
[Service]
ExecStartPre=sh -c 'echo begun >>/run/begun; while [ ! -e /run/go ]; do sleep 0.1; done'
ExecStart=sleep infinity
EOF
cat >/etc/systemd/system/broken.service <<'EOF'
[Service]
Type=oneshot
ExecStart=sh -c 'echo no such table >&2; exit 3'
EOF
cat >/etc/systemd/system/dying.service <<'EOF'
[Service]
ExecStart=sh -c 'sleep 2; exit 1'
EOF
systemctl daemon-reload
"""


class Acts:
    """``web-1``, reached from an address of the internet, and jobs that change it."""

    def __init__(self, folder: Path, lab: MachineLab, attack: Attack) -> None:
        self.attack, self.web, self.config = attack, attack.web, folder / "config.yaml"
        address = f"{attack.net}.1"
        self.settings: dict[str, Any] = {
            "hosts": {"web-1": {"address": address, "user": "root", "identity": str(lab.client_key)}},
            "ssh": {
                "config_files": [],
                "known_hosts": [str(lab.known_hosts)],
                "keepalive": "1s",
                "keepalive_max": 8,  # many jobs begin at once on a busy machine
                "retry_max": "1s",
            },
            "runbooks": {"never_ban": [attack.balancer]},
        }
        self.write()

    def write(self) -> None:
        """The configuration."""
        self.config.write_text(yaml.safe_dump(self.settings))
        self.config.chmod(0o600)

    def begin(self, operation: Operation) -> str:
        """The id of the job that makes it."""
        return start(request_of(operation, str(self.config)))

    def make(self, operation: Operation) -> Job:
        """The job, when it has ended."""
        return ended(self.begin(operation))

    def unit(self, verb: Verb, unit: str) -> Job:
        """What became of an order to a unit."""
        return self.make(unit_operation(verb, "web-1", unit, sudo=False))

    def ban(self, address: str, seconds: int = 60) -> Job:
        """What became of a ban."""
        return self.make(ban_operation("web-1", address, seconds, sudo=False))

    def unban(self, address: str) -> Job:
        """What became of lifting one."""
        return self.make(unban_operation("web-1", address, sudo=False))

    def send(self, name: Signal, pid: int, ticks: int) -> Job:
        """What became of a signal."""
        return self.make(signal_operation(name, "web-1", pid, ticks, "sleep", sudo=False))

    def state(self, unit: str) -> str:
        """As systemd has it."""
        return self.web.ssh("systemctl", "show", "--property=ActiveState", "--value", unit).strip()

    def sleeper(self) -> tuple[int, int]:
        """A process on the host: its pid and its start."""
        self.web.ssh("systemctl reset-failed nap 2>/dev/null; systemd-run --quiet --unit=nap --collect sleep 1000")
        pid = self.web.ssh("systemctl", "show", "--property=MainPID", "--value", "nap").strip()
        return int(pid), int(self.web.ssh(f"cut -d' ' -f22 /proc/{pid}/stat"))


@pytest.fixture(scope="module")
def attack(lab: MachineLab) -> Iterator[Attack]:
    made = Attack(lab)
    made.web.ssh(_UNITS)
    yield made
    made.web.kill()
    made.bad.kill()


@pytest.fixture
def acts(tmp_path: Path, lab: MachineLab, attack: Attack) -> Iterator[Acts]:
    attack.web.ssh(
        "nft delete table inet lilfox_ban 2>/dev/null; rm -f /run/go /run/begun; systemctl start nginx;"
        f" systemctl stop {SLOW} nap 2>/dev/null; systemctl reset-failed; :"
    )
    assert attack.gets_in()
    yield Acts(tmp_path, lab, attack)
    attack.web.heal()


# ---- units ------------------------------------------------------------------------------------------------------


def test_a_unit_is_restarted_stopped_and_started(acts: Acts) -> None:
    before = acts.web.ssh("cat /run/nginx.pid")
    done = acts.unit("restart", "nginx.service")
    assert (done.state, done.message) == ("ok", "nginx.service is active (running)")
    assert acts.web.ssh("cat /run/nginx.pid") != before
    assert acts.unit("stop", "nginx.service").message == "nginx.service is inactive (dead)"
    assert acts.state("nginx") == "inactive"
    assert not acts.attack.gets_in()
    assert acts.unit("start", "nginx.service").state == "ok"
    assert acts.attack.gets_in()


def test_a_unit_that_ends_with_a_failure_when_it_is_stopped_is_stopped(acts: Acts) -> None:
    """As every Java process does."""
    program = """trap "exit 143" TERM; touch /run/begun; sleep 1000 & wait"""
    acts.web.ssh(f"systemd-run --quiet --unit=rough sh -c '{program}'")
    wait_for(lambda: acts.web.ssh("ls /run/begun", check=False), what="it runs")
    done = acts.unit("stop", "rough.service")
    assert (done.state, done.message) == ("ok", "rough.service is failed (failed)")


def test_a_unit_that_does_not_start_says_so_with_its_words(acts: Acts) -> None:
    done = acts.unit("restart", "broken.service")
    assert (done.state, done.exit_code) == ("failed", 1)
    assert "systemctl restart -- broken.service" in done.message
    assert "journalctl -u broken.service" in done.hint
    assert "␊" not in (Path(done.folder) / "events.jsonl").read_text()
    missing = acts.unit("start", "nothing.service")
    assert missing.state == "failed"
    output = (Path(missing.folder) / "events.jsonl").read_text()
    assert "nothing.service not found" in output


@pytest.mark.fault("4.51")
def test_a_unit_that_dies_two_seconds_later_is_not_called_running(acts: Acts) -> None:
    done = acts.unit("restart", "dying.service")
    assert (done.state, done.exit_code) == ("failed", 1)
    assert "dying.service is failed (failed)" in done.message


def test_what_lasts_is_in_the_timeline_until_it_is_taken_back(acts: Acts) -> None:
    incident = open_incident("web is slow")
    acts.unit("stop", "nginx.service")
    banned = acts.ban(acts.attack.attacker, 600)
    assert banned.state == "ok", banned.message
    now = current()
    assert now is not None
    stopped, ban = now.in_force.values()
    assert (stopped.ends, ban.ends is not None) == (None, True)
    assert "systemctl start -- nginx.service" in stopped.undo
    assert "nft delete element inet lilfox_ban v4" in ban.undo
    acts.unit("start", "nginx.service")
    acts.unban(acts.attack.attacker)
    again = current()
    assert again is not None
    assert again.in_force == {}
    kinds = [type(entry.what) for entry in entries(incident.id)][1:]
    assert kinds == [JobBegan, Changed, JobEnded] * 2 + [JobBegan, Reverted, JobEnded] * 2


@pytest.mark.parametrize("how", ["protected", "read_only"])
def test_what_is_not_to_be_changed_is_not(acts: Acts, how: str) -> None:
    if how == "protected":
        acts.settings["hosts"]["web-1"]["protected"] = True
    else:
        acts.settings["read_only"] = True
    acts.write()
    before = acts.web.ssh("cat /run/nginx.pid")
    done = acts.unit("restart", "nginx.service")
    refused = {
        "protected": "web-1 is protected: changes on it are not allowed",
        "read_only": "read-only mode: changes on web-1 are not allowed",
    }[how]
    assert (done.state, refused in done.message) == ("failed", True)
    assert acts.ban(acts.attack.attacker).state == "failed"
    assert acts.web.ssh("cat /run/nginx.pid") == before
    assert acts.attack.gets_in()


def test_a_job_that_is_killed_is_unknown_and_its_command_goes_on(acts: Acts) -> None:
    job = acts.begin(unit_operation("restart", "web-1", SLOW, sudo=False))
    wait_for(lambda: acts.web.ssh("cat /run/begun 2>/dev/null; :") == "begun\n", what="it has begun")
    pid = find_job(job).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    killed = ended(job)
    assert killed.state == "unknown"
    assert "restart slow.service on web-1" in killed.message
    acts.web.ssh("touch /run/go")
    wait_for(lambda: acts.state(SLOW) == "active", what="it goes on")


def test_a_command_whose_end_nobody_saw_is_unknown_wherever_it_is_told(acts: Acts) -> None:
    """As after a crash of the host: the command and what watches it there are gone, and left no word."""
    incident = open_incident("web is slow")
    job = acts.begin(unit_operation("restart", "web-1", SLOW, sudo=False))
    wait_for(lambda: acts.web.ssh("cat /run/begun 2>/dev/null; :") == "begun\n", what="it has begun")
    acts.web.ssh(f"read -r _ pid _ keeper _ <~/.cache/lilfox/jobs/{job}/pid; kill -9 $keeper $pid")
    unknown = ended(job)
    assert (unknown.state, unknown.exit_code) == ("unknown", 1)
    assert "the outcome of “systemctl restart -- slow.service” is unknown" in unknown.message
    assert f"lilfox jobs checked {job}" in unknown.hint
    assert [each.id for each in unsettled(list_jobs())] == [job]
    told = [entry.what for entry in entries(incident.id) if isinstance(entry.what, JobEnded)]
    assert [(each.job, each.state, each.message) for each in told] == [(job, "unknown", unknown.message)]
    assert mark_checked(job).checked
    assert unsettled(list_jobs()) == []


def test_a_link_that_is_cut_in_the_middle_loses_nothing_and_nothing_runs_twice(acts: Acts) -> None:
    job = acts.begin(unit_operation("restart", "web-1", SLOW, sudo=False))
    wait_for(lambda: acts.web.ssh("cat /run/begun 2>/dev/null; :") == "begun\n", what="it has begun")
    acts.web.cut()
    events = Path(find_job(job).folder) / "events.jsonl"
    wait_for(lambda: '"level":"warning"' in events.read_text(), timeout_s=30, what="the job sees that it is cut off")
    assert find_job(job).state == "running"
    acts.web.heal()
    wait_for(lambda: acts.web.ssh("touch /run/go && echo ok", check=False) == "ok\n", timeout_s=20, what="a login")
    done = ended(job)
    assert (done.state, done.message) == ("ok", "slow.service is active (running)")
    assert acts.web.ssh("cat /run/begun") == "begun\n"


async def test_a_job_that_is_cancelled_ends_its_command_there(acts: Acts) -> None:
    job = acts.begin(unit_operation("restart", "web-1", SLOW, sudo=False))
    wait_for(lambda: acts.web.ssh("cat /run/begun 2>/dev/null; :") == "begun\n", what="it has begun")
    assert acts.web.ssh("pgrep -fx 'systemctl restart -- slow.service'")
    assert (await cancel(job)).state == "cancelled"
    assert acts.web.ssh("pgrep -fx 'systemctl restart -- slow.service'; :") == ""


# ---- processes --------------------------------------------------------------------------------------------------


def test_a_process_is_signalled_and_what_came_of_it_is_said(acts: Acts) -> None:
    pid, ticks = acts.sleeper()
    assert acts.send("TERM", pid, ticks).message == f"{pid} has ended"
    pid, ticks = acts.sleeper()
    assert acts.send("KILL", pid, ticks).message == f"{pid} has ended"
    deaf = acts.web.ssh("setsid sh -c 'trap \"\" TERM HUP; echo $$; exec sleep 60 >/dev/null 2>&1 </dev/null' &")
    ticks = int(acts.web.ssh(f"cut -d' ' -f22 /proc/{deaf.strip()}/stat"))
    done = acts.send("TERM", int(deaf), ticks)
    assert (done.state, done.message) == ("ok", f"{deaf.strip()} received TERM and is still running")
    assert acts.send("KILL", int(deaf), ticks).message == f"{deaf.strip()} has ended"


def test_a_number_that_was_given_again_is_left_alone(acts: Acts) -> None:
    pid, ticks = acts.sleeper()
    done = acts.send("KILL", pid, ticks - 1)
    assert (done.state, "has already ended; no signal was sent" in done.message) == ("failed", True)
    assert acts.web.ssh(f"kill -0 {pid} && echo there") == "there\n"
    acts.web.ssh("systemctl stop nap")
    assert "no signal was sent" in acts.send("TERM", pid, ticks).message


# ---- bans -------------------------------------------------------------------------------------------------------


@pytest.mark.fault("2.24")
def test_a_ban_drops_packets_and_ends_by_itself(acts: Acts) -> None:
    done = acts.ban(acts.attack.attacker, 20)  # a busy machine may need some of them before it is looked at
    assert done.state == "ok", (done.message, done.hint)
    assert "is banned until" in done.message
    assert not acts.attack.gets_in()
    assert acts.attack.gets_in(acts.attack.balancer)
    wait_for(acts.attack.gets_in, timeout_s=60, what="the ban ends by itself")


def test_a_ban_is_lifted_and_made_longer(acts: Acts) -> None:
    assert acts.ban(acts.attack.attacker, 60).state == "ok"
    assert acts.ban(acts.attack.attacker, 600).state == "ok"
    listed = acts.web.ssh("nft list table inet lilfox_ban")
    assert listed.count("drop") == 2, "the rules stand there once"
    assert "timeout 10m" in listed
    assert acts.unban(acts.attack.attacker).message == f"{acts.attack.attacker} is no longer banned"
    assert acts.attack.gets_in()
    again = acts.unban(acts.attack.attacker)
    assert (again.state, "No such file" in again.hint) == ("failed", True), again.hint


def test_both_families_can_be_banned(acts: Acts) -> None:
    done = acts.ban("2001:db8::7")
    assert done.state == "ok", (done.message, done.hint)
    assert acts.unban("2001:db8::7").state == "ok"


@pytest.mark.fault("2.24")
def test_what_must_not_be_banned_is_not(acts: Acts) -> None:
    """You, the load balancer, what is not of the internet, and the host's own addresses, gateways and name servers."""
    net = acts.attack.net
    acts.web.ssh(f"ip route add 203.0.113.0/24 via {net}.77; echo nameserver 198.51.100.53 >>/etc/resolv.conf")
    try:
        mine = [acts.attack.own, f"::ffff:{acts.attack.own}", acts.attack.balancer]
        private = [acts.web.address, "127.0.0.1", "10.0.0.1", "169.254.1.1", "fe80::1", "::1"]
        for address in (*mine, *private, f"{net}.1", f"{net}.77", "198.51.100.53"):
            done = acts.ban(address)
            assert (done.state, "refused to ban " in done.message) == ("failed", True), (address, done.message)
        assert acts.web.ssh("nft list tables") == ""
    finally:
        acts.web.ssh("ip route del 203.0.113.0/24; sed -i /198.51.100.53/d /etc/resolv.conf")


@pytest.mark.fault("2.24")
def test_without_nft_nothing_is_banned_for_ever(acts: Acts) -> None:
    acts.web.ssh("mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        done = acts.ban(acts.attack.attacker)
        assert (done.state, "Install nftables" in done.hint) == ("failed", True), done.message
        assert acts.attack.gets_in()
    finally:
        acts.web.ssh("mv /usr/sbin/nft.away /usr/sbin/nft")


@pytest.mark.fault("S38")
def test_bans_at_once_do_not_meet_in_the_middle(acts: Acts) -> None:
    """Of one machine the second on the same address is told who acts there; each makes all of it or nothing."""
    operation = ban_operation("web-1", acts.attack.attacker, 60, sudo=False)
    addresses = [f"{acts.attack.net}.{number}" for number in range(100, 104)]
    running = [acts.begin(ban_operation("web-1", each, 60, sudo=False)) for each in addresses]
    first = acts.begin(operation)
    with pytest.raises(KeyHeld, match=first):
        acts.begin(operation)
    found = [ended(job) for job in (*running, first)]
    assert [job.state for job in found] == ["ok"] * 5, [job.message for job in found]
    listed = acts.web.ssh("nft list table inet lilfox_ban")
    assert listed.count("drop") == 2
    assert all(each in listed for each in (*addresses, acts.attack.attacker))


@pytest.mark.fault("S38")
def test_of_two_operators_who_ban_and_let_in_each_is_told_what_is_there(
    acts: Acts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two machines: no lock of ours is between them."""
    assert acts.ban(acts.attack.attacker).state == "ok"
    mine = acts.begin(ban_operation("web-1", acts.attack.attacker, 600, sudo=False))
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
        (tmp_path / "elsewhere").mkdir()
        theirs = ended(acts.begin(unban_operation("web-1", acts.attack.attacker, sudo=False)))
    ban = ended(mine)
    assert "ok" in (ban.state, theirs.state), (ban.message, theirs.message)
    assert ban.ended is not None
    assert theirs.ended is not None
    if acts.attack.gets_in():
        assert (theirs.state, ban.state) == ("ok", "failed") or ban.ended <= theirs.ended
    else:
        assert (ban.state, theirs.state) == ("ok", "failed") or theirs.ended <= ban.ended
