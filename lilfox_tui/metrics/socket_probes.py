"""Asks ports and hosts that speak no HTTP: a TCP connection is made and closed, an ICMP echo is sent."""

from __future__ import annotations

import asyncio
import math
import os
import re
import socket
import struct
import time
from datetime import UTC, datetime

from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.core.errors import CommandTimeout, HostError, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.health import ServiceProbe, reason_of
from lilfox_tui.metrics.model import Health, HealthCheck

_MORE_S = 5.0
"""What a command on a host may take beside the time that the question has."""
# The time is taken on the host that asks: the way to it is no part of the answer.
_CONNECT = r"""
began=$EPOCHREALTIME
exec 3<>"/dev/tcp/$1/$2" || exit 1
printf '%s %s\n' "$began" "$EPOCHREALTIME"
"""
_BASH_ERROR = re.compile(r"/dev/tcp/[^:]*: ([A-Z][A-Za-z ,]*)")
_PING_TIME = re.compile(r"time[=<]([0-9]+(?:\.[0-9]+)?) ms")
_PAYLOAD = 32


class NoEcho(LilFoxError):
    """The host did not answer the echo request, or could not be asked."""


class _SocketProbe(ServiceProbe):
    """``host`` asks; None for this machine."""

    def __init__(self, name: str, config: ServiceConfig, host: Host | None, *, period_s: float) -> None:
        super().__init__(name, config, config.url, period_s=period_s)
        self._host = host
        self._where = config.url.partition("://")[2]

    async def _check(self) -> HealthCheck:
        at = datetime.now(UTC)
        try:
            took_s = await self._ask()
        except (TimeoutError, CommandTimeout):
            reason = tr("no answer from {where} within {seconds} s", where=self._where,
                        seconds=f"{self.config.timeout:g}")  # fmt: skip
        except HostError as error:
            reason = tr("cannot send the request from {host}: {reason}", host=error.host, reason=error.message)
        except NoEcho as error:
            reason = Message(error.message.text, error.message.values)
        except (OSError, UnicodeError) as error:
            reason = reason_of(error, self._where)
        else:
            return HealthCheck(at, Health.HEALTHY, None, took_s)
        return HealthCheck(at, Health.ERROR, None, None, reason)

    async def _ask(self) -> float:
        raise NotImplementedError


class TcpProbe(_SocketProbe):
    """Makes a connection."""

    async def _ask(self) -> float:
        host, _colon, port = self._where.rpartition(":")
        host = host.strip("[]")
        if self._host is not None and not isinstance(self._host, LocalHost):
            return await self._from(self._host, host, port)
        began = time.perf_counter()
        async with asyncio.timeout(self.config.timeout):
            _reader, writer = await asyncio.open_connection(host, int(port))
        took_s = time.perf_counter() - began
        writer.transport.abort()
        return took_s

    async def _from(self, asking: Host, host: str, port: str) -> float:
        seconds = f"{self.config.timeout:g}"
        argv = ("timeout", seconds, "bash", "-c", _CONNECT, "bash", host, port)
        done = await asking.run(argv, timeout_s=self.config.timeout + _MORE_S)
        if done.exit_status == 124:
            raise TimeoutError
        if done.exit_status == 127:
            raise NoEcho(tr("{host} lacks a program for this: timeout and bash are needed", host=asking.name))
        if not done.ok:
            found = _BASH_ERROR.search(done.stderr.decode("utf-8", "replace"))
            raise NoEcho(tr("{where} cannot be reached from {host}: {reason}", where=self._where, host=asking.name,
                            reason=found[1] if found else done.ending))  # fmt: skip
        began, ended = done.stdout.split()
        return max(0.0, float(ended) - float(began))


class IcmpProbe(_SocketProbe):
    """Sends an echo request: by a socket of its own where this account may open one, else by ``ping``."""

    async def _ask(self) -> float:
        if self._host is not None and not isinstance(self._host, LocalHost):
            return await self._ping(self._host)
        try:
            async with asyncio.timeout(self.config.timeout):
                return await echo(self._where)
        except PermissionError:
            return await self._ping(LocalHost(str(tr("this machine")), HostConfig(local=True)))

    async def _ping(self, asking: Host) -> float:
        wait_s = str(math.ceil(self.config.timeout))
        began = time.perf_counter()
        argv = ("ping", "-n", "-c", "1", "-W", wait_s, "--", self._where)
        done = await asking.run(argv, timeout_s=self.config.timeout + _MORE_S)
        took_s = time.perf_counter() - began
        if done.exit_status == 127:
            raise NoEcho(tr("{host} has no ping, and its account may not open an ICMP socket", host=asking.name))
        said = done.stdout.decode("utf-8", "replace")
        if not done.ok:
            told = done.stderr.decode("utf-8", "replace").strip().splitlines()
            if not told and done.exit_status == 1:
                raise TimeoutError
            raise NoEcho(tr("{where} cannot be reached from {host}: {reason}", where=self._where, host=asking.name,
                            reason=told[-1] if told else done.ending))  # fmt: skip
        found = _PING_TIME.search(said)
        return float(found[1]) / 1000 if found else took_s


async def echo(where: str) -> float:
    """Send one echo request to ``where`` and return the seconds until the reply. Raises OSError, PermissionError where
    no socket may be opened."""
    loop = asyncio.get_running_loop()
    family, _type, _proto, _name, address = (await loop.getaddrinfo(where, None, type=socket.SOCK_DGRAM))[0]
    opened = _opened(family)
    with opened:
        opened.setblocking(False)
        payload = os.urandom(_PAYLOAD)
        began = time.perf_counter()
        await loop.sock_sendto(opened, _request(family, payload), address)
        while True:
            if _is_reply(family, await loop.sock_recv(opened, 2048), payload):
                return time.perf_counter() - began


def _opened(family: int) -> socket.socket:
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        return socket.socket(family, socket.SOCK_RAW, protocol)


def _is_reply(family: int, got: bytes, payload: bytes) -> bool:
    """Whether ``got`` answers the request; a raw socket also sees the requests, behind their IPv4 headers."""
    if not got.endswith(payload) or len(got) < _PAYLOAD + 8:
        return False
    return bool(got[-_PAYLOAD - 8] == (129 if family == socket.AF_INET6 else 0))


def _request(family: int, payload: bytes) -> bytes:
    if family == socket.AF_INET6:
        return struct.pack("!BBHHH", 128, 0, 0, os.getpid() & 0xFFFF, 1) + payload  # the kernel adds the checksum
    head = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1)
    return struct.pack("!BBHHH", 8, 0, _checksum(head + payload), os.getpid() & 0xFFFF, 1) + payload


def _checksum(data: bytes) -> int:
    """The checksum of RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
