"""Facts of a Redis server. A fact's question is a command as a tuple of words, whose answer is the reply with texts
decoded, or one of the classes below. Commands only read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.model import Absent, Fact, Facts, Fix, NotKnown
from lilfox_tui.backends.redis_transport import RedisTransport
from lilfox_tui.core.i18n import Message, tr

PERFORMANCE = ("performance",)
SAMPLED_KEYS = 5000
SAMPLED_S = 2.0
BIG_BYTES = 10 << 20
_AT_ONCE = 200
_MOST_BIG = 100


class RedisSettings(Struct, frozen=True):
    """A question for settings by their names; the answer has the values of those that the server knows. Each is asked
    for by itself, because servers before version 7 take one name."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"CONFIG GET {name}" for name in self.names)


class SampleKeys(Struct, frozen=True):
    """A question for large keys among a bounded sample of all; answered by a KeySample. No value is read."""

    def __str__(self) -> str:
        return f"SCAN, MEMORY USAGE: at most {SAMPLED_KEYS} keys within {SAMPLED_S:.0f} s; TYPE of large ones"


class AskUse(Struct, frozen=True):
    """A question for what the configuration says of the server; answered by a RedisUse."""

    def __str__(self) -> str:
        return "the backends and services of the configuration that are on this server and its host"


class RedisUse(Struct, frozen=True):
    """What the configuration says of a server: the ACL user that LilFox is, the kinds of queues on it, and what else
    runs on its host."""

    user: str
    queues: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()


class LargeKey(Struct, frozen=True):
    """A key that needs much memory."""

    db: int
    name: str
    kind: str
    bytes: int


class KeySample(Struct, frozen=True):
    """The large keys among ``sampled`` ones of all ``keys``."""

    keys: int
    sampled: int
    large: tuple[LargeKey, ...]


class RedisInfo(Struct, frozen=True):
    """Fields of INFO. ``config_file`` is empty where the server has none, ``calls`` are those of each command."""

    redis_version: str
    role: str
    uptime_in_seconds: int
    used_memory: int
    used_memory_peak: int
    maxmemory: int
    maxmemory_policy: str
    mem_fragmentation_ratio: float
    keyspace_hits: int
    keyspace_misses: int
    evicted_keys: int
    latest_fork_usec: int
    aof_enabled: int
    refused_writes: int
    keys: int
    expires: int
    calls: Mapping[str, int]
    config_file: str = ""
    tcp_port: int = 6379
    total_system_memory: int = 0


def parse_info(reply: Mapping[str, Any]) -> RedisInfo:
    """The fields of INFO ALL."""
    spaces = [each for name, each in reply.items() if name.startswith("db") and name[2:].isdecimal()]
    counted = {
        "refused_writes": reply.get("errorstat_OOM", {}).get("count", 0),
        "keys": sum(each["keys"] for each in spaces),
        "expires": sum(each["expires"] for each in spaces),
        "calls": {
            name.removeprefix("cmdstat_"): each["calls"]
            for name, each in reply.items()
            if name.startswith("cmdstat_") and isinstance(each, Mapping)
        },
    }
    texts = {name: str(reply[name]) for name in ("redis_version", "role", "maxmemory_policy")}
    texts["config_file"] = str(reply.get("config_file", ""))
    return convert({**reply, **texts, **counted}, RedisInfo)


def parse_settings(reply: Mapping[str, str]) -> Mapping[str, str]:
    """The settings that the server has."""
    return convert(reply, dict[str, str])


INFO = Fact("info", ("INFO", "all"), parse_info)
USE: Fact[RedisUse] = Fact("use", AskUse(), lambda answer: convert(answer, RedisUse))


def primary(facts: Facts) -> RedisInfo:
    """INFO of a server that is no replica; raises Absent for one, whose data are its primary's."""
    info = facts[INFO]
    if info.role != "master":
        raise Absent
    return info


async def gather(transport: RedisTransport, facts: Sequence[Fact[Any]], use: RedisUse) -> Mapping[str, Any]:
    """The answer to each question; NotKnown for one that the server refuses. Raises BackendError, HostError, or
    LilFoxError if a secret cannot be read."""
    questions = {fact.name: fact.question for fact in facts}

    async def ask(client: Any) -> dict[str, Any]:
        pipeline = client.pipeline(transaction=False)
        commands = {name: list(_commands(question)) for name, question in questions.items()}
        for command in (command for of_fact in commands.values() for command in of_fact):
            pipeline.execute_command(*command)
        replies = iter(await pipeline.execute(raise_on_error=False))
        found = {name: [_decoded(next(replies)) for _command in of_fact] for name, of_fact in commands.items()}
        answers = {name: _answer(questions[name], of_fact) for name, of_fact in found.items() if of_fact}
        for name, question in questions.items():
            if isinstance(question, AskUse):
                answers[name] = use
            elif isinstance(question, SampleKeys):
                answers[name] = await _sample(client)
        return answers

    return await transport.ask(ask)


def _commands(question: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(question, tuple):
        yield question
    elif isinstance(question, RedisSettings):
        yield from (("CONFIG", "GET", name) for name in question.names)


def _answer(question: Any, replies: list[Any]) -> Any:
    refused = next((each for each in replies if isinstance(each, NotKnown)), None)
    if refused is not None:
        return refused
    if isinstance(question, RedisSettings):
        return {name: value for reply in replies for name, value in zip(reply[::2], reply[1::2], strict=False)}
    return replies[0]


async def _sample(client: Any) -> KeySample | NotKnown:
    own = client.get_connection_kwargs().get("db", 0)
    try:
        found = await _sampled(client)
        await _replies(client, ("SELECT", own))
    except NotKnown as error:
        return error
    return found


async def _sampled(client: Any) -> KeySample:
    """The first keys of each database, in the order of the server's hash tables."""
    clock = asyncio.get_running_loop().time
    until = clock() + SAMPLED_S
    (spaces,) = await _replies(client, ("INFO", "keyspace"))
    numbers = {int(name[2:]): each["keys"] for name, each in spaces.items() if name[2:].isdecimal()}
    sampled, large = 0, list[LargeKey]()
    for db in numbers:
        cursor = 0
        while sampled < SAMPLED_KEYS and clock() < until:
            _selected, (cursor, names) = await _replies(client, ("SELECT", db), ("SCAN", cursor, "COUNT", _AT_ONCE))
            large += await _large(client, db, names)
            sampled += len(names)
            if not cursor:
                break
    large.sort(key=lambda each: -each.bytes)
    return KeySample(sum(numbers.values()), sampled, tuple(large[:_MOST_BIG]))


async def _large(client: Any, db: int, names: Sequence[bytes]) -> list[LargeKey]:
    asked = (("MEMORY", "USAGE", name, "SAMPLES", "5") for name in names)
    _selected, *usage = await _replies(client, ("SELECT", db), *asked)
    sizes = {name: size for name, size in zip(names, usage, strict=True) if size and size >= BIG_BYTES}
    _selected, *kinds = await _replies(client, ("SELECT", db), *(("TYPE", name) for name in sizes))
    return [
        LargeKey(db, _decoded(name), _decoded(kind), size)
        for (name, size), kind in zip(sizes.items(), kinds, strict=True)
    ]


async def _replies(client: Any, *commands: tuple[Any, ...]) -> list[Any]:
    """The replies to commands on one connection; raises NotKnown for one that the server refuses."""
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    replies: list[Any] = await pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception):
            raise _decoded(reply)
    return replies


def _decoded(reply: Any) -> Any:
    if isinstance(reply, Exception):
        return NotKnown(tr("the server refused the command: {reason}", reason=reply))
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "surrogateescape")
    if isinstance(reply, list | tuple):
        return [_decoded(each) for each in reply]
    if isinstance(reply, dict):
        return {_decoded(name): _decoded(value) for name, value in reply.items()}
    return reply


def redis_cli(info: RedisInfo, words: str) -> str:
    """The command that somebody on the server's host runs; redis-cli takes the password from REDISCLI_AUTH."""
    port = f" -p {info.tcp_port}" if info.tcp_port not in (0, 6379) else ""
    return f"redis-cli{port} {words}"


def redis_settings(info: RedisInfo, text: Message, settings: Mapping[str, str], *then: str) -> Fix:
    """Settings for a Redis server: at once, and in its file so that they stay; then commands for redis-cli."""
    commands = [redis_cli(info, f"CONFIG SET {name} {value}") for name, value in settings.items()]
    lines = tuple(f"{name} {value}" for name, value in settings.items())
    return Fix(text, info.config_file, lines, (*commands, *(redis_cli(info, words) for words in then)))
