"""Fixes that several checks give."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lilfox_tui.audit.model import Fix
from lilfox_tui.audit.targets.redis import RedisInfo
from lilfox_tui.core.i18n import Message, tr

SERVER_BLOCK = tr("Add these lines to the server block of nginx, or configure the equivalent in your web server.")
HEADER_LINES = tr("Add this line to the server block of nginx, and to each location that has its own add_header lines.")


_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./+-]+")


def plain(word: str, instead: str) -> str:
    """A word that a server sent, for a line of a fix: ``instead`` where it has characters that mean something in a
    configuration or a shell."""
    return word if _PLAIN_WORD.fullmatch(word) else instead


def nginx(*lines: str, text: Message = SERVER_BLOCK) -> Fix:
    """Lines for nginx, which is then told to read them."""
    return Fix(text, lines=lines, commands=("nginx -t", "systemctl reload nginx"))


def redis_cli(info: RedisInfo, words: str) -> str:
    """The command that somebody on the server's host runs; redis-cli takes the password from REDISCLI_AUTH."""
    port = f" -p {info.tcp_port}" if info.tcp_port not in (0, 6379) else ""
    return f"redis-cli{port} {words}"


def redis_settings(info: RedisInfo, text: Message, settings: Mapping[str, str], *then: str) -> Fix:
    """Settings for a Redis server: at once, and in its file so that they stay; then commands for redis-cli."""
    commands = [redis_cli(info, f"CONFIG SET {name} {value}") for name, value in settings.items()]
    lines = tuple(f"{name} {value}" for name, value in settings.items())
    return Fix(text, info.config_file, lines, (*commands, *(redis_cli(info, words) for words in then)))
