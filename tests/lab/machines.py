"""Whole Debian hosts with systemd as PID 1, sshd and journald, each with an address, a clock of its uptime, a cgroup.

``systemd-nspawn --boot`` over an overlay of ``/`` (see ``clean_root``), on a bridge of the run's own. What is not
the host's own but this machine's: CPU times, memory and load, for the kernel is one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.config.values import Seconds
from tests.lab import clean_root, leftovers
from tests.waiting import wait_for

SKIP = "LILFOX_SKIP_LAB"
BOOT_S = 120.0
DISK_MB = 256
INTO_CGROUPS = 'for group in $1; do echo $$ >"$group/cgroup.procs" || exit 1; done; shift; exec "$@"'


class Machine:
    """One host. It is off until ``up``; its disk stays as it is over ``kill``, ``off`` and the next ``up``."""

    def __init__(self, lab: MachineLab, number: int, name: str) -> None:
        self.name = name
        self.address = f"{lab.network}.{number + 2}"
        self.folder = lab.folder / f"{number}-{name}"  # tests of one run may have hosts of one name, one after another
        self._lab = lab
        self._machine = leftovers.machine_of(lab.run, number)
        self._groups = [group / self.folder.name for group in leftovers.cgroups_of(lab.run)]
        self._process: subprocess.Popen[bytes] | None = None
        self._install()

    @property
    def root(self) -> Path:
        """Its root folder, as seen from here."""
        return self.folder / "root"

    @property
    def console(self) -> str:
        """What it wrote to its console since it was made."""
        return self.folder.with_suffix(".console").read_text("utf-8", "replace")

    def up(self, uptime_s: int = 0) -> float:
        """Boots it and waits until SSH answers and the boot is over; the seconds that took.

        ``uptime_s`` makes it a host that has been up for so long already.
        """
        began = time.monotonic()
        self.boot(uptime_s)
        state = self.ssh("systemctl", "is-system-running", "--wait", check=False).strip()
        assert state == "running", f"{self.name} is {state}: {self.ssh('systemctl', '--failed', '--no-legend')}"
        return time.monotonic() - began

    def boot(self, uptime_s: int = 0) -> None:
        """Boots it and waits until sshd answers: no login, whatever key it shows."""
        for group in self._groups:
            group.mkdir(parents=True)
        with self.folder.with_suffix(".console").open("ab") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", INTO_CGROUPS, "sh", " ".join(map(str, self._groups)), *self._argv(uptime_s)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )  # fmt: skip
        wait_for(self.answers, timeout_s=BOOT_S, what=f"ssh on {self.name}: {self.console}")

    def _argv(self, uptime_s: int) -> list[str]:
        """A time namespace first: the uptime is the host's own."""
        boottime, monotonic = (int(time.clock_gettime(clock)) for clock in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC))
        return [
            "unshare", "--time", "--fork", f"--boottime={uptime_s - boottime}", f"--monotonic={uptime_s - monotonic}",
            "systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}", f"--machine={self._machine}",
            f"--hostname={self.name}", "--register=no", "--keep-unit", "--console=read-only", "--resolv-conf=off",
            "--timezone=off", "--link-journal=no", f"--network-bridge={self._lab.bridge}",
        ]  # fmt: skip

    def ssh(self, *argv: str, check: bool = True) -> str:
        """What a command on the host prints, by OpenSSH's own client; the words are read by a shell there."""
        known = f"UserKnownHostsFile={self._lab.known_hosts}"
        options = ["-o", known, "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5"]
        command = ["ssh", "-F", "none", "-i", str(self._lab.client_key), *options, f"root@{self.address}", *argv]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0 or not check, f"{argv} on {self.name}: {done.stderr}"
        return done.stdout

    def cut(self) -> None:
        """Takes it off the network: packets vanish, and nobody says so."""
        _run("ip", "link", "set", self._link, "nomaster")

    def heal(self) -> None:
        """Back on the network."""
        _run("ip", "link", "set", self._link, "master", self._lab.bridge)

    def freeze(self) -> None:
        """Stops every process of it, its PID 1 too; its kernel still answers for TCP."""
        (self._groups[0] / "cgroup.freeze").write_text("1")
        events = self._groups[0] / "cgroup.events"
        wait_for(lambda: "frozen 1" in events.read_text(), what=f"{self.name} is frozen")

    def thaw(self) -> None:
        """Lets it go on."""
        (self._groups[0] / "cgroup.freeze").write_text("0")

    def kill(self) -> None:
        """A power cut."""
        for group in self._groups:
            leftovers.end_cgroup(group)
        self._ended()

    def off(self) -> None:
        """A shutdown in good order."""
        assert self._process is not None
        pid = self._process.pid
        for nspawn in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(nspawn), signal.SIGTERM)
        assert self._process.wait(BOOT_S) == 0, self.console
        self.kill()

    def rekey(self) -> None:
        """Another host key, as after an installation anew, and known_hosts still has the old one."""
        self._make_key()
        self.ssh("systemctl", "restart", "ssh")

    def trust(self) -> None:
        """Puts its present key, and no other of it, into known_hosts."""
        kind, key, *_ = self._key.with_suffix(".pub").read_text().split()
        lines = self._lab.known_hosts.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(f"{self.address} ")]
        self._lab.known_hosts.write_text("".join([*kept, f"{self.address} {kind} {key}\n"]))

    @property
    def sent_bytes(self) -> int:
        """What it has sent over its network since it was booted."""
        return int(Path(f"/sys/class/net/{self._link}/statistics/rx_bytes").read_text())

    def config(self) -> HostConfig:
        """The host in a configuration of LilFox."""
        return HostConfig(address=self.address, user="root", identity=str(self._lab.client_key))

    @property
    def _link(self) -> str:
        return f"vb-{self._machine}"

    @property
    def _key(self) -> Path:
        return self.root / "etc/ssh/ssh_host_ed25519_key"

    def _install(self) -> None:
        self.folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "lilfox-lab", str(self.folder))
        upper, work = self.folder / "upper", self.folder / "work"
        for folder in (upper, work, self.root):
            folder.mkdir()
        clean_root.fill(upper, self.name, self.address, self._lab.client_key.with_suffix(".pub").read_text())
        layers = f"lowerdir=/,upperdir={upper},workdir={work}"
        _run("mount", "-t", "overlay", "-o", layers, f"/dev/{self.name}", str(self.root))
        self._make_key()
        self.trust()

    def _make_key(self) -> None:
        self._key.unlink(missing_ok=True)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self._key))

    def answers(self) -> bool:
        """Whether sshd greets."""
        assert self._process is not None
        assert self._process.poll() is None, self.console
        with contextlib.suppress(OSError), socket.create_connection((self.address, 22), 0.5) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def _ended(self) -> None:
        if self._process is not None:
            self._process.wait(BOOT_S)
            self._process = None
        subprocess.run(["ip", "link", "delete", self._link], check=False, stderr=subprocess.DEVNULL)
        export = leftovers.NSPAWN / "unix-export" / self._machine
        if export.is_mount():
            leftovers.unmount(str(export))


class MachineLab:
    """The hosts of one run, their bridge and the client's side of them."""

    def __init__(self, claim: socket.socket) -> None:
        self.run = os.getpid()
        self.folder = leftovers.folder_of(self.run)
        self.bridge = leftovers.bridge_of(self.run)
        self.network = _free_network(claim)
        self.client_key = self.folder / "client"
        self.known_hosts = self.folder / "known_hosts"
        self._count = 0
        self.folder.mkdir(mode=0o700)
        self.known_hosts.write_text("")
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.client_key))
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "address", "add", f"{self.network}.1/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")

    def machine(self, name: str) -> Machine:
        """A new host, not booted."""
        return Machine(self, self.next_number(), name)

    def next_number(self) -> int:
        """The number of the next host."""
        self._count += 1
        return self._count - 1

    def ssh(self) -> SshConfig:
        """The client's side: only this lab's files, short times."""
        return SshConfig(
            config_files=(), known_hosts=(str(self.known_hosts),),
            connect_timeout=Seconds(3), keepalive=Seconds(1), retry_max=Seconds(2),
        )  # fmt: skip


@contextlib.contextmanager
def machine_lab() -> Iterator[MachineLab]:
    """A lab of which nothing stays. Skips where LILFOX_SKIP_LAB=1 asks for it; else fails where there can be none."""
    if os.environ.get(SKIP) == "1":
        pytest.skip(f"{SKIP}=1")
    if why := _impossible():
        pytest.fail(f"No whole hosts can be started here: {why}. {SKIP}=1 leaves these tests out.", pytrace=False)
    leftovers.remove_dead_runs()
    try:
        with socket.socket(socket.AF_UNIX) as claim:
            yield MachineLab(claim)
    finally:
        leftovers.remove(os.getpid())


def _impossible() -> str:
    if os.geteuid() != 0:
        return "root is needed"
    if missing := [tool for tool in ("systemd-nspawn", "ip", "unshare") if shutil.which(tool) is None]:
        return f"{', '.join(missing)} is not installed"
    if not leftovers.cgroup_hierarchies():
        return "no cgroup2 is mounted"
    trial = subprocess.run(
        ["unshare", "--time", "--net", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return trial.stderr.strip()


def _free_network(claim: socket.socket) -> str:
    """The first three numbers of a network in 10.88.0.0/16 that no link, no route and no other run uses."""
    used = subprocess.run(
        ["ip", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True
    ).stdout
    for number in range(256):
        network = f"10.88.{(os.getpid() + number) % 256}"
        if f" {network}." in f" {used}":
            continue
        with contextlib.suppress(OSError):
            claim.bind(f"\0lilfox-lab-{network}")
            return network
    raise AssertionError("10.88.0.0/16 is full")


def _run(*argv: str) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
