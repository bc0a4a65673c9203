"""Facts of a Redis server. A fact's question is a command as a tuple of words; its answer is the reply, with texts
decoded. Commands only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lilfox_tui.audit.facts import Fact, NotKnown
from lilfox_tui.backends.redis_transport import RedisTransport
from lilfox_tui.core.i18n import tr


async def gather(transport: RedisTransport, facts: Sequence[Fact[Any]]) -> Mapping[str, Any]:
    """The reply to each command; NotKnown for one that the server refuses. Raises BackendError, HostError, or
    LilFoxError if a secret cannot be read."""
    asked = {fact.name: fact for fact in facts}

    async def ask(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for fact in asked.values():
            pipeline.execute_command(*fact.question)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies

    replies = await transport.ask(ask)
    return {name: _decoded(reply) for name, reply in zip(asked, replies, strict=True)}


def _decoded(reply: Any) -> Any:
    if isinstance(reply, Exception):
        return NotKnown(tr("the server refused the command: {reason}", reason=reply))
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "surrogateescape")
    if isinstance(reply, list):
        return [_decoded(each) for each in reply]
    if isinstance(reply, dict):
        return {_decoded(name): _decoded(value) for name, value in reply.items()}
    return reply
