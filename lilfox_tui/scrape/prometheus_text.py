"""The text of a file that is written for Prometheus."""

from __future__ import annotations

import stat
from pathlib import Path

from lilfox_tui.config.problems import Findings
from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import _

MAX_BYTES = 8 * 1024 * 1024


def read_text(path: Path, *, trusted: bool) -> str:
    """A regular file's text; ``trusted``: something follows from it, so nobody else may be able to write it. Raises
    ConfigError as ``file:line: what``, NotTrusted."""
    from lilfox_tui.trusted_file import content, opened

    try:
        with opened(path, trusted=trusted) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise _unusable(path, _("not a regular file; name the file itself"))
            raw = content(descriptor, MAX_BYTES)
    except OSError as error:
        raise _unusable(path, _("cannot be read: {reason}", reason=error.strerror or type(error).__name__)) from None
    if len(raw) > MAX_BYTES:
        raise _unusable(path, _("larger than 8 MiB; that is no file for Prometheus"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(path, _("not UTF-8 text; save it as UTF-8"), raw.count(b"\n", 0, error.start) + 1) from None


def _unusable(path: Path, what: str, line: int = 1) -> ConfigError:
    findings = Findings(str(path))
    findings.add(line, (), what)
    return ConfigError(findings.sorted()[0], findings.sorted())
