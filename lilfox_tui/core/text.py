"""Text for humans: making untrusted text safe to show, widths, units; and parsing numbers and times from untrusted
text."""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property

_REPLACED: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20)},  # control pictures: ESC becomes ␛
    0x7F: "␡",
    **{code: f"␛{chr(code - 0x40)}" for code in range(0x80, 0xA0)},  # C1 is ESC and a letter (ECMA-48 5.3)
    **{
        code: f"<U+{code:04X}>"
        for code in (
            0x00AD, 0x061C, 0x180E, 0x2028, 0x2029, 0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB,
            *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070),
            *range(0xE0000, 0xE0080),
        )
    },
}  # fmt: skip
_ONE_EACH = {code: shown if len(shown) == 1 else "\ufffd" for code, shown in _REPLACED.items()}
CUT = "…"
"""Stands where a text was cut."""
_LONGEST_WORD = 8 << 10


class LatePattern:
    """A regular expression that is compiled at its first use: where a module is imported before the first frame and its
    expressions are not used for it, compiling them would be a tenth of the console's own part of the start."""

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text, self._flags = text, flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression as :mod:`re` has it, for methods that are not here."""
        return re.compile(self._text, self._flags)

    def match(self, text: str, begin: int = 0) -> re.Match[str] | None:
        """As ``re.Pattern.match``."""
        return self.compiled.match(text, begin)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """As ``re.Pattern.fullmatch``."""
        return self.compiled.fullmatch(text)

    def search(self, text: str) -> re.Match[str] | None:
        """As ``re.Pattern.search``."""
        return self.compiled.search(text)

    def finditer(self, text: str, begin: int = 0, end: int = sys.maxsize) -> Iterator[re.Match[str]]:
        """As ``re.Pattern.finditer``."""
        return self.compiled.finditer(text, begin, end)

    def sub(self, new: str, text: str) -> str:
        """As ``re.Pattern.sub``."""
        return self.compiled.sub(new, text)


_LONE = re.compile("[\ud800-\udfff]")


def clean(text: str | bytes) -> str:
    """``text`` on one line, without terminal control characters.

    Controls become control pictures, C1 their ESC form, invalid bytes and lone surrogates U+FFFD; bidi overrides
    and zero-width characters become visible. Tab becomes one space.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if text.isprintable():  # all that is replaced is not
        return text
    text = text.replace("\t", " ").translate(_REPLACED)
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if _has_surrogate(text) else text


def in_place(text: str) -> str:
    """Like :func:`clean`, but replaces each character by exactly one, so that positions in the text stay the same."""
    return _LONE.sub("\ufffd", text.translate(_ONE_EACH))


def encodable(text: str) -> str:
    """``text`` with U+FFFD for lone surrogates, which stand for invalid UTF-8 bytes and cannot be stored or sent."""
    return _LONE.sub("\ufffd", text)


def _has_surrogate(text: str) -> bool:
    return _LONE.search(text) is not None


def cell_width(text: str) -> int:
    """The width of ``text`` in terminal cells (Unicode East Asian Width, UAX #11)."""
    return len(text) if text.isascii() else sum(map(_WIDTHS.__getitem__, text))


class _Widths(dict[str, int]):
    """The widths of the characters that were measured, at most so many: looking all of them up takes three calls."""

    def __missing__(self, char: str) -> int:
        if len(self) >= _MOST_WIDTHS:
            self.clear()
        if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
            width = 0
        else:
            width = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        self[char] = width
        return width


_MOST_WIDTHS = 1 << 14
_WIDTHS = _Widths()


def fit(text: str, width: int, *, right: bool = False) -> str:
    """``text``, cleaned (which changes its width), in exactly ``width`` cells: padded (on the left when ``right``), or
    cut with an ellipsis."""
    if width <= 0:
        return ""
    text = clean(text)
    have = cell_width(text)
    if have > width:
        text = _cut(text, width - 1) + CUT
        have = cell_width(text)
    pad = " " * (width - have)
    return pad + text if right else text + pad


def _cut(text: str, width: int) -> str:
    if text.isascii():
        return text[:width]
    used = 0
    for index, char in enumerate(text):
        used += cell_width(char)
        if used > width:
            return text[:index]
    return text


def break_line(text: str, width: int) -> tuple[str, str]:
    """The words of ``text``, cleaned, that fit into ``width`` cells, and the rest; a long word is cut. A line may end
    at a blank or beside a wide character, but none begins with a closing mark (the relevant part of UAX #14)."""
    text = clean(text)
    if cell_width(text) <= width:
        return text, ""
    end = len(_cut(text, width))
    at = next((at for at in range(end, 0, -1) if _may_break(text, at) and not text[:at].isspace()), end)
    return text[:at], text[at:].lstrip(" ")


def fit_middle(text: str, width: int) -> str:
    """``text``, cleaned, in at most ``width`` cells; if too long, with an ellipsis in the middle, nearer to its start,
    so that a path keeps its file name."""
    text = clean(text)
    if cell_width(text) <= width or width < 1:
        return text if width > 0 else ""
    before = (width - 1) // 3
    return _cut(text, before) + CUT + _cut(text[::-1], width - 1 - before)[::-1]


_UNIT = LatePattern(r"(?:%|[nµm]?s|min|h|d|[kKMGTPE]?i?B)(?:/s)?(?![\w-])")
"""What a number and the blank before it are parted from by no line end."""
_CLOSING = frozenset("，。；：、！？）》」』”’…%")
_OPENING = frozenset("（《「『“‘")


def first_paragraph(text: str) -> str:
    """The lines up to the first empty one, as one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())


def _may_break(text: str, at: int) -> bool:
    """Whether a line may end before the character ``at``, which is not the first."""
    before, after = text[at - 1], text[at]
    if after == " " or before == " ":
        return after == " " and not (before.isdigit() and _UNIT.match(text, at + 1))
    return after not in _CLOSING and before not in _OPENING and 2 in (cell_width(before), cell_width(after))


def human_bytes(count: float | None) -> str:
    """``count`` bytes with a binary unit in at most 5 cells: ``340K``, ``1.2M``, ``-`` for unknown, ``>999E`` beyond
    any real machine."""
    if count is None or math.isnan(count):
        return "-"
    value = float(count)
    for unit in ("B", "K", "M", "G", "T", "P", "E"):
        if abs(value) < 999.5:
            return f"{value:.1f}{unit}" if unit != "B" and abs(value) < 9.95 else f"{value:.0f}{unit}"
        value /= 1024
    return ">999E"


_MOST_PLACES = 12


def over_text(value: float, limit: float, places: int) -> str:
    """``value``, which is above ``limit``, with ``places`` decimals, or with as many more as it takes to be read as
    above it: ``80.2`` where the limit is 80."""
    texts = (f"{value:.{count}f}" for count in range(places, _MOST_PLACES))
    return next((text for text in texts if float(text) > limit), repr(value))


def human_count(count: float | None) -> str:
    """A plain number in at most 5 cells: ``412``, ``1.2k``, ``34k``, ``-`` for unknown, ``>999T`` beyond."""
    if count is None or math.isnan(count):
        return "-"
    value = float(count)
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5:
            return f"{value:.1f}{unit}" if abs(value) < 9.95 and value != int(value) else f"{value:.0f}{unit}"
        value /= 1000
    return ">999T"


def human_duration(seconds: float | None) -> str:
    """A span of time in its two largest units: ``0.5 ms``, ``850 ms``, ``14 s``, ``6 min``, ``2 h 14 min``,
    ``3 d 4 h``; ``-`` for unknown or endless. Only nothing is ``0 ms``; what is shorter than this is ``<0.01 ms``."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    if seconds < 0:
        return "-" + human_duration(-seconds)
    if 0 < seconds < 0.000005:
        return "<0.01 ms"
    if 0.000005 <= seconds < 0.00095:
        return f"{seconds * 1000:.{1 if seconds >= 0.000095 else 2}f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 and abs(seconds - whole) > 0.05 else f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def exact_duration(seconds: float) -> str:
    """A span of time in one unit, with four digits at most: ``0.46 ms``, ``1.204 s``; longer than a minute as
    :func:`human_duration` says it."""
    if not 0.000001 <= seconds < 60:
        return human_duration(seconds)
    if seconds < 0.001:
        return f"{float(f'{seconds * 1000:.2g}'):f}".rstrip("0") + " ms"
    return f"{seconds * 1000:.4g} ms" if seconds < 0.9995 else f"{seconds:.4g} s"


def human_age(seconds: float) -> str:
    """An age in whole units that agrees with :func:`short_age`: ``1 s``, ``14 s``, ``6 min``, ``2 h 14 min``."""
    whole = max(0, int(seconds))
    return f"{whole} s" if whole < 60 else human_duration(whole)


def lasted_text(seconds: float) -> str:
    """How long a state lasted, as :func:`human_age`; empty below a second: nothing is looked at so often, so that a
    shorter one began or ended between two looks, and its length is not known."""
    return human_age(seconds) if seconds >= 1 else ""


def short_age(seconds: float) -> str:
    """An age in at most 4 cells: ``1s``, ``14s``, ``6m``, ``3h``, ``12d``."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def between_words(text: bytes | bytearray, near: int) -> int:
    """A position at or before ``near``: after the last blank or line end shortly before it, if there is one, so that no
    word is split."""
    at = max(text.rfind(each, max(0, near - _LONGEST_WORD), near) for each in (b" ", b"\t", b"\n", b"\r"))
    return at + 1 or near


# Numbers and times as others tell them: of any length, beyond every calendar. None of them is an exception here.


_MOST_DIGITS = 18
LARGEST = 10**_MOST_DIGITS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""A year from the ends of the calendar, so that every zone has them too."""


def whole(text: str | bytes) -> int:
    """The integer in decimal digits, with or without a sign. A number of more than 18 digits becomes the largest that
    LilFox uses (Python raises an error above 4,300 digits). Raises ValueError if ``text`` is not a number."""
    word = (text.decode("ascii", "replace") if isinstance(text, bytes) else text).strip()
    sign = -1 if word[:1] == "-" else 1
    digits = word[1:] if word[:1] in ("-", "+") else word
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("no number")
    digits = digits.lstrip("0") or "0"
    return sign * (int(digits) if len(digits) <= _MOST_DIGITS else LARGEST)


def time_at(seconds: float) -> datetime:
    """The time ``seconds`` after 1970-01-01 UTC, clamped to the valid range."""
    return later(_EPOCH, seconds)


def later(at: datetime, seconds: float) -> datetime:
    """``at`` (aware) plus ``seconds``, clamped to the valid range; NaN changes nothing."""
    if math.isnan(seconds):
        return at
    first, last = (EARLIEST - at).total_seconds(), (LATEST - at).total_seconds()
    return min(max(at + timedelta(seconds=min(max(seconds, first), last)), EARLIEST), LATEST)


_CLAUSES = (r"; |；", r": |：", r", |，| \(|（", r" and | or ")
"""What ends a part of a help that can stand alone, the longest parts first."""


def brief(text: str, room: int) -> str:
    """The beginning of a help that fits into ``room`` cells and can stand alone; all of it if none does, and without
    room its first clause."""
    if room == 0:
        return re.split("|".join(_CLAUSES[:2]), text, maxsplit=1)[0]
    for pattern in _CLAUSES:
        ends = [len(text), *(found.start() for found in reversed(list(re.finditer(pattern, text))))]
        for end in ends:
            part = text[:end]
            if cell_width(part) <= room and len(re.findall("[(（]", part)) == len(re.findall("[)）]", part)):
                return part
    return text
