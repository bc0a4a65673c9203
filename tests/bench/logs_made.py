"""Logs for the measurements: as many records as wanted, fast, the same for the same seed.

Ten thousand different records are made once; the file is these in a seeded order, each with a time of its own, 10 ms
after the one before.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(milliseconds=10)
A_SECOND = timedelta(seconds=1) // STEP
GIGABYTE_RECORDS = 4_100_000
"""Records of the manual's JSON in a file of 1 GB."""
RARE = "fox-3f9c71d2"
"""Stands in ``RARE_TIMES`` records, evenly over the file."""
RARE_TIMES = 7
_DIFFERENT = 10_000
_SECONDS_AT_ONCE = 50

_MODULES = ("gateway", "orders", "payments", "inference", "scheduler", "cache", "auth", "storage", "mailer", "search")
_WORDS = (
    "request done", "cache miss for key", "model loaded", "用户登录成功", "订单已创建", "retrying the connection",
    "批处理任务完成", "slow query", "queue drained", "上游超时,正在重试", "session opened", "配置已重新加载",
)  # fmt: skip
_ERRORS = ("OperationalError", "TimeoutError", "ValueError", "KeyError", "ConnectionResetError")
_ROUTES = ("/api/v1/generate", "/api/v1/orders", "/api/v1/users", "/health", "/static/app.js", "/登录")
_AGENTS = ("curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "kube-probe/1.30")

Line = tuple[bytes, bytes, bytes]
"""What stands before the time, between the time and the message, and from the message on."""


def make(path: Path, records: int, kind: str = "json", *, seed: int = 1) -> None:
    """Writes a log of ``records`` records: the manual's ``json``, ``nginx`` combined or the manual's ``console``."""
    dice = random.Random(seed)
    make_line, times_of = _KINDS[kind]
    lines = [make_line(dice, number) for number in range(_DIFFERENT)]
    rare_at = {(2 * turn + 1) * records // (2 * RARE_TIMES) for turn in range(RARE_TIMES)}
    with path.open("wb") as file:
        for first, times in _times(records, times_of):
            chosen = dice.choices(lines, k=len(times))
            for place in rare_at & set(range(first, first + len(times))):
                before, between, text = chosen[place - first]
                chosen[place - first] = before, between, RARE.encode() + text
            file.write(b"".join([b"%b%b%b%b" % (a, at, b, c) for (a, b, c), at in zip(chosen, times, strict=True)]))


def _times(records: int, times_of: Callable[[datetime], list[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """The times as text, many seconds at once, each with the number of its first record."""
    for first in range(0, records, A_SECOND * _SECONDS_AT_ONCE):
        began = BEGAN + STEP * first
        times = [at for second in range(_SECONDS_AT_ONCE) for at in times_of(began + timedelta(seconds=second))]
        yield first, times[: records - first]


def _json_line(dice: random.Random, number: int) -> Line:
    level = dice.choices(("DEBUG", "INFO", "WARNING", "ERROR"), (16, 70, 10, 4))[0]
    module = dice.choice(_MODULES)
    rest: dict[str, Any] = {
        "message": f"{dice.choice(_WORDS)} {number}",
        "module": module,
        "function": f"on_{dice.choice(_MODULES)}",
        "line": dice.randrange(10, 900),
    }
    if level == "ERROR" and dice.random() < 0.5:
        rest["exception"] = _exception(dice, module)
    if dice.random() < 0.6:
        rest["response_time"] = round(dice.lognormvariate(-2.5, 1.0), 3)
    rest["request_id"] = f"req-{dice.getrandbits(48):012x}"
    rest["user_id"] = dice.randrange(100_000)
    text = json.dumps(rest, ensure_ascii=dice.random() < 0.5)
    quoted = '{"message": "'
    between = f'", "level": "{level}", "logger": "lilfox.{module}", {quoted[1:]}'
    return b'{"timestamp": "', between.encode(), text[len(quoted) :].encode() + b"\n"


def _exception(dice: random.Random, module: str) -> str | dict[str, str]:
    """As the manual's formatter writes it, or as the manual's script reads it."""
    if dice.random() < 0.5:
        return {"type": dice.choice(_ERRORS), "message": dice.choice(_WORDS)}
    return _traceback(dice, module)


def _traceback(dice: random.Random, module: str) -> str:
    where = f'  File "/srv/lilfox/{module}.py", line {dice.randrange(900)}, in run\n    return self.call()\n'
    return f"Traceback (most recent call last):\n{where}{dice.choice(_ERRORS)}: {dice.choice(_WORDS)}"


def _nginx_line(dice: random.Random, number: int) -> Line:
    status = dice.choices((200, 304, 404, 500, 502, 503), (80, 8, 8, 2, 1, 1))[0]
    request = f"{dice.choice(('GET', 'GET', 'POST'))} {dice.choice(_ROUTES)}?id={number}&by="
    address = f"10.{dice.randrange(4)}.{dice.randrange(256)}.{dice.randrange(256)}"
    answer = f'{status} {dice.randrange(100_000)} "-" "{dice.choice(_AGENTS)}"'
    return f"{address} - - [".encode(), f'] "{request}'.encode(), f' HTTP/1.1" {answer}\n'.encode()


def _console_line(dice: random.Random, number: int) -> Line:
    level = dice.choices(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), (16, 70, 10, 3, 1))[0]
    module = dice.choice(_MODULES)
    text = f"{dice.choice(_WORDS)} {number}\n"
    if level == "ERROR" and dice.random() < 0.5:
        text += _traceback(dice, module) + "\n"
    return b"", f" - lilfox.{module} - {level} - ".encode(), text.encode()


def _json_times(second: datetime) -> list[bytes]:
    return [f"{second:%Y-%m-%dT%H:%M:%S}.{part:02d}0000".encode() for part in range(A_SECOND)]


def _nginx_times(second: datetime) -> list[bytes]:
    return [f"{second:%d/%b/%Y:%H:%M:%S} +0000".encode()] * A_SECOND


def _console_times(second: datetime) -> list[bytes]:
    return [f"{second:%Y-%m-%d %H:%M:%S},{part:02d}0".encode() for part in range(A_SECOND)]


_KINDS: dict[str, tuple[Callable[[random.Random, int], Line], Callable[[datetime], list[bytes]]]] = {
    "json": (_json_line, _json_times),
    "nginx": (_nginx_line, _nginx_times),
    "console": (_console_line, _console_times),
}
