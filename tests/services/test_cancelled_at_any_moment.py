"""What is cancelled ends, at whichever of its waits that comes. A library that loses a cancellation leaves a console
that does not end: before Python 3.12 ``asyncio.wait_for`` does so where the awaited thing ends in the same turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from lilfox_tui.alerts.notifier import NotifierSetup
from lilfox_tui.alerts.notifiers import smtp
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport
from lilfox_tui.config.values import SecretRef
from lilfox_tui.hosts.open import open_host
from lilfox_tui.hosts.ssh.connect import SshTarget, dial
from tests.services.mail_server import Box, mail_server
from tests.services.postgres import Postgres
from tests.services.postgres_looks import opened
from tests.services.redis_server import PASSWORD, RedisServer
from tests.services.sshd import sshd_lab
from tests.unit.alerts.made import notice


class CancelledAt:
    """Awaits what it is given, and has its task cancelled when the wait with that number is over, before the task
    goes on: in that turn a cancellation is lost, if it ever is."""

    def __init__(self, awaited: Awaitable[object], number: int) -> None:
        self._awaited, self._left = awaited, number

    def __await__(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        assert task is not None
        steps = self._awaited.__await__()
        result: Any = None
        error: BaseException | None = None
        while True:
            try:
                waited_for = steps.send(result) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            if waited_for is not None:  # None: asyncio.sleep(0)
                self._left -= 1
                if self._left == 0:
                    waited_for.add_done_callback(lambda _: task.cancel())
            result = error = None
            try:
                result = yield waited_for
            except BaseException as thrown:
                error = thrown


async def cancelled_at_each_wait(begin: Callable[[], Awaitable[object]]) -> int:
    """Does it again and again, cancelled at its first wait, its second …; how many times it was cancelled."""

    async def once(number: int) -> object:
        return await CancelledAt(begin(), number)

    number = 0
    while True:
        task = asyncio.create_task(once(number + 1))
        await asyncio.wait([task])
        if not task.cancelling():  # it has fewer waits than that
            await task
            return number
        number += 1
        assert task.cancelled(), f"the cancellation was lost at wait {number}"


async def test_a_look_at_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    with RedisServer() as server:
        options = RedisOptions(kind="redis", port=server.port, password=SecretRef("env:REDIS_PASSWORD"))

        async def connect_and_look() -> None:
            transport = RedisTransport(options, None)
            try:
                await transport.ask(lambda client: client.info("all"))
            finally:
                await transport.close()

        assert await cancelled_at_each_wait(connect_and_look) >= 4  # two libraries, connected, answered


async def test_a_login_over_ssh() -> None:
    with sshd_lab() as lab:
        target = SshTarget.of("web", lab.host(lab.sshd()))

        async def log_in() -> None:
            connection, _client = await dial(target, lab.ssh())
            connection.abort()

        assert await cancelled_at_each_wait(log_in) >= 2


async def test_a_command_over_ssh() -> None:
    with sshd_lab() as lab:
        server = lab.sshd()

        async def run_one() -> None:
            host = open_host("web", lab.host(server), lab.ssh())
            try:
                assert (await host.run(["echo", "here"])).stdout == b"here\n"
            finally:
                await host.close()

        assert await cancelled_at_each_wait(run_one) >= 3


async def test_a_look_at_postgresql(postgres: Postgres) -> None:
    async def look() -> None:
        backend = opened(postgres)
        try:
            await backend.read()
        finally:
            await backend.close()

    assert await cancelled_at_each_wait(look) >= 3


async def test_a_mail() -> None:
    box = Box()
    async with mail_server(box, None) as port:
        options = smtp.Options(server="127.0.0.1", port=port, tls="none", from_="a@example.net", to=("b@example.net",))
        mail = smtp.open_notifier("mail", options, NotifierSetup())
        assert await cancelled_at_each_wait(lambda: mail.tell(notice())) >= 6  # a greeting, and five commands
    assert box.mails
