"""The text of the configuration file, read only where nobody else can have written it (``trusted_file.py``)."""

from __future__ import annotations

import stat
from pathlib import Path

from msgspec import Struct

from lilfox_tui import trusted_file
from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import tr

MAX_BYTES = 1024 * 1024


class ConfigText(Struct, frozen=True):
    """The file's text, and whether users other than its owner may read it."""

    text: str
    readable_by_others: bool


def read(path: Path) -> ConfigText:
    """The text of ``path`` (UTF-8, up to 1 MiB). Raises ConfigError when it is missing, not trusted or not text."""
    try:
        with trusted_file.opened(path) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError(tr("{path}: not a regular file; name the file itself", path=path))
            raw = trusted_file.content(descriptor, MAX_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(tr("{path}: larger than 1 MiB; that is no configuration of LilFox", path=path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(tr("{path}:{line}: not UTF-8 text; save it as UTF-8", path=path, line=line)) from None
    return ConfigText(text, bool(found.st_mode & 0o044))


def _unreadable(path: Path, error: OSError) -> ConfigError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(tr("{path}: there is no such file", path=path), hint=tr("see --config, or copy the example"))
    return ConfigError(tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or type(error).__name__))
