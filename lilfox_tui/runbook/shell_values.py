"""What the words of a command are when it runs, as far as that can be said beforehand.

Of a word that is not known one thing may be: with which characters it begins. Whoever judges it lets it stand only
where any text may stand that begins so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from msgspec import Struct

from lilfox_tui.runbook.shell_syntax import (
    CLOSE,
    OPEN,
    Calculated,
    Literal,
    Opaque,
    Output,
    Part,
    Process,
    Simple,
    Unclear,
    Variable,
    Word,
)


class Argument(Struct, frozen=True):
    """A word of a command; None among ``pieces`` is a text that is not known."""

    pieces: tuple[str | None, ...]
    undashed: bool = False
    """What is not known at its begin does not begin with ``-``."""
    many: bool = False
    """It may be several words, each of which begins as this one; or none."""
    loose: bool = False
    """It may be any words at all."""
    deep: bool = False
    """What its pattern matches may lie in more than one folder."""
    printed: bool = False
    """Something in it is what a command printed, which may be what a file holds."""

    @property
    def text(self) -> str | None:
        """What it is, where that is known."""
        return None if None in self.pieces or self.many or self.loose else "".join(filter(None, self.pieces))

    @property
    def head(self) -> str:
        """The characters with which it certainly begins."""
        return (self.pieces[0] or "") if self.pieces else ""

    @property
    def may_be_option(self) -> bool:
        if self.loose:
            return True
        return self.head.startswith("-") if self.head else self.text is None and not self.undashed

    @property
    def is_one(self) -> bool:
        """Whether it is one word, whatever it is."""
        return not self.many and not self.loose

    def behind(self, count: int) -> Argument:
        """Without its first ``count`` characters, which are known."""
        rest = self.head[count:]
        return Argument(
            ((rest,) if rest else ()) + self.pieces[1:], False, self.many, self.loose, self.deep, self.printed
        )


class Known(Struct, frozen=True):
    """Variables of which is known what they hold."""

    values: Mapping[str, Argument]
    placeholders: Mapping[str, str]
    """Values of ``<name>``, by name."""

    def with_value(self, name: str, value: Argument) -> Known:
        return Known({**self.values, name: value}, self.placeholders)


def known(text: str) -> Argument:
    return Argument((text,) if text else ())


ANYTHING = Argument((None,))
PLAIN_WORD = Argument((None,), undashed=True)
"""One word of letters, digits and a few marks that mean nothing to bash, and is not read as an option."""
_LOOSE = Argument((None,), loose=True)
_SAFE = re.compile(r"[A-Za-z0-9_./:=@%+,^-]*")
_FIXED_SET = re.compile(r"\[[A-Za-z0-9_]+\]")
_PLACEHOLDER = re.compile(f"{OPEN}([A-Za-z][A-Za-z0-9_-]*){CLOSE}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_CALCULATION = re.compile(r"[0-9+*/%() \t-]*")
_NOT_CALCULATED = re.compile(r"\+\+|--|\*\*|[/%](?![ \t]*[1-9])|\b0[0-9]")
_OF_CALCULATIONS = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)
_NAMES = re.compile(r"\$?([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|" + _PLACEHOLDER.pattern)
_DIGITS_ONLY = frozenset("?#$")
"""Never empty; ``$!`` is, where nothing runs in the background, and the next word takes its place."""
_OF_THE_HOST = (["hostname"], ["date"], ["uname"], ["whoami"], ["nproc"], ["arch"])
_MOST_BRACES = 50


def arguments(word: Word, have: Known) -> list[Argument]:
    """What a word of a command expands to. Raises Unclear for one in which something would be evaluated."""
    only = word.parts[0]
    if len(word.parts) == 1 and isinstance(only, Literal) and not only.quoted and _SAFE.fullmatch(only.text):
        return [known(only.text)]  # most words are
    return [each for plain in _braces(word) for each in _expanded(plain, have)]


def one(word: Word, have: Known) -> Argument:
    """What a word is where bash neither splits it nor makes file names of it: a value, a redirection."""
    pieces: list[str | None] = []
    undashed = False
    for place, part in enumerate(word.parts):
        first = not any(piece or piece is None for piece in pieces)
        if isinstance(part, Literal) and not part.quoted and "~" in part.text:
            if place or re.search("[=:]~", part.text):
                raise Unclear
            begins = _home(part.text, have, pieces)
        else:
            begins = _add(part, have, pieces)
        undashed = begins if first else undashed
    return Argument(_merged(pieces), undashed, printed=_printed(word, have))


def _printed(word: Word, have: Known) -> bool:
    """Whether what a command prints is in it, also by way of a variable."""
    for part in word.parts:
        if isinstance(part, Output) and not _tells_of_the_host(part):
            return True
        if isinstance(part, Variable) and (held := have.values.get(part.name)) is not None and held.printed:
            return True
    return False


def _tells_of_the_host(output: Output) -> bool:
    """Whether it is its name or the time, and no file."""
    only = output.body[0] if len(output.body) == 1 else None
    if not isinstance(only, Simple) or only.redirects or only.assignments:
        return False
    texts = [word.literal for word in only.words]
    return texts[:1] in _OF_THE_HOST and not any(text is None or "/" in text for text in texts)


def number(argument: Argument) -> bool:
    """Whether it is a number that bash can calculate with, whatever it holds."""
    return argument.text is not None and _NUMBER.fullmatch(argument.text) is not None


def _home(text: str, have: Known, pieces: list[str | None]) -> bool:
    """Adds a text that begins with ``~``: somebody's home folder."""
    found = re.match(r"~(?:[A-Za-z_][A-Za-z0-9_]*)?(?=/|$)", text)
    if found is None:
        raise Unclear
    pieces.append(None)
    _literal(text[found.end() :], have, pieces)
    return True


def _add(part: Part, have: Known, pieces: list[str | None]) -> bool:
    """Adds what one part is, as if in quotes; True where it is not known but begins with no ``-``."""
    if isinstance(part, Literal):
        return _literal(part.text, have, pieces)
    if isinstance(part, Variable):
        held = have.values.get(part.name) if part.exact else None
        if held is None or not held.is_one:
            pieces.append(None)
            return part.name in _DIGITS_ONLY
        pieces += held.pieces
        return held.undashed
    if isinstance(part, Output):
        pieces.append(None)
    elif isinstance(part, Process):
        pieces += ["/dev/fd/", None]
    elif isinstance(part, Calculated):
        pieces.append(_calculated(part.text, have))
    elif isinstance(part, Opaque):
        raise Unclear
    return False


def _literal(text: str, have: Known, pieces: list[str | None]) -> bool:
    """Adds a text with its placeholders; True where it begins with one without a value."""
    at, undashed = 0, False
    for found in _PLACEHOLDER.finditer(text):
        if found.start() > at:
            pieces.append(text[at : found.start()])
        value = have.placeholders.get(found[1])
        undashed |= not pieces and value is None
        pieces.append(value)
        at = found.end()
    if OPEN in text[at:] or CLOSE in text[at:]:
        raise Unclear
    pieces.append(text[at:])
    return undashed


def _merged(pieces: list[str | None]) -> tuple[str | None, ...]:
    """Without empty pieces, and what is known in one."""
    found: list[str | None] = []
    for piece in pieces:
        if piece is None:
            if not found or found[-1] is not None:
                found.append(None)
        elif piece:
            if found and found[-1] is not None:
                found[-1] += piece
            else:
                found.append(piece)
    return tuple(found)


def _calculated(text: str, have: Known) -> str | None:
    """None: a number that is not known. Raises Unclear where a name would be evaluated that is not known to hold a
    number, or assigned (``x++``), and where bash may not be able to calculate: it leaves out the rest of the line."""

    def digits(found: re.Match[str]) -> str:
        value = have.placeholders.get(found[3]) if found[3] else None
        held = have.values.get(found[1] or found[2] or "") if value is None else known(value)
        if held is None or not number(held):
            raise Unclear
        return held.text or ""

    made = _NAMES.sub(digits, text)
    if not _CALCULATION.fullmatch(made) or _NOT_CALCULATED.search(made):
        raise Unclear
    try:
        tree = ast.parse(made.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError):
        raise Unclear from None
    if not all(isinstance(node, _OF_CALCULATIONS) for node in ast.walk(tree)):
        raise Unclear
    return None


# ---- words that may become several -----------------------------------------------------------------------------------


def _expanded(word: Word, have: Known) -> list[Argument]:
    """A word without braces to expand."""
    _no_home_within(word)
    only = word.parts[0] if len(word.parts) == 1 else None
    if isinstance(only, Variable) and not only.quoted and only.exact:
        held = have.values.get(only.name)
        if held is not None and held.text is not None and _SAFE.fullmatch(held.text.replace(" ", "")):
            return [known(each) for each in held.text.split(" ") if each]
        if only.name in _DIGITS_ONLY or held is PLAIN_WORD:
            return [PLAIN_WORD]
    pieces: list[str | None] = []
    undashed = pattern = deep = False
    for place, part in enumerate(word.parts):
        first = not any(piece or piece is None for piece in pieces)
        deep |= pattern and not (isinstance(part, Literal) and "/" not in part.text)
        if isinstance(part, Literal) and not part.quoted and part.text.startswith("~") and not place:
            if _pattern(part, word):
                raise Unclear
            begins = _home(part.text, have, pieces)
        elif isinstance(part, Literal) and (pattern_at := _pattern(part, word)):
            pattern = True
            deep |= "/" in part.text[pattern_at - 1 :]
            begins = _literal(part.text[: pattern_at - 1], have, pieces)
            begins |= pattern_at == 1 and _FIXED_SET.match(part.text) is not None
            pieces.append(None)
        elif _splits(part, have):
            _add(part, have, [])
            return [_LOOSE]
        else:
            begins = _add(part, have, pieces)
        undashed = begins if first else undashed
    merged = _merged(pieces)
    if not merged and not any(isinstance(part, Literal) for part in word.parts):
        return []
    return [Argument(merged, undashed, many=pattern, deep=deep, printed=_printed(word, have))]


def _no_home_within(word: Word) -> None:
    """Raises Unclear for ``name=~/file``: what looks like an assignment has home folders in it."""
    first = word.parts[0] if word.parts else None
    assigns = isinstance(first, Literal) and re.match(r"[A-Za-z_][A-Za-z0-9_]*\+?=", first.text)
    if assigns and any(isinstance(part, Literal) and not part.quoted and "~" in part.text for part in word.parts):
        raise Unclear


def _splits(part: Part, have: Known) -> bool:
    """Whether bash splits what the part becomes, and nobody knows where."""
    if isinstance(part, Output):
        return not part.quoted
    if not isinstance(part, Variable) or part.quoted or part.name in _DIGITS_ONLY:
        return isinstance(part, Variable) and part.name == "@"
    held = have.values.get(part.name) if part.exact else None
    if held is PLAIN_WORD:
        return False
    return held is None or held.text is None or not held.text or not _SAFE.fullmatch(held.text)


def _pattern(part: Part, word: Word) -> int:
    """Where file names begin to be looked for, from 1; 0 where they are not."""
    if not isinstance(part, Literal) or part.quoted:
        return 0
    closes = any(isinstance(each, Literal) and not each.quoted and "]" in each.text for each in word.parts)
    found = re.search(r"[*?\[]" if closes else r"[*?]", part.text)
    return found.start() + 1 if found else 0


def _braces(word: Word) -> list[Word]:
    """The words that ``{a,b}`` makes. Raises Unclear for braces that are not as plain as that."""
    bare = [(place, part) for place, part in enumerate(word.parts) if isinstance(part, Literal) and not part.quoted]
    if not any("{" in part.text for _place, part in bare):
        return [word]
    behind = "".join(part.text for _place, part in bare).partition("{")[2]
    if "," not in behind and (".." not in behind or re.fullmatch(r"\.\.[A-Za-z0-9_.]*\}[^{}.]*", behind)):
        return [word]
    marked = [(place, part) for place, part in bare if "{" in part.text or "}" in part.text]
    if len(marked) != 1 or word.literal is None or OPEN in word.literal:
        raise Unclear
    place, part = marked[0]
    found = re.fullmatch(r"([^{}]*)\{([A-Za-z0-9_./:=@%+,^-]*)\}([^{}]*)", part.text)
    if found is None or ".." in found[2] or "," not in found[2]:
        raise Unclear
    middles = found[2].split(",")
    if len(middles) > _MOST_BRACES:
        raise Unclear
    before, after = word.parts[:place], word.parts[place + 1 :]
    made = [Word([*before, Literal(found[1] + each + found[3]), *after]) for each in middles]
    return [
        each for each in made if any(not isinstance(part, Literal) or part.quoted or part.text for part in each.parts)
    ]
