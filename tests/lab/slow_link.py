"""A far place: a network namespace from which the lab's bridge is reached over a link with delay and loss.

Frames go through two TAP devices (Documentation/networking/tuntap.rst) and wait here in between: what a client and a
server have to do about a lost packet they do themselves. A program of its own holds the far end:
``python -m tests.lab.slow_link FD ADDRESS DELAY_MS LOSS_PERCENT``; with it the namespace and both devices are gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab.machines import MachineLab
from tests.lifetime import ending_with_us

_TUNSETIFF, _TAP, _NO_PI = 0x400454CA, 0x0002, 0x1000
_FRAME_BYTES = 65536
_FAR, _READY, _CUT = "far0", b"ready\n", b"cut\n"


class SlowLink:
    """A place at the far end of a link. Made by :func:`slow_link`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def there(self, *argv: str) -> Sequence[str]:
        """``argv`` as a command that runs at the far end, with this machine's files."""
        return ("nsenter", f"--net=/proc/{self._process.pid}/ns/net", "--", *argv)

    def cut(self) -> tuple[int, int]:
        """From now on every frame vanishes, and nobody is told. How many frames were carried by then, and lost."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(_CUT)
        self._process.stdin.flush()
        carried, lost = map(int, self._process.stdout.readline().split())
        return carried, lost


@contextlib.contextmanager
def slow_link(lab: MachineLab, number: int, *, delay_ms: int = 100, loss_percent: int = 1) -> Iterator[SlowLink]:
    """The ``number``-th far place of a lab (0 to 9): ``delay_ms`` one way, ``loss_percent`` of the frames of each way
    are lost."""
    name = f"lfl{lab.run}{number}"
    near = _tap(name)
    try:
        for words in (("master", lab.bridge), ("up",)):
            subprocess.run(["ip", "link", "set", name, *words], check=True)
        options = (str(near), f"{lab.network}.{240 + number}/24", str(delay_ms), str(loss_percent))
        process = subprocess.Popen(
            ending_with_us("unshare", "--net", "--", sys.executable, "-m", __name__, *options),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(near,), cwd=Path(__file__).parents[2],
        )  # fmt: skip
    finally:
        os.close(near)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == _READY
            yield SlowLink(process)
        finally:
            process.kill()


def _tap(name: str) -> int:
    """A new TAP device, which is there as long as it is open."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP | _NO_PI))
    return device


class _Way:
    """One direction. Of a hundred frames ``loss_percent`` are lost, no more and no fewer; by chance which."""

    def __init__(self, out: int, delay_s: float, loss_percent: int) -> None:
        self.carried = self.lost = 0
        self._out, self._delay_s, self._loss_percent = out, delay_s, loss_percent
        self._chance = random.SystemRandom()
        self._fates: list[bool] = []
        self._waiting: list[tuple[float, int, bytes]] = []

    def take(self, frame: bytes) -> None:
        """A frame that came in."""
        if not self._fates:
            self._fates = [number < self._loss_percent for number in range(100)]
            self._chance.shuffle(self._fates)
        if self._fates.pop():
            self.lost += 1
        else:
            self.carried += 1
            heapq.heappush(self._waiting, (time.monotonic() + self._delay_s, self.carried, frame))

    def pass_on(self) -> float:
        """Sends what is due; the seconds until the next is, at most one."""
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            with contextlib.suppress(OSError):  # the device takes no more now: lost as any other
                os.write(self._out, heapq.heappop(self._waiting)[2])
        return min(1.0, self._waiting[0][0] - now) if self._waiting else 1.0

    def forget(self) -> None:
        """What is under way is lost."""
        self._waiting.clear()


def _carry(near: int, far: int, delay_s: float, loss_percent: int) -> None:
    """Until it is told to cut, then for ever nothing."""
    ways = {near: _Way(far, delay_s, loss_percent), far: _Way(near, delay_s, loss_percent)}
    while True:
        wait_s = min(way.pass_on() for way in ways.values())
        ready = select.select([*ways, 0], [], [], wait_s)[0]
        if 0 in ready:
            break
        for device in ready:
            with contextlib.suppress(BlockingIOError):
                while frame := os.read(device, _FRAME_BYTES):
                    ways[device].take(frame)
    for way in ways.values():
        way.forget()
    sys.stdout.write(f"{sum(way.carried for way in ways.values())} {sum(way.lost for way in ways.values())}\n")
    sys.stdout.flush()
    while True:  # the devices stay, so that nobody is told
        for device in select.select(list(ways), [], [])[0]:
            os.read(device, _FRAME_BYTES)


def _main(near: str, address: str, delay_ms: str, loss_percent: str) -> None:
    far = _tap(_FAR)
    for words in (
        ("link", "set", "lo", "up"), ("address", "add", address, "dev", _FAR), ("link", "set", _FAR, "up"),
    ):  # fmt: skip
        subprocess.run(["ip", *words], check=True)
    sys.stdout.buffer.write(_READY)
    sys.stdout.flush()
    _carry(int(near), far, int(delay_ms) / 1000, int(loss_percent))


if __name__ == "__main__":
    _main(*sys.argv[1:])
