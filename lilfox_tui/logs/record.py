"""Log records, and the contract of the formats that parse their entries."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from functools import lru_cache
from types import ModuleType
from typing import Protocol, cast

from msgspec import Struct

from lilfox_tui.core import plugins

# One record of a log, whatever wrote it.
#
# Times are microseconds since 1970 in UTC (``time_us``): they are compared and merged by the million. Text is raw as it
# was read, untrusted, and cleaned where it is shown.


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RAW_LIMIT = 256 * 1024
"""Bytes of one record that are kept and read; of a longer one the rest is counted (``size_bytes``)."""


class Severity(IntEnum):
    """The severity of a record; the numbers are those of Python's logging. UNKNOWN: the record has none."""

    UNKNOWN = 0
    TRACE = 5
    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


class LoggedException(Struct, frozen=True):
    """The exception in a record: its class as written (``OperationalError``), and its whole text."""

    type: str
    text: str = ""


class LogEntry(Struct, frozen=True, kw_only=True):
    """The contents of one record, as its format parses it. ``fields`` are all its fields by their own names, nested as
    they were; the others are common to all formats. ``time_us`` is None if the record has no time."""

    message: str
    time_us: int | None = None
    severity: Severity = Severity.UNKNOWN
    logger: str = ""
    """Who says it within the source: a logger, a program, a unit."""
    module: str = ""
    """What errors are counted by: the code's module; of an access log the route."""
    fault: LoggedException | None = None
    response_time_s: float | None = None
    fields: Mapping[str, object] = {}


class LogRecord(Struct, frozen=True, kw_only=True):
    """A log entry and its place. ``place`` is a value that only the source interprets: the same record has the same
    place, even after a restart."""

    source: str
    place: str
    entry: LogEntry
    raw: bytes
    """The bytes as they were, all lines of it, without the last newline; at most RAW_LIMIT."""
    size_bytes: int
    log: str = ""
    """Which of its source's logs it stands in, where the source is several: the path of the file that is written."""

    @property
    def at(self) -> datetime | None:
        """The record's time, timezone-aware in UTC; None without one."""
        return None if self.entry.time_us is None else EPOCH + timedelta(microseconds=self.entry.time_us)


def microseconds(at: datetime) -> int:
    """Return ``at`` (aware) as ``time_us``, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)


# A record in one line.


OUTCOME_WITHIN = 4000
"""Characters at the start and the end of an exception in which the line that names it is looked for."""
HEADLINE_AT_MOST = 2000
"""Characters of a message's first line that are looked at, where it is not moved sideways."""


def headline(record: LogRecord, further: int = 0) -> str:
    """A record in one line: the first line of its message or raw text, then the outcome of its exception. ``further``
    allows that many more characters of a long line."""
    most = HEADLINE_AT_MOST + further
    text = record.entry.message or record.raw[:most].decode("utf-8", "replace")
    first = text.partition("\n")[0][:most]
    fault = record.entry.fault
    if fault is None or not fault.type or fault.type in first:
        return first
    return f"{first}  {outcome(fault)}"


def outcome(fault: LoggedException) -> str:
    """The line of an exception's text that names its class; the class alone if no line does."""
    ends = fault.text[:OUTCOME_WITHIN], fault.text[-OUTCOME_WITHIN:]
    lines = [line.strip() for end in ends for line in end.splitlines() if fault.type in line]
    said = (line for line in reversed(lines) if ":" in line and not line.startswith(("raise ", "File ", "at ")))
    return next(said, fault.type)[:300]


# The HTTP status that a message tells.


METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_BEFORE_STATUS = (
    rf"\b(?:{METHODS})\s\S+(?:\sHTTP/\d(?:\.\d)?)?[\"']?\s(?:[=-]>\s|returned\s|status\s)?",
    r"\bHTTP(?:/\d(?:\.\d)?)?[\"']?\s",
    r"\b[Ss]tatus(?:[ _-]?[Cc]ode)?[\"']?[=:]?\s?[\"']?",
    r"\b(?:returned|responded|responded with|answered|answered with)\s(?:HTTP\s|status\s)?",
)
_AFTER_STATUS = r"(?:$|[^\w.\s%]|\.(?:$|\s)|\s(?:$|OK\b|in\b|[A-Z][a-z]|[a-z]{3}|[\d(\[|/-]))"
"""No unit: ``GET /x 200 ms`` tells how long it took."""


def status_pattern(code: str) -> str:
    """A regular expression, also in RE2 syntax, for messages that tell an HTTP status; ``code`` is that of its
    digits."""
    return f"(?:{'|'.join(_BEFORE_STATUS)})({code}){_AFTER_STATUS}"


_STATUS = re.compile(status_pattern(r"[1-5]\d\d"), re.ASCII)
_CODE = re.compile(r"[1-5]\d\d(?<=[\s=:\"'][1-5]\d\d)(?!\w)", re.ASCII)
"""What is looked for before: most messages have none, and this takes a fifth of the time."""


def status_span(text: str) -> tuple[int, int] | None:
    """Where the HTTP status stands in a message that tells one, such as ``GET /api 502 in 0.3 s``."""
    found = _STATUS.search(text) if _CODE.search(text) is not None else None
    return None if found is None else found.span(1)


# The template of a message: what is said, whatever the numbers, names and addresses in it.


LONGEST = 300
"""Characters of a message's first line that make its template, and of an example that are kept."""

_QUOTED = re.compile(r""""[^"]*+"|(?<!\w)'[^']*+'(?!\w)|`[^`]*+`""", re.ASCII)
_URL = r"""(?<!\w) [a-z][a-z0-9+.-]{1,15}+ :// [^\s"'<>)\]}]++"""
_UUID = r"(?<![\w-]) [0-9a-fA-F]{8} - (?:[0-9a-fA-F]{4}-){3} [0-9a-fA-F]{12} (?![\w-])"
_ADDRESS = r"""
    (?<![\w.]) \d{1,3} (?:\.\d{1,3}){3} (?!\w|\.\w) (?::\d++)?
    | (?<![\w:]) (?=[A-Fa-f:]*+[0-9])
      (?: (?:[0-9A-Fa-f]{1,4}:){5,7}+[0-9A-Fa-f]{1,4} | (?:[0-9A-Fa-f]{1,4}:){0,6}+:[0-9A-Fa-f:]++ ) (?!\w)
"""
_PATH = r"(?<![\w/]) ~?+ (?:/[\w.%@~+=,-]++)++ /?+"
_HEX = r"""
    (?<![A-Za-z0-9]) (?: 0[xX][0-9a-fA-F]++ | (?=[A-Fa-f]*+[0-9]) (?=[0-9]*+[A-Fa-f]) [0-9a-fA-F]{6,}+ ) (?![A-Za-z0-9])
"""
_NUMBER = r"\d++ (?:\.\d++)*+"
_VARIABLE = re.compile(
    f"(?P<url>{_URL})|(?P<uuid>{_UUID})|(?P<addr>{_ADDRESS})|(?P<path>{_PATH})|(?P<hex>{_HEX})|{_NUMBER}",
    re.VERBOSE | re.ASCII,
)


_STATUS_HERE, _REQUEST_HERE = "\ue000", "\ue001"
"""Stand for what is kept while the rest is replaced: of the private characters, which no log means."""
_REQUEST = re.compile(
    rf"""(?P<quote>["']?)\b(?P<method>{METHODS})\ (?P<path>/(?:[^\s"'?#]*[\w/}}*~%+=-])?)(?:[?#][^\s"']*+)?"""
    r"""(?P<rest>(?:\ HTTP/\d(?:\.\d)?)?(?P=quote))"""
)


@lru_cache(maxsize=4096)
def _template(start: str) -> tuple[str, str]:
    """The template, and the path of the request in it."""
    if _STATUS_HERE in start or _REQUEST_HERE in start:
        return _without_values(start), ""
    kept: list[tuple[int, int, str, str]] = []
    if (span := status_span(start)) is not None:
        first, end = span
        if start[first - 1 : first] in ("'", '"') and start[first - 1] == start[end : end + 1]:
            first, end = first - 1, end + 1
        kept.append((first, end, _STATUS_HERE, start[first:end]))
    found = _REQUEST.search(start) if "/" in start else None
    if found is not None and not any(first < found.end() and found.start() < end for first, end, *_rest in kept):
        said = f"{found['quote']}{found['method']} <path>{found['rest']}"
        kept.append((*found.span(), _REQUEST_HERE, said))
    text = start
    for first, end, mark, _said in sorted(kept, reverse=True):
        text = text[:first] + mark + text[end:]
    text = _without_values(text)
    path = without_ids(found["path"]) if found is not None and _REQUEST_HERE in text else ""
    for _first, _end, mark, said in kept:
        text = text.replace(mark, said, 1)
    return text, path


def _without_values(start: str) -> str:
    if '"' in start or "'" in start or "`" in start:
        start = _QUOTED.sub("<str>", start)
    return " ".join(map(_word, start.split(" ")))


@lru_cache(maxsize=16384)
def _word(word: str) -> str:
    """Return the word, or a placeholder for what varies; cached because messages consist mostly of known words."""
    return word if word.isalpha() else "<num>" if word.isdecimal() else _VARIABLE.sub(_placeholder, word)


def _placeholder(found: re.Match[str]) -> str:
    return f"<{found.lastgroup or 'num'}>"


def template_of(message: str) -> str:
    """Return the template of a message's first line: ``<num>``, ``<hex>``, ``<uuid>``, ``<str>``, ``<path>``, ``<url>``
    and ``<addr>`` replace what varies; an HTTP status stays. In linear time."""
    return template_and_path(message)[0]


def template_and_path(message: str) -> tuple[str, str]:
    """Return the template of a message, and the path of the request that stands as ``GET <path>`` in it, without its
    query and with ``{id}`` for what varies; "" if there is none."""
    start = message[:LONGEST]
    return _template(start.partition("\n")[0] if "\n" in start else start)


_IDENTIFIER = re.compile(r"\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=[a-f]*\d)[0-9a-f]{24,64}")
ID = "{id}"


def without_ids(path: str) -> str:
    """Return the path with ``{id}`` for parts that are numbers, UUIDs or long hexadecimal numbers."""
    return "/".join(ID if _IDENTIFIER.fullmatch(part) else part for part in path.split("/"))


# Lines and text of raw records, for every format.


def every_line(line: bytes) -> bool:  # noqa: ARG001  the contract's ``begins``
    """Return True: the ``begins`` of formats in which each line is a record. ``split_records`` recognises this
    function, and does not call it for each line."""
    return True


def text_of(raw: bytes) -> str:
    """Decode a record to text with line ends as newlines; invalid UTF-8 becomes U+FFFD."""
    text = raw.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").rstrip("\r\n") if "\r" in text or text.endswith("\n") else text


# Log formats: the contract of ``formats/``, detection by content, and blocks of bytes split into records.


# What a format of log lines is. ``formats/`` holds one file a kind; ``recognise`` chooses one by content.


FORMATS = "lilfox_tui.logs.formats"
_UNWRAP = "lilfox_tui.logs.unwrap"


class Format(Protocol):
    """The interface of each module in ``formats/``. Pure; never raises, whatever the bytes are."""

    LEVEL_WORDS: Mapping[Severity, tuple[bytes, ...]] | None
    """How a severity stands in the raw bytes, letter case aside: a record of that severity holds one of its words. What
    a native search for a severity looks for; None where raw bytes do not tell. Empty where they do not tell any text,
    as colours stand within it."""

    def begins(self, line: bytes) -> bool:
        """Return whether a new record begins with this line (without newline); other lines belong to the previous
        record."""
        ...

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
        """Parse a record (all its lines, no final newline; possibly cut at RAW_LIMIT); times without an offset are in
        ``zone``, and those without a year are not later than ``latest`` (aware; None: now). None if it is not in this
        format."""
        ...


_own: dict[str, Format] = {}
"""Those that the configuration defines, by name."""


def define_formats(formats: Mapping[str, Format]) -> None:
    """Set the formats that the configuration defines; they are tried before the kinds of ``formats/``."""
    _own.clear()
    _own.update(formats)
    recognise.cache_clear()


def formats_without_module(name: str, format: Format) -> Mapping[str, Format]:  # noqa: A002
    """Return the formats in ``name``, that of ``format``, which another process cannot load by their names."""
    if "+" not in name and not isinstance(format, ModuleType):
        return {name: format}
    return {part: _own[part] for part in name.split("+") if part in _own}


def load_sent_format(name: str, formats: Mapping[str, Format]) -> Format:
    """As ``load_format`` in the process that was sent ``formats`` beside the name."""
    _own.update(formats)
    return load_format(name)


def format_names() -> tuple[str, ...]:
    """The names of the defined formats, and the kinds."""
    return (*_own, *plugins.kinds(FORMATS))


def load_format(kind: str, sample: bytes = b"") -> Format:
    """Return the format of that name, ``+`` in which parts the layers of a wrapped one (``unwrap.py``), for a log that
    begins with ``sample``: where a log names its own columns, the module has ``for_log``. Raises UsageError that lists
    the existing ones."""
    if "+" in kind:
        return cast("Format", importlib.import_module(_UNWRAP).load(kind))
    if kind in _own:
        return _own[kind]
    module = plugins.load(FORMATS, kind)
    for_log = getattr(module, "for_log", None)
    return cast("Format", module if for_log is None or not sample else for_log(sample))


# A block of whole lines as records.


def split_records(block: bytes, format: Format) -> list[tuple[int, bytes]]:  # noqa: A002  the term of this package
    """Split ``block`` into records; return the offset of each, and its bytes without the last line end (also
    ``\\r\\n``).

    A block that starts in the middle of a record has the rest of that as its first piece: ``begins`` tells. Where every
    line is a record, an empty one is none.
    """
    if format.begins is every_line:
        return _lines(block)
    begins = format.begins
    starts: list[int] = []
    place = 0
    for line in block.split(b"\n"):
        if place == 0 or begins(line):
            starts.append(place)
        place += len(line) + 1
    ends = [*starts[1:], len(block)]
    pieces = zip(starts, ends, strict=True)
    return [(start, _without_end(block[start:end])) for start, end in pieces if start < end]


def _lines(block: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    place = 0
    for line in block.split(b"\n"):
        length = len(line)
        if length and line != b"\r":
            found.append((place, line[:-1] if line[-1] == 13 else line))
        place += length + 1
    return found


def _without_end(raw: bytes) -> bytes:
    raw = raw[:-1] if raw.endswith(b"\n") else raw
    return raw[:-1] if raw.endswith(b"\r") else raw


# Which format a log is of, by what it holds.


PLAIN = "plain"
_SAMPLE_BYTES = 64 * 1024
_SAMPLE_LINES = 200
_LEAST_SHARE = 0.3
_CERTAIN_SHARE = 0.95
_NARROW_FIRST = (
    "journald", "postgresql_json", "mongodb", "otlp", "json_lines", "json_pretty", "postgresql_csv", "access",
    "nginx_error", "apache_error", "postgresql", "klog", "logcat", "clusters", "java_logging", "elb", "haproxy",
    "squid", "envoy", "uwsgi", "auditd", "redis", "mysql", "mysql_slow", "w3c", "unbound", "clickhouse", "cassandra",
    "kafka", "php", "rails", "syslog", "logfmt", "console",
)  # fmt: skip
"""What reads less than another comes before it; kinds that are not named here come last."""


def format_of(asked: str, sample: bytes) -> str:
    """Return the name of the format of a log that begins with ``sample``: what was ``asked`` for, what is recognised if
    that is "", and what is recognised in a character set if it is one and ``+``."""
    charset, is_charset, rest = asked.partition("+")
    if asked and (rest or not is_charset):
        return asked
    if not asked:
        return recognise(sample)
    return f"{charset}+{recognise(sample.decode(charset, 'replace').encode())}"


@lru_cache(maxsize=4)  # who follows a log opens it once more, and begins with the same bytes
def recognise(sample: bytes) -> str:
    """Return the kind of format that parses the largest share of the first complete lines in the first 64 KiB of
    ``sample``, with the names of what is wrapped around its lines (``cri+json_lines``); "plain" if none parses enough
    of them, or if the data contains NUL."""
    sample = sample[:_SAMPLE_BYTES]
    lines = sample.split(b"\n")
    whole = lines[:-1] or lines
    if b"\0" in sample:
        return PLAIN
    cut = len(sample) == _SAMPLE_BYTES and len(lines) == 1
    kind, share = _share_of_lines(whole[:_SAMPLE_LINES], sample.ljust(RAW_LIMIT) if cut else b"")
    unwrap = importlib.import_module(_UNWRAP)  # it needs what is here
    return unwrap.wrapping(whole[:_SAMPLE_LINES], kind, share) or kind


def _share_of_lines(lines: Sequence[bytes], block: bytes = b"") -> tuple[str, float]:
    """Return the kind of format that parses the largest share of these lines (or of ``block``, a record that was cut),
    and that share; "plain" if none parses enough of them."""
    block = block or b"".join(line + b"\n" for line in lines)  # formats read a record that was cut there
    best, most = PLAIN, _LEAST_SHARE
    plain = load_format(PLAIN)
    starts = sum(plain.begins(line) for line in block.splitlines())
    for kind in by_narrowness(block):
        share = _read(block, load_format(kind, block), plain) / max(starts, 1)
        if share > most:
            best, most = kind, share
        if share >= _CERTAIN_SHARE:
            break
    return best, most


def by_narrowness(block: bytes) -> Iterator[str]:
    """Yield every kind but "plain" that may be in ``block``, what reads less than another before it."""
    signs: Mapping[str, tuple[bytes, ...]] = importlib.import_module(FORMATS).SIGNS
    known = plugins.kinds(FORMATS)
    yield from _own
    for kind in (*_NARROW_FIRST, *(kind for kind in known if kind not in _NARROW_FIRST and kind != PLAIN)):
        if kind in known and (kind not in signs or any(sign in block for sign in signs[kind])):
            yield kind


def _read(block: bytes, format: Format, plain: Format) -> int:  # noqa: A002
    """Return how many records of ``block`` are in ``format``; where the further lines of its records are not indented
    (``OWNS_LINES``), how many lines."""
    owns = getattr(format, "OWNS_LINES", False)
    return sum(
        sum(map(plain.begins, raw.split(b"\n"))) if owns else 1
        for _, raw in split_records(block, format)
        if format.begins(raw.partition(b"\n")[0]) and format.parse(raw, UTC) is not None
    )
