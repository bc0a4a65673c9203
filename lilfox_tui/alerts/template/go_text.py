"""Go's quoted texts (strconv.Quote, strconv.Unquote)."""

from __future__ import annotations

import re

_SHORT = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_LONG = {escape[1]: char for char, escape in _SHORT.items()}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))|([^\\])", re.DOTALL)


def to_bytes(text: str) -> bytes:
    """A text's UTF-8; single bytes that are no UTF-8 (Go's texts may hold them) are lone surrogates here. Other lone
    surrogates, which Go has not, become question marks."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def from_bytes(raw: bytes) -> str:
    """The reverse of :func:`to_bytes`."""
    return raw.decode("utf-8", "surrogateescape")


def quote(text: str, mark: str = '"') -> str:
    """As strconv.Quote, or as QuoteRune where ``mark`` is ``'``."""
    return mark + "".join(_escaped(char, mark) for char in text) + mark


def quote_ascii(text: str, mark: str = '"') -> str:
    """As strconv.QuoteToASCII, or as QuoteRuneToASCII where ``mark`` is ``'``."""
    return mark + "".join(_escaped(char, mark) if char < "\x7f" else _numbered(char) for char in text) + mark


def _escaped(char: str, mark: str) -> str:
    if char == mark:
        return "\\" + char
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return char if char.isprintable() else _numbered(char)


def _numbered(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(quoted: str) -> str:
    """What a quoted text means: ``"…"`` and ``'…'`` with escapes, `` `…` `` as it stands. Raises ValueError."""
    mark, inner = quoted[0], quoted[1:-1]
    if mark == "`":
        return inner.replace("\r", "")
    raw = bytearray()
    place = 0
    while place < len(inner):
        match = _ESCAPE.match(inner, place)
        if match is None:
            raise ValueError("invalid syntax")
        raw += _meant(match, mark)
        place = match.end()
    return from_bytes(bytes(raw))


def _meant(match: re.Match[str], mark: str) -> bytes:
    byte, short, long, octal, letter, plain = match.groups()
    if plain is not None:
        return to_bytes(plain)
    if byte is not None:
        return bytes((int(byte, 16),))
    if octal is not None and int(octal, 8) < 256:
        return bytes((int(octal, 8),))
    if (code := short or long) is not None:
        number = int(code, 16)
        if number < 0x110000 and not 0xD800 <= number < 0xE000:
            return to_bytes(chr(number))
    if letter is not None and (letter in _LONG or letter == mark):
        return to_bytes(_LONG.get(letter, letter))
    raise ValueError("invalid syntax")
