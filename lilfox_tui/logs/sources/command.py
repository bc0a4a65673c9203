"""The output of a command: ``docker logs -f``, ``kubectl logs``, ``ssh`` to an appliance. Kept in memory."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from typing import Annotated

from msgspec import Meta

from lilfox_tui.config.model import LogConfig
from lilfox_tui.logs.source import SourceSettings
from lilfox_tui.logs.stream_source import StreamOrigin, StreamSource
from lilfox_tui.redact import redact


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``argv`` is run on the host without a shell. If changes are not allowed, it is run only if it is known to be
    read-only."""

    kind: str = "command"
    argv: Annotated[tuple[str, ...], Meta(min_length=1)]
    follow: bool = True
    """It goes on printing: when it ends it is started again."""


def open_source(name: str, options: Options, setting: SourceSettings) -> StreamSource:
    """Open the command's output; the first query starts it."""

    def blocks() -> AsyncGenerator[bytes, None]:
        setting.refuse(options.argv)
        return setting.host.stream(options.argv)

    description = redact(shlex.join(options.argv))
    return StreamSource(name, StreamOrigin(description, blocks, options.follow), setting)
