"""A persistent connection to a Redis server, direct or through a port that a host forwards."""

from __future__ import annotations

import asyncio
import errno
import importlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta

from lilfox_tui.backends.model import BackendError, no_answer
from lilfox_tui.config.model import BackendConfig
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import Port, SecretRef
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import refuse
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host

if TYPE_CHECKING:
    from redis.asyncio import Redis


T = TypeVar("T")


class RedisOptions(BackendConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The address of the server, as seen from ``host`` if one is given, and the credentials for it."""

    address: str = "127.0.0.1"
    port: Port = 6379
    db: Annotated[int, Meta(ge=0)] = 0
    user: str = ""
    """Of Redis' ACL; the user ``default`` when not given."""
    password: SecretRef | None = None
    tls: bool = False
    ca_file: str = ""


class RedisTransport:
    """Queries one server. Every query is bounded in time; after any error the next one reconnects."""

    def __init__(self, options: RedisOptions, host: Host | None) -> None:
        self._options, self._host = options, host
        self._open = AsyncExitStack()
        self._client: Redis | None = None

    @property
    def where(self) -> str:
        """``address:port``, as it appears in errors."""
        address = self._options.address
        return f"[{address}]:{self._options.port}" if ":" in address else f"{address}:{self._options.port}"

    async def ask(self, look: Callable[[Any], Awaitable[T]]) -> T:
        """Return the result of ``look(client)``, where the client is redis-py's and returns bytes. Raises BackendError,
        HostError, or LilFoxError if a secret cannot be read."""
        errors = await asyncio.to_thread(importlib.import_module, "redis.exceptions")
        try:
            client = await self._connected()
            async with asyncio.timeout(self._options.timeout):
                return await look(client)
        except (TimeoutError, errors.TimeoutError):
            await self.close()
            raise no_answer(self.where, self._options.timeout) from None
        except (errors.RedisError, OSError) as error:
            await self.close()
            raise self._failed(error, errors) from None
        except BaseException:
            await self.close()
            raise

    async def _connected(self) -> Redis:
        if self._client is not None:
            return self._client
        await asyncio.to_thread(importlib.import_module, "redis.asyncio")
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options = self._options
        if options.ca_file:
            await asyncio.to_thread(refuse, Path(options.ca_file))
        password = None if options.password is None else await revealed_text(options.password)
        async with asyncio.timeout(max(options.timeout, CONNECT_AT_LEAST_S)):
            address, port = options.address, options.port
            if self._host is not None:
                address, port = await self._open.enter_async_context(self._host.forward(port, address))
            client = Redis(
                host=address, port=port, db=options.db, username=options.user or None, password=password,
                client_name="lilfox", single_connection_client=True, retry=Retry(NoBackoff(), 0),
                socket_timeout=None,  # ours is around all of it; its own may lose a cancellation (asyncio.wait_for)
                socket_connect_timeout=options.timeout, protocol=2,
                ssl=options.tls, ssl_ca_certs=options.ca_file or None,
                ssl_check_hostname=self._host is None,  # a forwarded port has another name than the certificate
            )  # fmt: skip
            self._open.push_async_callback(client.aclose)
            await client.initialize()
        self._client = client
        return client

    def _failed(self, error: Exception, errors: ModuleType) -> LilFoxError:
        """Return the error with the server's or the network's message; redis-py puts no password into it."""
        reason: Message | str = str(error).partition("\n")[0][:300] or type(error).__name__
        hint: Message | str = ""
        if isinstance(error, errors.AuthenticationError | errors.NoPermissionError):
            hint = tr("Check the user, its password and its ACL: it needs +info and +@read.")
        elif str(error).startswith(f"Error {errno.ECONNREFUSED} "):
            reason, hint = tr("nothing is listening at this address"), tr("Is the server running?")
        return BackendError(tr("{where}: {reason}", where=self.where, reason=reason), hint)

    async def close(self) -> None:
        """Close the connection and the forwarded port."""
        self._client = None
        opened, self._open = self._open, AsyncExitStack()
        await opened.aclose()


def text_of(answer: bytes | str) -> str:
    """Return a name from Redis as text; it is untrusted."""
    return answer if isinstance(answer, str) else answer.decode("utf-8", "replace")
