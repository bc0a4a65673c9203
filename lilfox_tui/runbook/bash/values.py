"""Evaluates bash words as far as possible before the run, and finds the names that a text assigns."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lilfox_tui.runbook.bash.syntax import (
    CLOSE,
    OPEN,
    Beyond,
    Calculated,
    CommandGroup,
    CommandSubstitution,
    For,
    If,
    Joined,
    Literal,
    Opaque,
    ProcessSubstitution,
    ShellVariable,
    Simple,
    Statement,
    Test,
    Unclear,
    While,
    Word,
    WordPart,
)

# What the words of a command are when it runs, as far as that can be said beforehand.
#
# Of a word that is not known one thing may be: with which characters it begins. Whoever judges it lets it stand only
# where any text may stand that begins so.


class Argument(Struct, frozen=True):
    """A word of a command; None among ``pieces`` is unknown text."""

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
        """The word's text, if it is known."""
        return None if None in self.pieces or self.many or self.loose else "".join(filter(None, self.pieces))

    @property
    def head(self) -> str:
        """The characters that the argument certainly begins with."""
        return (self.pieces[0] or "") if self.pieces else ""

    @property
    def may_be_option(self) -> bool:
        if self.loose:
            return True
        return self.head.startswith("-") if self.head else self.text is None and not self.undashed

    @property
    def is_one(self) -> bool:
        """Whether the argument is exactly one word, whatever its text."""
        return not self.many and not self.loose

    def behind(self, count: int) -> Argument:
        """Return the argument without its first ``count`` characters, which are known."""
        rest = self.head[count:]
        return Argument(
            ((rest,) if rest else ()) + self.pieces[1:], False, self.many, self.loose, self.deep, self.printed
        )


class KnownVariables(Struct, frozen=True):
    """Variables with known values."""

    values: Mapping[str, Argument]
    placeholders: Mapping[str, str]
    """Values of ``<name>``, by name."""

    def with_value(self, name: str, value: Argument) -> KnownVariables:
        return KnownVariables({**self.values, name: value}, self.placeholders)


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


def arguments(word: Word, have: KnownVariables) -> list[Argument]:
    """Return the expansion of a command's word. Raises Unclear if the word would evaluate something."""
    only = word.parts[0]
    if len(word.parts) == 1 and isinstance(only, Literal) and not only.quoted and _SAFE.fullmatch(only.text):
        return [known(only.text)]  # most words are
    return [each for plain in _braces(word) for each in _expanded(plain, have)]


def one(word: Word, have: KnownVariables) -> Argument:
    """Return the value of a word that bash neither splits nor expands to file names: an assignment, a redirection."""
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


def _printed(word: Word, have: KnownVariables) -> bool:
    """Whether the word contains the output of a command, directly or through a variable."""
    for part in word.parts:
        if isinstance(part, CommandSubstitution) and not _tells_of_the_host(part):
            return True
        if isinstance(part, ShellVariable) and (held := have.values.get(part.name)) is not None and held.printed:
            return True
    return False


def _tells_of_the_host(output: CommandSubstitution) -> bool:
    """Return whether the command prints only the host's name or the time, and reads no file."""
    only = output.body[0] if len(output.body) == 1 else None
    if not isinstance(only, Simple) or only.redirects or only.assignments:
        return False
    texts = [word.literal for word in only.words]
    return texts[:1] in _OF_THE_HOST and not any(text is None or "/" in text for text in texts)


def number(argument: Argument) -> bool:
    """Return whether the argument is known to be a number that bash can calculate with."""
    return argument.text is not None and _NUMBER.fullmatch(argument.text) is not None


def _home(text: str, have: KnownVariables, pieces: list[str | None]) -> bool:
    """Append a text that begins with ``~``, a home folder whose path is unknown; return True, because that does not
    begin with ``-``."""
    found = re.match(r"~(?:[A-Za-z_][A-Za-z0-9_]*)?(?=/|$)", text)
    if found is None:
        raise Unclear
    pieces.append(None)
    _literal(text[found.end() :], have, pieces)
    return True


def _add(part: WordPart, have: KnownVariables, pieces: list[str | None]) -> bool:
    """Append the value of one part, as if quoted; return True if it is unknown but does not begin with ``-``."""
    if isinstance(part, Literal):
        return _literal(part.text, have, pieces)
    if isinstance(part, ShellVariable):
        held = have.values.get(part.name) if part.exact else None
        if held is None or not held.is_one:
            pieces.append(None)
            return part.name in _DIGITS_ONLY
        pieces += held.pieces
        return held.undashed
    if isinstance(part, CommandSubstitution):
        pieces.append(None)
    elif isinstance(part, ProcessSubstitution):
        pieces += ["/dev/fd/", None]
    elif isinstance(part, Calculated):
        pieces.append(_calculated(part.text, have))
    elif isinstance(part, Opaque):
        raise Unclear
    return False


def _literal(text: str, have: KnownVariables, pieces: list[str | None]) -> bool:
    """Append a text with its placeholders; return True if it begins with a placeholder without a value."""
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
    """Return the pieces without empty ones, adjacent known ones joined."""
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


def _calculated(text: str, have: KnownVariables) -> str | None:
    """Return the result of a calculation; None: an unknown number. Raises Unclear if it evaluates a name not known to
    hold a number, assigns one (``x++``), or may fail in bash, which then skips the rest of the line."""

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


def _expanded(word: Word, have: KnownVariables) -> list[Argument]:
    """Expand a word without braces."""
    _no_home_within(word)
    only = word.parts[0] if len(word.parts) == 1 else None
    if isinstance(only, ShellVariable) and not only.quoted and only.exact:
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
    """Raise Unclear for ``name=~/file``: text that looks like an assignment expands home folders."""
    first = word.parts[0] if word.parts else None
    assigns = isinstance(first, Literal) and re.match(r"[A-Za-z_][A-Za-z0-9_]*\+?=", first.text)
    if assigns and any(isinstance(part, Literal) and not part.quoted and "~" in part.text for part in word.parts):
        raise Unclear


def _splits(part: WordPart, have: KnownVariables) -> bool:
    """Whether bash splits the part's value at unknown places."""
    if isinstance(part, CommandSubstitution):
        return not part.quoted
    if not isinstance(part, ShellVariable) or part.quoted or part.name in _DIGITS_ONLY:
        return isinstance(part, ShellVariable) and part.name == "@"
    held = have.values.get(part.name) if part.exact else None
    if held is PLAIN_WORD:
        return False
    return held is None or held.text is None or not held.text or not _SAFE.fullmatch(held.text)


def _pattern(part: WordPart, word: Word) -> int:
    """Return the position of the first file name pattern, from 1; 0 if there is none."""
    if not isinstance(part, Literal) or part.quoted:
        return 0
    closes = any(isinstance(each, Literal) and not each.quoted and "]" in each.text for each in word.parts)
    found = re.search(r"[*?\[]" if closes else r"[*?]", part.text)
    return found.start() + 1 if found else 0


def _braces(word: Word) -> list[Word]:
    """Return the words that ``{a,b}`` expands to. Raises Unclear for more complex braces."""
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


# Which names a shell text assigns, and what of it makes other commands of those that come later in its fence.


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ASSIGNS = frozenset(
    {"read", "export", "unset", "declare", "typeset", "local", "readonly", "mapfile", "readarray", "getopts"}
)
"""Commands of bash that assign the variables whose names they are given. ``printf`` is none: with ``-v`` it is not
known to read."""
_DECIDES = frozenset(
    {
        ".", "source", "eval", "exec", "alias", "unalias", "enable", "hash", "shopt", "set", "trap", "builtin",
        "command", "declare", "typeset", "local", "readonly", "read", "mapfile", "readarray", "getopts", "printf",
        "let", "bind", "complete",
    }
)  # fmt: skip
"""What of bash may make other commands of those that come later."""
_DECIDING_NAME = re.compile(
    r"PATH|IFS|ENV|CDPATH|GLOBIGNORE|POSIXLY_CORRECT|PS4|EXECIGNORE|FIGNORE|(?:BASH|LD|GIT|DYLD)_?.*"
)


def decides(statement: Statement) -> bool:
    """Whether the statement may change what later commands of its fence do."""
    if isinstance(statement, Beyond):
        return True
    if isinstance(statement, Simple):
        names = [assignment.name for assignment in statement.assignments] if not statement.words else []
        first = statement.words[0].literal if statement.words else ":"
        if first is None or first[:1] == "-" or "{" in first:  # behind an option of ``time`` stands a command
            return True
        if first in ("export", "unset"):
            names += [_name_given(word) or "PATH" for word in statement.words[1:]]
        return first in _DECIDES or any(_DECIDING_NAME.fullmatch(name) for name in names)
    set_by_loop = isinstance(statement, For) and _DECIDING_NAME.fullmatch(statement.name) is not None
    return set_by_loop or any(decides(each) for body in bodies_of(statement) for each in body)


def _name_given(word: Word) -> str:
    """Return the name before ``=``, ``+=`` or ``[``, or the whole word; "" if it is not literal."""
    name, equals, _value = word.begin.partition("=")
    return re.split(r"[+\[]", name)[0] if (equals or word.literal is not None) and "{" not in name else ""


def assigned_names(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield the names that are assigned anywhere in a text, with repetitions."""
    for statement in statements:
        if isinstance(statement, Simple):
            yield from _of_simple(statement)
            continue
        if isinstance(statement, Beyond):
            continue
        if isinstance(statement, For):
            yield statement.name
        for body in bodies_of(statement):
            yield from assigned_names(body)
        for word in words_of(statement):
            yield from _of_word(word)


def _of_simple(simple: Simple) -> Iterator[str]:
    yield from (assignment.name for assignment in simple.assignments)  # some shells keep it behind a builtin
    yield from names_written(simple)
    values = [assignment.value for assignment in simple.assignments]
    for word in [*simple.words, *values, *(redirect.target for redirect in simple.redirects)]:
        yield from _of_word(word)


def names_written(simple: Simple) -> Iterator[str]:
    """Yield the literal names after a command that assigns, including words among its options."""
    if simple.words and simple.words[0].literal in ASSIGNS:
        yield from (found[0] for word in simple.words[1:] if (found := NAME.match(word.begin)))


def _of_word(word: Word) -> Iterator[str]:
    for part in word.parts:
        if isinstance(part, CommandSubstitution | ProcessSubstitution):
            yield from assigned_names(part.body)


def bodies_of(statement: Statement) -> Sequence[Sequence[Statement]]:
    if isinstance(statement, Joined):
        return [statement.statements]
    if isinstance(statement, CommandGroup | For):
        return [statement.body]
    if isinstance(statement, If):
        return statement.bodies
    return [statement.condition, statement.body] if isinstance(statement, While) else []


def words_of(statement: Statement) -> list[Word]:
    words = list(statement.words) if isinstance(statement, For) else []
    if isinstance(statement, Test):
        words += [word for term in statement.terms for word in term]
    redirects = [] if isinstance(statement, Simple | Joined | Beyond) else statement.redirects
    return [*words, *(redirect.target for redirect in redirects)]
