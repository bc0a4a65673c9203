"""Logs that something else wrapped: a container's runtime, ``kubectl logs``, ``docker compose logs``, syslog, ``grep``,
``tail``, colours. Each line is peeled, layer by layer, and what is inside is read as a format of its own.

A wrapped format is named by its layers and what they hold: ``cri+json_lines``, ``compose+stamp+access+postgresql``.
``recognise`` finds it by content, :func:`load` makes the format of a name. The time is the inner one; where that tells
no zone, of the zone in which it is that of the layer; where there is none, the layer's.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache

import msgspec
from msgspec import Struct

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import (
    EPOCH,
    PLAIN,
    Format,
    LogEntry,
    LoggedException,
    Severity,
    by_narrowness,
    every_line,
    load_format,
    split_records,
)

# The layers: what each takes off the start of a line.


class Peeled(Struct, frozen=True):
    """A line without a layer. ``is_part``: the next line of the same stream goes on with it."""

    line: bytes
    stamp: str = ""
    fields: Mapping[str, object] = {}
    who: str = ""
    is_part: bool = False


_STAMP_TEXT = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))"
_CRI = re.compile(_STAMP_TEXT + rb" (stdout|stderr) ([FP])(?::[^ \n]{0,40})?(?: |$)")
_STAMP = re.compile(_STAMP_TEXT + rb"(?: |$)")
_POD = re.compile(rb"\[pod/([^\]/\s]{1,253})/([^\]\s]{1,253})\](?: |$)")
_COMPOSE = re.compile(rb"([A-Za-z0-9][\w.-]{0,127}) {0,127}\|(?: |$)")
_COMPOSE_NAME = re.compile(rb"[\w.-]{0,127}[_-]\d{1,4}")
_GREP = re.compile(
    rb"((?:/|\.{1,2}/)[^\s:]{1,255}|[^\s:]{1,127}\.(?:log|out|err|txt|jsonl?)[\w.-]{0,40})"
    rb":(?! )(?:(\d{1,9}):)?"
)
_FILE = re.compile(rb"([^\s:\"{\[]{1,127}\.(?:log|out|err)[\w.-]{0,40}(?:_\d\d:\d\d:\d\d)?) (?=\S)")
_COLOURS = re.compile(rb"(?:\x1b|#033)\[[0-9;?]{0,40}[A-Za-z]")
_TAIL = re.compile(rb"==> [^\n]{1,255} <==\r?$")


def _peel_docker(line: bytes) -> Peeled | None:
    if not line.startswith(b'{"log":"'):
        return None
    try:
        found = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        found = structured.object_in(line)
    said = found.get("log") if isinstance(found, dict) else None
    if not isinstance(said, str) or found is None or "time" not in found or "stream" not in found:
        return None
    attrs = found.get("attrs")
    fields: dict[str, object] = dict(attrs) if isinstance(attrs, dict) else {}
    fields["stream"] = found.get("stream", "")
    is_part = not said.endswith("\n")
    said = said.removesuffix("\n").removesuffix("\r")
    return Peeled(said.encode("utf-8", "replace"), str(found["time"]), fields, "", is_part)


def _peel_cri(line: bytes) -> Peeled | None:
    match = _CRI.match(line)
    if match is None:
        return None
    return Peeled(line[match.end() :], match[1].decode(), {"stream": match[2].decode()}, "", match[3] == b"P")


def _peel_stamp(line: bytes) -> Peeled | None:
    match = _STAMP.match(line)
    return None if match is None else Peeled(line[match.end() :], match[1].decode())


def _peel_pod(line: bytes) -> Peeled | None:
    match = _POD.match(line)
    if match is None:
        return None
    pod, container = (match[number].decode("utf-8", "replace") for number in (1, 2))
    return Peeled(line[match.end() :], "", {"pod": pod, "container": container}, pod)


def _peel_compose(line: bytes) -> Peeled | None:
    match = _COMPOSE.match(line)
    if match is None:
        return None
    name = match[1].decode("utf-8", "replace")
    if structured.severity_of(name):  # ``ERROR | it``
        return None
    return Peeled(line[match.end() :], "", {"container": name}, name)


def _peel_grep(line: bytes) -> Peeled | None:
    match = _GREP.match(line)
    return None if match is None else Peeled(line[match.end() :], "", {"filename": match[1].decode("utf-8", "replace")})


def _peel_file(line: bytes) -> Peeled | None:
    match = _FILE.match(line)
    return None if match is None else Peeled(line[match.end() :], "", {"filename": match[1].decode("utf-8", "replace")})


def _peel_colours(line: bytes) -> Peeled | None:
    if b"\x1b[" not in line and b"#033[" not in line:
        return None
    return Peeled(_COLOURS.sub(b"", line))


def _peel_tail(line: bytes) -> Peeled | None:
    return Peeled(line) if _TAIL.match(line) else None


LAYERS: Mapping[str, Callable[[bytes], Peeled | None]] = {
    "colours": _peel_colours,
    "tail": _peel_tail,
    "docker": _peel_docker,
    "cri": _peel_cri,
    "kubectl": _peel_pod,
    "compose": _peel_compose,
    "stamp": _peel_stamp,
    "file": _peel_file,
    "grep": _peel_grep,
}
"""By name, in the order in which they are tried."""
_CARRIERS = ("syslog", "journald")
"""Formats whose messages may be records of another format."""
_SURE = frozenset(("colours", "tail", "docker", "cri", "kubectl"))
"""What nothing else looks like; the others count only if what is inside is then read better."""
_TOLERANT = frozenset(("access", "logfmt"))
"""Formats that read a line also with something before it, as a client or a key."""
_LEAST_SHARE: Mapping[str, float] = {"colours": 0.2, "tail": 0.001}
_USUAL_SHARE = 0.7
_MOST_LAYERS, _MOST_KINDS = 5, 5
_LEAST_OF_ONE, _LEAST_OF_ALL = 0.05, 0.3
"""What a format has to read of the lines to be one of theirs, and all of them together."""


# Which layers a log has, and what they hold.


def wrapping(lines: Sequence[bytes], read_as: str, share: float) -> str:
    """Return the name of the wrapped format of these lines, which ``read_as`` reads to that ``share``; "" if they are
    better read so."""
    if read_as in _CARRIERS:
        return _carried(lines, read_as)
    if read_as == "klog" and share > _USUAL_SHARE:
        return ""  # it knows the runtime's time itself
    found, inner = _layers_of(lines)
    while found:
        kinds, share = _kinds_of(inner[-1])
        if found[-1] in _SURE or (found[-1] == "compose" and _is_of_compose(inner[-2])):
            return "+".join([*found, *kinds])
        if _is_better(kinds, share, inner):
            return "+".join([*found, *kinds])
        found.pop()
        inner.pop()
    return ""


def _is_better(kinds: list[str], share: float, inner: Sequence[Sequence[bytes]]) -> bool:
    """Whether the lines within the last layer are read better than with it."""
    before, share_before = _kinds_of(inner[-2])
    if kinds == before == [PLAIN]:
        return _timed(inner[-1]) >= _USUAL_SHARE * len(inner[-1])
    if share != share_before:
        return share > share_before
    order = [*by_narrowness(b"\n".join((*inner[-2], *inner[-1]))), PLAIN]
    return before[0] in _TOLERANT or order.index(kinds[0]) < order.index(before[0])


def _timed(lines: Sequence[bytes]) -> int:
    """Return how many lines begin with a time."""
    return sum(times.leading(line.decode("utf-8", "replace"), UTC)[1] > 0 for line in lines)


def _layers_of(lines: Sequence[bytes]) -> tuple[list[str], list[Sequence[bytes]]]:
    """Return the layers, and the lines before and within each."""
    found: list[str] = []
    inner: list[Sequence[bytes]] = [[line.rstrip(b"\r") for line in lines if line.strip()]]
    while len(found) < _MOST_LAYERS:
        now = inner[-1]
        for name, peel in LAYERS.items():
            if name in found:
                continue
            peeled = [peel(line) for line in now]
            hits = sum(one is not None for one in peeled)
            if hits and hits >= _LEAST_SHARE.get(name, _USUAL_SHARE) * len(now):
                found.append(name)
                left = [line if one is None else one.line for line, one in zip(now, peeled, strict=True)]
                inner.append([line for line in left if not _TAIL.match(line)] if name == "tail" else left)
                break
        else:
            break
    return found, inner


def _is_of_compose(lines: Sequence[bytes]) -> bool:
    """Whether the names are those of a project's containers (``web-1``), or those of several services."""
    names = {match[1] for line in lines if (match := _COMPOSE.match(line))}
    return bool(names) and all(_COMPOSE_NAME.fullmatch(name) for name in names)


def _kinds_of(lines: Sequence[bytes]) -> tuple[list[str], float]:
    """Return the formats of the lines, what reads less before what reads more, and the share that they read."""
    kinds: list[str] = []
    plain = load_format(PLAIN)
    left, total = list(lines), max(sum(map(plain.begins, lines)), 1)
    read = 0
    for kind in by_narrowness(b"\n".join(lines)):
        if not left or len(kinds) == _MOST_KINDS:
            break
        if kind == "journald":  # not what a program prints
            continue
        format_ = load_format(kind)
        unread, hits = _unread(left, format_)
        if hits >= _LEAST_OF_ONE * total:
            kinds.append(kind)
            left = unread
            read += hits
    return (kinds, read / total) if read >= _LEAST_OF_ALL * total else ([PLAIN], 0.0)


def _unread(lines: list[bytes], format_: Format) -> tuple[list[bytes], int]:
    """Return the lines that are no records of that format, and how many records there are."""
    left = [line for line in lines if not (format_.begins(line) and format_.parse(line, UTC) is not None)]
    if len(left) < len(lines) or format_.begins is every_line:
        return left, len(lines) - len(left)
    left, hits = [], 0  # each may have several lines
    for _at, raw in split_records(b"\n".join(lines), format_):
        if b"\n" in raw and format_.begins(raw.partition(b"\n")[0]) and format_.parse(raw, UTC) is not None:
            hits += 1
        else:
            left += raw.split(b"\n")
    return left, hits


def _carried(lines: Sequence[bytes], carrier: str) -> str:
    """Return the wrapped format of what the messages of a carrier hold, where they are records themselves."""
    outer = load_format(carrier)
    messages = [entry.message.encode("utf-8", "replace") for line in lines if (entry := outer.parse(line, UTC))]
    messages = [line for message in messages for line in message.split(b"\n")[:1] if line]
    found, inner = _layers_of(messages)
    found = [name for name in found if name in ("colours", "docker", "cri")]
    kinds, share = _kinds_of(inner[len(found)])
    within = inner[len(found)]
    if share < 0.5 or kinds == [PLAIN] or (kinds == ["console"] and _timed(within) < 0.5 * len(within)):
        return f"{carrier}+colours+{PLAIN}" if found == ["colours"] else ""
    return "+".join([carrier, *found, *kinds])


# A wrapped format.


@cache
def load(name: str) -> Format:
    """Return the format of a name such as ``cri+json_lines``. Raises UsageError as ``load_format`` does."""
    parts = name.split("+")
    if parts[0] not in (*_CARRIERS, *LAYERS):
        return Recoded(parts[0], load_format(name.partition("+")[2]))
    carrier = parts.pop(0) if parts[0] in _CARRIERS else ""
    layers = [part for part in parts if part in LAYERS]
    return Wrapped(carrier, layers, [part for part in parts if part not in LAYERS])


class Recoded:
    """Records of ``inner`` in another character set than UTF-8, of those in which ASCII is ASCII."""

    LEVEL_WORDS: Mapping[Severity, tuple[bytes, ...]] | None = {}
    """A search in the raw bytes would look for UTF-8."""

    def __init__(self, charset: str, inner: Format) -> None:
        try:
            self._charset = codecs.lookup(charset).name
        except LookupError:
            load_format(charset)  # says that there is no such format
        self._inner = inner
        self.begins = every_line if inner.begins is every_line else self._begins

    def _begins(self, line: bytes) -> bool:
        return self._inner.begins(self._utf8(line))

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
        """Parse the record as ``inner`` does."""
        return self._inner.parse(self._utf8(raw), zone, latest)

    def _utf8(self, raw: bytes) -> bytes:
        return raw if raw.isascii() else raw.decode(self._charset, "replace").encode("utf-8", "replace")


_QUARTER_US = 15 * 60 * 1_000_000
_DELAY_US = 60 * 1_000_000
"""What is written later than it says by more than this is late, and not of another zone."""
_FARTHEST_US = 15 * 3600 * 1_000_000
_ELSEWHERE = timezone(timedelta(hours=5, minutes=45))


class Wrapped:
    """Lines with ``layers``, outermost first, around records of ``kinds``; all of it in messages of ``carrier`` if that
    is not ""."""

    def __init__(self, carrier: str, layers: Sequence[str], kinds: Sequence[str]) -> None:
        self._peels = [LAYERS[name] for name in layers]
        self._formats = [load_format(kind) for kind in kinds if kind != PLAIN]
        self._plain = load_format(PLAIN)
        self._carrier = load_format(carrier) if carrier else None
        self._has_parts = bool({"docker", "cri"} & {*layers}) and "json_lines" in kinds
        self._is_mixed = bool({"compose", "kubectl", "tail", "grep"} & {*layers})
        self._begin = [one.begins for one in self._formats if one.begins is not every_line]
        self._continue = [one for each in self._formats if (one := getattr(each, "continues", None)) is not None]
        self._all_begin = len(self._begin) < len(self._formats) or not self._formats or self._is_mixed
        self.begins = self._carrier.begins if self._carrier else self._begins
        self.LEVEL_WORDS = (
            {} if "colours" in layers else self._words(escaped="docker" in layers or carrier == "journald")
        )

    def _words(self, *, escaped: bool) -> Mapping[Severity, tuple[bytes, ...]] | None:
        """Every word by which one of the formats tells a level; as a JSON text has what is inside if ``escaped``."""
        formats = [(one, escaped) for one in (self._plain, *self._formats)]
        formats += [(self._carrier, False)] if self._carrier else []
        found: dict[Severity, tuple[bytes, ...]] = {}
        for severity in Severity:
            words: list[bytes] = []
            for one, is_text in formats:
                if one.LEVEL_WORDS is None:
                    return None
                new = (way for word in one.LEVEL_WORDS.get(severity, ()) for way in _spelled(word, escaped=is_text))
                words += [word for word in new if not any(known in word for known in words)]
            if words:
                found[severity] = tuple(words)
        return found

    def _begins(self, line: bytes) -> bool:
        """Whether what is in the line begins a record."""
        if _TAIL.match(line):
            return True
        peeled = self._peel(line)
        inner = peeled.line
        if any(begins(inner) for begins in self._begin):
            return True
        if any(continues(inner) for continues in self._continue):
            return False
        if not self._all_begin or not inner.strip():
            return False
        if self._has_parts and not inner.startswith(b"{") and (peeled.is_part or inner.rstrip().endswith(b"}")):
            return False  # the rest of an object that the runtime has cut
        return self._plain.begins(inner)

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
        """Parse what is inside in the first format that reads it, else as plain text; None if the carrier's format
        reads nothing."""
        outer = self._carrier.parse(raw, zone, latest) if self._carrier else None
        if self._carrier and outer is None:
            return None
        text, head = self._text(raw if outer is None else outer.message.encode("utf-8", "replace"))
        outer_us = (times.from_iso(head.stamp, zone) if head.stamp else None) or (outer.time_us if outer else None)
        if outer_us is not None:
            latest = EPOCH + timedelta(microseconds=outer_us)
        entry = self._inner(text, zone, latest)
        at = outer_us if entry.time_us is None else entry.time_us
        if outer_us is not None and at is not None and abs(at - outer_us) > _QUARTER_US // 2:
            at = self._placed(text, at, outer_us, latest)
        return LogEntry(
            message=entry.message,
            time_us=at,
            severity=entry.severity or (outer.severity if outer else Severity.UNKNOWN),
            logger=entry.logger or head.who or (outer.logger if outer else ""),
            module=entry.module or (outer.module if outer else ""),
            fault=entry.fault or (outer.fault if outer else None),
            response_time_s=entry.response_time_s,
            fields={**(outer.fields if outer else {}), **head.fields, **entry.fields},
        )

    def inside(self, line: str) -> str:
        """Return a line without its layers; "" if one of them tells a time."""
        peeled = self._peel(line.encode("utf-8", "replace"))
        return "" if peeled.stamp else peeled.line.decode("utf-8", "replace")

    def _peel(self, line: bytes) -> Peeled:
        stamp, who, is_part = "", "", False
        fields: Mapping[str, object] = {}
        for peel in self._peels:
            peeled = peel(line)
            if peeled is None:
                continue
            line = peeled.line
            stamp, who = stamp or peeled.stamp, who or peeled.who
            fields = {**fields, **peeled.fields} if fields else peeled.fields
            is_part = is_part or peeled.is_part
        return Peeled(line, stamp, fields, who, is_part)

    def _text(self, raw: bytes) -> tuple[bytes, Peeled]:
        """Return what is inside all lines, parts of lines joined; and the first line, for what its layers tell."""
        lines = raw.split(b"\n")
        each = [self._peel(line.removesuffix(b"\r")) for line in lines]
        if len(each) == 1:
            return each[0].line, each[0]
        return b"".join(_with_ends(each)), each[0]

    def _inner(self, text: bytes, zone: tzinfo, latest: datetime | None) -> LogEntry:
        for format_ in self._formats:
            if (entry := format_.parse(text, zone, latest)) is not None:
                return entry
        first, newline, rest = text.partition(b"\n")
        if newline:  # an object, and a traceback that was printed beside the log
            for format_ in self._formats:
                if (entry := format_.parse(first, zone, latest)) is not None:
                    return _with_rest(entry, rest)
        entry = self._plain.parse(text, zone, latest)
        assert entry is not None
        return entry

    def _placed(self, text: bytes, at: int, outer_us: int, latest: datetime | None) -> int:
        """Return a time that tells no zone as of the one in which it is the layer's, but for a short delay."""
        away = outer_us - at
        shift = round(away / _QUARTER_US) * _QUARTER_US
        if abs(shift) > _FARTHEST_US or abs(away - shift) > _DELAY_US:
            return at
        return at if self._inner(text, _ELSEWHERE, latest).time_us == at else at + shift


def _with_ends(lines: Sequence[Peeled]) -> Iterator[bytes]:
    for number, one in enumerate(lines, 1):
        yield one.line
        if not one.is_part and number < len(lines):
            yield b"\n"


def _with_rest(entry: LogEntry, rest: bytes) -> LogEntry:
    text = rest.decode("utf-8", "replace")
    fault: LoggedException | None = entry.fault or structured.in_text(f"\n{text}")
    return msgspec.structs.replace(entry, message=f"{entry.message}\n{text}", fault=fault)


def _spelled(word: bytes, *, escaped: bool) -> tuple[bytes, ...]:
    if not escaped:
        return (word,)
    text = json.dumps(word.decode())[1:-1]
    html = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return tuple(dict.fromkeys(each.encode() for each in (text, html)))
