"""An expression with named groups in the configuration itself."""

from __future__ import annotations

import re2

from lilfox_tui.config.log_formats import LogFormatConfig
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.own_formats import Definition, Definitions, FormatSample, compiled, time_pattern
from lilfox_tui.logs.record import Severity

_LEVELS = {severity.name.lower(): severity for severity in Severity}


def definitions(name: str, setting: LogFormatConfig) -> Definitions:
    """Return the entry's definition. Raises ConfigError if its expression or time format cannot be used."""
    try:
        compiled(setting.pattern)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ConfigError(
            tr("log_formats.{name}.pattern: not a regular expression of RE2: {error}", name=name, error=said),
            hint=tr("look-around and back-references are not part of it: github.com/google/re2/wiki/Syntax"),
        ) from None
    if setting.time_format and time_pattern(setting.time_format) is None:
        raise ConfigError(
            tr(
                "log_formats.{name}.time_format: not a format of strptime: {value}",
                name=name,
                value=setting.time_format,
            ),
            hint=tr("write it as %Y-%m-%d %H:%M:%S.%f"),
        )
    made = Definition(
        name=name,
        patterns=(setting.pattern,),
        time_formats=(setting.time_format,) if setting.time_format else (),
        level_values=tuple((word, _LEVELS[level]) for word, level in setting.levels.items()),
        multiline=setting.multiline,
        samples=tuple(
            FormatSample("\n".join((each.line, *each.further)), _LEVELS[each.level or "unknown"])
            for each in setting.samples
        ),
    )
    return Definitions((made,))
