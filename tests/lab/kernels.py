"""Lab hosts with a kernel of their own: Debian's user-mode-linux, which runs as a process.

For what the hosts of ``machines`` share with this machine: memory, swap, kills for lack of memory, the clock, tables of
the kernel. Boots in some seconds, and needs neither virtualization nor privileges that the other hosts do not need.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.lab.machines import BOOT_S, INTO_CGROUPS, Machine, MachineLab
from tests.waiting import wait_for

MODULES = Path("/usr/lib/uml/modules")
SWAP = "/dev/ubda"


class KernelMachine(Machine):
    """One host with its own kernel, ``memory_mb`` of memory and a disk for swap, which nothing uses yet."""

    def __init__(self, lab: MachineLab, name: str, *, memory_mb: int = 320, swap_mb: int = 160) -> None:
        super().__init__(lab, lab.next_number(), name)
        self._memory_mb = memory_mb
        self._swap = self.folder.with_suffix(".swap")
        with self._swap.open("wb") as file:
            file.truncate(swap_mb << 20)
        subprocess.run(["mkswap", "--quiet", str(self._swap)], check=True)
        units = self.folder / "upper/etc/systemd/system"
        unit = units / "lilfox-address.service"
        named = "ExecStart=-ip link set vec0 name host0\nExecStart=ip address"
        unit.write_text(unit.read_text().replace("ExecStart=ip address", named, 1))
        for name in ("proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service"):
            (units / name).symlink_to("/dev/null")
        (self.root / "lib/modules").mkdir(exist_ok=True)
        for version in MODULES.iterdir():
            (self.root / "lib/modules" / version.name).symlink_to(version)
        clock = self.root / "var/lib/systemd/timesync/clock"
        clock.parent.mkdir(parents=True)
        clock.touch()  # systemd takes a clock far ahead of the newest file that it knows as a broken one

    def boot(self, uptime_s: int = 0) -> None:
        """Boots it and waits until sshd answers."""
        assert not uptime_s, "its uptime is that of its kernel"
        _ip("tuntap", "add", "dev", self._link, "mode", "tap")
        _ip("link", "set", self._link, "master", self._lab.bridge, "up")
        for group in self._groups:
            group.mkdir(parents=True)
        with self.folder.with_suffix(".console").open("ab") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", INTO_CGROUPS, "sh", " ".join(map(str, self._groups)), *self._argv(0)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env={"PATH": os.environ["PATH"], "TMPDIR": "/dev/shm"},
            )  # fmt: skip
        wait_for(self.answers, timeout_s=BOOT_S, what=f"ssh on {self.name}: {self.console}")

    def _argv(self, _uptime_s: int) -> list[str]:
        return [
            "linux.uml", f"mem={self._memory_mb}M", "root=/dev/root", "rootfstype=hostfs", f"rootflags={self.root}",
            "rw", f"ubda={self._swap}", f"vec0:transport=tap,ifname={self._link},depth=64", "con=null",
            "con0=null,fd:1", "net.ifnames=0", "init=/lib/systemd/systemd", "quiet",
            f"umid={self._machine}", f"uml_dir={self.folder}/",
        ]  # fmt: skip


def _ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True)
