"""PostgreSQL by psycopg: over TCP from here, or through the port that a host forwards."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from lilfox_tui.backends.backend import BackendError, no_answer
from lilfox_tui.backends.postgresql.session import APPLICATION, Answer, Refused, Step, settings
from lilfox_tui.config.revealing import plain
from lilfox_tui.config.types import SecretRef
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host
from lilfox_tui.i18n import Message, tr
from lilfox_tui.trusted_file import refuse

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Error

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_REASON = re.compile(r"failed: (?:FATAL: +)?")


class Login(Struct, frozen=True):
    """Where the server is and as whom it is asked, in libpq's words."""

    address: str
    port: int
    database: str
    user: str
    password: SecretRef | None
    sslmode: SslMode
    ca_file: str

    @property
    def where(self) -> str:
        """``address:port``, as errors name it."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class DriverSession:
    """See :class:`Session`. One connection, made by the first call."""

    def __init__(self, login: Login, host: Host | None, *, timeout_s: float) -> None:
        self._login, self._host, self._timeout_s = login, host, timeout_s
        self._open = AsyncExitStack()
        self._connection: AsyncConnection | None = None

    async def run(self, steps: Sequence[Step]) -> list[Answer]:
        """See :meth:`Session.run`."""
        psycopg = await asyncio.to_thread(importlib.import_module, "psycopg")
        try:
            return await self._answers(await self._connected(), steps)
        except TimeoutError:
            await self.close()
            raise no_answer(self._login.where, self._timeout_s) from None
        except psycopg.Error as error:
            await self.close()
            raise self._failed(error) from None
        except BaseException:
            await self.close()
            raise

    async def _connected(self) -> AsyncConnection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        await self.close()
        from psycopg import AsyncConnection

        login = self._login
        if login.ca_file not in ("", "system"):  # "system" is libpq's word for the certificates of the machine
            await asyncio.to_thread(refuse, Path(login.ca_file))
        password = None if login.password is None else await plain(login.password)
        async with asyncio.timeout(max(self._timeout_s, CONNECT_AT_LEAST_S)):
            address, port = login.address, login.port
            if self._host is not None:
                address, port = await self._open.enter_async_context(self._host.forward(port, address))
            connection = await AsyncConnection.connect(
                host=login.address, port=port, dbname=login.database, user=login.user or None, password=password,
                sslmode=login.sslmode, sslrootcert=login.ca_file or None, application_name=APPLICATION,
                options=settings(self._timeout_s), client_encoding="UTF8", connect_timeout=round(CONNECT_AT_LEAST_S),
                autocommit=True, prepare_threshold=None, passfile="/dev/null" if password else None,
                hostaddr=None if self._host is None else address,  # the certificate is still that of ``host``
            )  # fmt: skip
        self._connection = connection
        self._open.push_async_callback(connection.close)
        return connection

    async def _answers(self, connection: AsyncConnection, steps: Sequence[Step]) -> list[Answer]:
        """Raises TimeoutError and psycopg's errors. Ended in between, it cuts the connection first: psycopg would ask
        the server to cancel the statement, and wait 5 s for one that stands still."""

        async def ask() -> list[Answer]:
            return [await self._answer(connection, step) for step in steps]

        asking = asyncio.create_task(ask())
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(asking)
        finally:
            if not asking.done():
                with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
                    end.shutdown(socket.SHUT_RDWR)
                await asyncio.gather(asking, return_exceptions=True)

    async def _answer(self, connection: AsyncConnection, step: Step) -> Answer:
        from psycopg import Error

        try:
            texts = await _selected(connection, step.sql)
            if not step.generated:
                return texts
            return tuple([line for text in texts for line in await _selected(connection, text)])
        except UnicodeDecodeError:
            return Refused("22021", "not UTF-8")
        except Error as error:
            if connection.closed:
                raise
            return Refused(error.sqlstate or "", error.diag.message_primary or type(error).__name__)

    def _failed(self, error: Error) -> LilFoxError:
        """The server's or the network's words; libpq puts no password into them."""
        said = error.diag.message_primary or _REASON.split(str(error).partition("\n")[0])[-1]
        hint: Message | str = ""
        if "password" in said or "authentication" in said or "no pg_hba.conf entry" in said:
            hint = tr("Check user, password and the server's pg_hba.conf.")
        elif "refused" in said:
            hint = tr("Nothing listens there: is the server running?")
        return BackendError(tr("{where}: {reason}", where=self._login.where, reason=said[:300]), hint)

    async def close(self) -> None:
        """See :meth:`Session.close`."""
        self._connection = None
        opened, self._open = self._open, AsyncExitStack()
        await opened.aclose()


async def _selected(connection: AsyncConnection, sql: str) -> tuple[str, ...]:
    """The first column of the rows, as text. The statement goes as it is: it has no parameters of ours."""
    cursor = await connection.execute(sql.encode())
    if cursor.description is None:
        return ()
    return tuple(str(row[0]) for row in await cursor.fetchall())
