"""Reads lnav's format files (https://docs.lnav.org/en/latest/formats.html) as they are.

Of a definition are used ``regex``, ``json``, ``level-field``, ``level``, ``timestamp-field``, ``timestamp-format``,
``timestamp-divisor``, ``body-field``, ``module-field``, ``duration-field``, ``multiline``, ``value`` (which fields are
numbers) and ``sample``. Its expressions are of PCRE: possessive repeats and atomic groups only save time there and are
read as plain ones, and look-ahead is tried after an expression has matched. What RE2 does not have besides is named
(look-behind, back-references), and the other expressions are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import re2

from lilfox_tui.config.log_formats import LogFormatConfig
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.logs.own_formats import Definition, Definitions, FormatSample, compiled
from lilfox_tui.logs.record import Severity

_LEVELS = {
    "fatal": Severity.CRITICAL, "critical": Severity.CRITICAL, "error": Severity.ERROR, "warning": Severity.WARNING,
    "notice": Severity.NOTICE, "stats": Severity.INFO, "info": Severity.INFO, "debug": Severity.DEBUG,
    "debug2": Severity.DEBUG, "debug3": Severity.DEBUG, "debug4": Severity.DEBUG, "debug5": Severity.DEBUG,
    "trace": Severity.TRACE,
}  # fmt: skip
_MAX_BYTES = 4 * 1024 * 1024
_POSSESSIVE = re.compile(
    r"(\\.|\[(?:\\.|\[:\w{1,20}:\]|[^\]\\])(?:\\.|[^\]\\])*+\]?)|([*+?}])\+|\(\?>|\(\?<([A-Za-z_]\w*+)>"
)


def definitions(name: str, setting: LogFormatConfig) -> Definitions:  # noqa: ARG001  they have their own names
    """Return what the entry's file defines. Raises ConfigError if nothing of it can be used."""
    return read_definitions(Path(setting.lnav))


def read_definitions(path: Path) -> Definitions:
    """Read a format file. Raises ConfigError if it cannot be read, or has nothing that can be used."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(tr("{path}: larger than 4 MiB; not a format file of lnav", path=path))
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or str(error))
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(tr("{path}: not JSON: {error}", path=path, error=str(error))) from None
    left_out: list[Message] = []
    found: list[Definition] = []
    for name, said in content.items() if isinstance(content, dict) else ():
        if isinstance(said, dict):
            found.extend(_definition(str(name), said, path, left_out))
    if not found:
        why = "; ".join(str(each) for each in left_out) or tr("it holds no definition")
        raise ConfigError(tr("{path}: no format of lnav that can be used: {why}", path=path, why=why))
    return Definitions(tuple(found), tuple(left_out))


def translated(pattern: str) -> str:
    """An expression of PCRE as RE2 writes it, where it has the same meaning."""

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        if match[2]:
            return match[2]
        return f"(?P<{match[3]}>" if match[3] else "(?:"

    return _POSSESSIVE.sub(one, pattern)


def _definition(name: str, said: Mapping[str, object], path: Path, left_out: list[Message]) -> Iterator[Definition]:
    is_json = said.get("file-type") == "json" or said.get("json") is True
    patterns: tuple[str, ...] = ()
    looks: list[tuple[str, str, bool]] = []
    if not is_json:
        patterns = tuple(_patterns(name, said.get("regex"), path, left_out, looks))
        if not patterns:
            if not isinstance(said.get("regex"), dict):
                left_out.append(tr("{path}: {name}: has no regex", path=path, name=name))
            return
    values = said.get("value")
    kinds = values if isinstance(values, dict) else {}
    level_patterns, level_values = _levels(said.get("level"))
    yield Definition(
        name=name,
        patterns=patterns,
        looks=tuple(looks),
        time=_text(said, "timestamp-field", "timestamp"),
        time_formats=_texts(said.get("timestamp-format")),
        time_unit_s=1 / divisor if (divisor := _number(said.get("timestamp-divisor"))) > 0 else 0,
        level=_text(said, "level-field", _text(said, "level-pointer", "level")),
        level_patterns=level_patterns,
        level_values=level_values,
        message=_text(said, "body-field", "body"),
        logger=_text(said, "module-field", "logger"),
        module=_text(said, "src-file-field", "module"),
        duration=_text(said, "duration-field", "duration"),
        duration_unit_s=1 / divisor if (divisor := _number(said.get("duration-divisor"))) > 0 else 1.0,
        numbers=frozenset(
            str(field) for field, of in kinds.items() if isinstance(of, dict) and of.get("kind") in ("integer", "float")
        ),
        multiline=said.get("multiline") is not False,
        samples=tuple(_samples(said.get("sample"))),
    )


_LOOK = re.compile(r"\\.|\[(?:\\.|[^\]\\])(?:\\.|[^\]\\])*+\]?|(\(\?[=!])|(\()|(\))")


def without_looks(pattern: str, looks: list[tuple[str, str, bool]]) -> str:
    """Put an empty group in the place of each look-ahead, and what it looks for into ``looks``. Where another way to
    match would satisfy it, such an expression matches less than PCRE's."""
    found, place, depth, opened = "", 0, 0, 0
    begins, wanted = -1, False
    for token in _LOOK.finditer(pattern):
        if token[1] and begins < 0:
            found += pattern[place : token.start()]
            begins, wanted, opened = token.end(), token[1] == "(?=", depth
            depth += 1
        elif token[1] or token[2]:
            depth += 1
        elif token[3]:
            depth -= 1
            if begins >= 0 and depth == opened:
                group = f"look_{len(looks)}_"
                looks.append((group, pattern[begins : token.start()], wanted))
                found, place, begins = f"{found}(?P<{group}>)", token.end(), -1
    return found + pattern[place:]


def _patterns(
    name: str, regex: object, path: Path, left_out: list[Message], looks: list[tuple[str, str, bool]]
) -> Iterator[str]:
    for key, of in regex.items() if isinstance(regex, dict) else ():
        written = of.get("pattern") if isinstance(of, dict) else None
        if not isinstance(written, str):
            continue
        before = len(looks)
        pattern = without_looks(translated(written), looks)
        try:
            for each in (pattern, *(look for _group, look, _wanted in looks[before:])):
                compiled(each)
        except (re2.error, UnicodeEncodeError):
            left_out.append(
                tr(
                    "{path}: {name}: the expression {key} is left out: RE2 cannot read it",
                    path=path,
                    name=name,
                    key=key,
                )
            )
            del looks[before:]
        else:
            yield pattern


def _levels(level: object) -> tuple[tuple[tuple[str, Severity], ...], tuple[tuple[str, Severity], ...]]:
    """Return the expressions and the values of each level, the gravest first."""
    patterns: list[tuple[str, Severity]] = []
    values: list[tuple[str, Severity]] = []
    said = level if isinstance(level, dict) else {}
    for name, severity in _LEVELS.items():
        written = said.get(name)
        for each in written if isinstance(written, list) else [written]:
            if isinstance(each, int):
                values.append((str(each), severity))
            elif isinstance(each, str):
                try:
                    compiled(pattern := translated(each))
                except (re2.error, UnicodeEncodeError):
                    continue
                patterns.append((pattern, severity))
    return tuple(patterns), tuple(values)


def _samples(said: object) -> Iterator[FormatSample]:
    for each in said if isinstance(said, list) else ():
        if isinstance(each, dict) and isinstance(line := each.get("line"), str):
            yield FormatSample(line, _LEVELS.get(str(each.get("level")), Severity.UNKNOWN))


def _text(said: Mapping[str, object], key: str, otherwise: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else otherwise


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
