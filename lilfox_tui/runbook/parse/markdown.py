"""Scans Markdown line by line, as far as runbooks need it: headings, lists, fences, paragraphs, inline text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.i18n import _

# Markdown, line by line, as far as runbooks need it: headings, lists and their nesting, fences, paragraphs.
#
# Blocks are those of CommonMark 0.31 (what begins, goes on and ends where); definitions of links are paragraphs here.
# What stands inside a line is ``plain``'s. Why there is a scanner of our own: docs/adr/0023.


BlockKind = Literal["heading", "item", "paragraph", "fence"]


class ListItem(Struct, frozen=True, eq=False, gc=False):
    """An item of a list; ``parent`` is the item that contains its list."""

    ordered: bool
    line: int
    parent: ListItem | None


class MarkdownBlock(Struct, frozen=True, kw_only=True, gc=False):
    """A heading, a paragraph, a fence, or the start of an item (then in ``item``)."""

    kind: BlockKind
    line: int
    """Of its first line, from 1; of a fence that of its opening."""
    text: str = ""
    """Of headings and paragraphs their lines without indents, of a fence what is in it, as it stands there."""
    item: ListItem | None = None
    """The innermost item that it is in."""
    quoted: bool = False
    """Whether it is in a quotation."""
    level: int = 0
    """Of a heading."""
    info: str = ""
    """Of a fence: what stands behind its opening."""
    closed: bool = True
    """Whether a fence has an end of its own, and not that of what it is in."""


class _Container:
    """An open item or quotation. ``indent`` is the indentation of an item's lines, -1 for a quotation; ``in_quote``: it
    is a quotation or inside one."""

    __slots__ = ("filled", "in_quote", "indent", "item")

    def __init__(self, indent: int, item: ListItem | None, *, in_quote: bool) -> None:
        self.indent, self.item, self.in_quote = indent, item, in_quote
        self.filled = False


_ATX = re.compile(r"(#{1,6})(?![^ \t])")
_SETEXT = re.compile(r"(=+|-+)[ \t]*$")
_RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_FENCE = re.compile(r"`{3,}+(?=[^`]*+$)|~{3,}+")
_MARKER = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?=[ \t]|$)")
_LEADING = re.compile(r"[ \t>*+\-0-9.)]*\t[ \t]*")
_TAG_NAMES = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|"
    "menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|"
    "track|ul"
)
_ATTRIBUTE = r"""\s+[a-zA-Z_:][a-zA-Z0-9:._-]*(?:\s*=\s*(?:[^"'=<>`\s]+|'[^']*'|"[^"]*"))?"""
_HTML_STARTS = tuple(
    (re.compile(start, re.IGNORECASE), None if end is None else re.compile(end, re.IGNORECASE))
    for start, end in (
        (r"<(?:script|pre|style|textarea)(?=\s|>|$)", r"</(?:script|pre|style|textarea)>"),
        (r"<!--", r"-->"),
        (r"<\?", r"\?>"),
        (r"<![A-Za-z]", r">"),
        (r"<!\[CDATA\[", r"\]\]>"),
        (rf"</?(?:{_TAG_NAMES})(?=\s|/?>|$)", None),
    )
)
_LONE_TAG = re.compile(rf"(?:<[A-Za-z][A-Za-z0-9-]*(?:{_ATTRIBUTE})*\s*/?>|</[A-Za-z][A-Za-z0-9-]*\s*>)\s*$")
_DEEPEST = 100
"""Lists and quotations within each other: each line asks all that are open."""
_BLANKS = re.compile(" *")
_STARTERS = frozenset("#>`~<=-*_+0123456789")


def scan(lines: list[str], first: int = 1) -> list[MarkdownBlock]:
    """Return the blocks of ``lines`` (without line ends), in the order of the file; ``first`` is the number of the
    first line."""
    scanner = _MarkdownScanner(lines, first)
    scanner.run()
    return scanner.blocks


class _MarkdownScanner:
    """The state between lines: the open containers, and the paragraph that may continue."""

    def __init__(self, lines: list[str], first: int) -> None:
        self.lines, self.first = lines, first
        self.at = 0
        self.blocks: list[MarkdownBlock] = []
        self.containers: list[_Container] = []
        self.paragraph: list[str] = []
        self.paragraph_line = 0

    def run(self) -> None:
        """Scan all lines."""
        lines = self.lines
        count = len(lines)
        while self.at < count:
            line = lines[self.at]
            if "\t" in line:
                line = _without_tabs(line)
            if self.containers:
                self._opened(line, *self._inside(line))
            elif line and line[0] not in _STARTERS and line[0] != " ":
                self._text(line, 0)
            else:
                self._opened(line, 0, 0)
            self.at += 1
        self._close(0)

    def _inside(self, line: str) -> tuple[int, int]:
        """Return the position in ``line`` after the containers that continue in it, and their number."""
        position = matched = at = 0
        for container in self.containers:
            at = max(at, position)  # blanks that were skipped are not skipped once more for each container
            if line.startswith(" ", at):
                at = _skip(line, at)
            if container.indent < 0:
                if at - position > 3 or not line.startswith(">", at):
                    break
                position = at + 1 + line.startswith(" ", at + 1)
            elif at == len(line):
                if not container.filled:
                    break
                position = at
            elif at - position >= container.indent:
                position += container.indent
            else:
                break
            matched += 1
        return position, matched

    def _opened(self, line: str, position: int, matched: int) -> None:
        """Open what begins in ``line`` at ``position``, where ``matched`` containers continue."""
        while True:
            at = _skip(line, position)
            if at == len(line):
                self._close(matched)
                return
            goes_on = bool(self.paragraph) and matched == len(self.containers)
            if at - position > 3:
                if self.paragraph:
                    self.paragraph.append(line[at:])
                else:
                    self._close(matched)
                    self._fill()
                return
            character = line[at]
            if character not in _STARTERS or self._leaf(line, at, at - position, matched, goes_on=goes_on):
                if character not in _STARTERS:
                    self._text(line[at:], matched)
                return
            inside = self._container(line, at, position, matched, goes_on=goes_on)
            if inside < 0:
                self._text(line[at:], matched)
                return
            position, matched = inside, len(self.containers)

    def _container(self, line: str, at: int, position: int, matched: int, *, goes_on: bool) -> int:
        """Open the container that begins at ``at``; return where its content begins, -1 if no container begins
        there."""
        if matched >= _DEEPEST:
            return -1
        if line[at] == ">":
            self._push(matched, -1, self._item(matched), in_quote=True)
            return at + 1 + line.startswith(" ", at + 1)
        marker = _MARKER.match(line, at)
        if marker is None:
            return -1
        end = marker.end()
        content = _skip(line, end)
        empty = content == len(line)
        if goes_on and (empty or marker[1] not in (None, "1")):
            return -1
        if empty or content - end > 4:
            content = min(end + 1, len(line))
        wide = end + 1 if empty else content
        item = ListItem(marker[1] is not None, self.first + self.at, self._item(matched))
        quoted = matched > 0 and self.containers[matched - 1].in_quote
        self._push(matched, wide - position, item, in_quote=quoted)
        self.blocks.append(MarkdownBlock(kind="item", line=item.line, item=item, quoted=quoted))
        return content

    def _push(self, matched: int, indent: int, item: ListItem | None, *, in_quote: bool) -> None:
        self._close(matched)
        self._fill()
        self.containers.append(_Container(indent, item, in_quote=in_quote))

    def _leaf(self, line: str, at: int, indent: int, matched: int, *, goes_on: bool) -> bool:
        """Whether a heading, a fence, a rule or HTML begins at ``at``; if so, it is consumed completely."""
        character = line[at]
        if character == "#":
            if found := _ATX.match(line, at):
                self._close(matched)
                self._add("heading", _of_heading(line[found.end() :]), level=len(found[1]))
                return True
        elif character in "`~":
            if found := _FENCE.match(line, at):
                self._close(matched)
                self._fence(found[0], indent, line[found.end() :].strip(" \t"))
                return True
        elif character == "<":
            return self._html(line, at, matched)
        elif character in "=-*_":
            if goes_on and character in "=-" and (found := _SETEXT.match(line, at)):
                text, number = "\n".join(self.paragraph), self.paragraph_line
                self.paragraph = []
                self._add("heading", text.rstrip(), level=1 if found[1][0] == "=" else 2, line=number)
                return True
            if character != "=" and _RULE.match(line, at):
                self._close(matched)
                self._fill()
                return True
        return False

    def _fence(self, marker: str, indent: int, info: str) -> None:
        """Consume the lines of a fence up to its end, or to the end of its container."""
        lines, begun = self.lines, self.at
        wide = sum(one.indent for one in self.containers)
        simple = not self.containers or not self.containers[-1].in_quote
        content: list[str] = []
        closed = False
        for at in range(begun + 1, len(lines)):
            line = lines[at]
            inner = _cut(line, wide) if simple else self._cut_quoted(line)
            if inner is None:
                break
            self.at = at
            if marker in inner and _closes(inner, marker):
                closed = True
                break
            content.append(_cut_up_to(inner, indent) if indent else inner)
        self._add("fence", "\n".join(content), info=info, line=self.first + begun, closed=closed)

    def _cut_quoted(self, line: str) -> str | None:
        """Return the part of ``line`` inside all open containers, one of which is a quotation; None if it is
        outside."""
        line = _without_tabs(line)
        position, matched = self._inside(line)
        return line[position:] if matched == len(self.containers) else None

    def _html(self, line: str, at: int, matched: int) -> bool:
        """Skip a block of HTML; return whether one begins at ``at``."""
        begun = next((each for each in _HTML_STARTS if each[0].match(line, at)), None)
        if begun is None and (self.paragraph or not _LONE_TAG.match(line, at)):
            return False
        end = None if begun is None else begun[1]
        self._close(matched)
        self._fill()
        inner: str | None = line[at:]
        while inner is not None:
            if end is not None and end.search(inner):
                return True
            if self.at + 1 == len(self.lines):
                return True
            inner = self._cut_quoted(self.lines[self.at + 1])
            if inner is not None and end is None and not inner.strip(" \t"):
                return True
            self.at += inner is not None
        return True

    def _text(self, text: str, matched: int) -> None:
        """Add a line of a paragraph; an open paragraph continues, even outside its containers."""
        if self.paragraph:
            self.paragraph.append(text)
            return
        self._close(matched)
        self._fill()
        self.paragraph.append(text)
        self.paragraph_line = self.first + self.at

    def _close(self, matched: int) -> None:
        """End the paragraph, and all containers but the first ``matched``."""
        if self.paragraph:
            text, self.paragraph = "\n".join(self.paragraph).rstrip(" \t"), []
            self._add("paragraph", text, line=self.paragraph_line)
        if len(self.containers) > matched:
            del self.containers[matched:]

    def _fill(self) -> None:
        if self.containers:
            self.containers[-1].filled = True

    def _item(self, matched: int) -> ListItem | None:
        return self.containers[matched - 1].item if matched else None

    def _add(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        info: str = "",
        line: int | None = None,
        closed: bool = True,
    ) -> None:
        self._fill()
        number = self.first + self.at if line is None else line
        item, quoted = None, False
        if self.containers:
            inner = self.containers[-1]
            item, quoted = inner.item, inner.in_quote
        self.blocks.append(
            MarkdownBlock(
                kind=kind, line=number, text=text, item=item, quoted=quoted, level=level, info=info, closed=closed
            )
        )


def _of_heading(text: str) -> str:
    """Return the text of a heading: ``text`` follows the opening ``#`` signs, and closing ones are removed."""
    text = text.strip(" \t")
    without = text.rstrip("#")
    return without.rstrip(" \t") if not without or without[-1] in " \t" else text


def _closes(line: str, marker: str) -> bool:
    """Whether ``line`` ends the fence that ``marker`` opened."""
    text = line.strip(" \t")
    return _skip(line, 0) <= 3 and line[:1] != "\t" and len(text) >= len(marker) and not text.strip(marker[0])


def _skip(line: str, position: int) -> int:
    """Return where the blanks from ``position`` end."""
    return _BLANKS.match(line, position).end()  # type: ignore[union-attr]  # no blanks match as well


def _without_tabs(line: str) -> str:
    """Return ``line`` with its leading tabs expanded to blanks."""
    found = _LEADING.match(line)
    return line if found is None else found[0].expandtabs(4) + line[found.end() :]


def _cut(line: str, wide: int) -> str | None:
    """Return ``line`` without the ``wide`` columns of its items; None if it is not inside them."""
    if not wide:
        return line
    if line[:wide].isspace() and len(line) >= wide and "\t" not in line[:wide]:
        return line[wide:]
    if not line.strip(" \t"):
        return ""
    text = line.lstrip(" \t")
    blanks = line[: len(line) - len(text)].expandtabs(4)
    return (blanks + text)[wide:] if len(blanks) >= wide else None


def _cut_up_to(line: str, indent: int) -> str:
    """Return ``line`` without up to ``indent`` columns of blanks."""
    if "\t" in line[:indent]:
        text = line.lstrip(" \t")
        line = line[: len(line) - len(text)].expandtabs(4) + text
    return line[min(indent, _skip(line, 0)) :]


# What stands inside a line of Markdown, without its marks.


_BACKQUOTES = re.compile("(`+)")
_LINK = re.compile(r"!?\[([^\]\[]*)\](?:\([^()]*+(?:\([^()]*+\)[^()]*+)?\)|\[[^\]]*\])")
_AUTOLINK = re.compile(r"<((?:https?|mailto|ftp):[^<>\s]*)>")
_STRONG = re.compile(r"(?<!\\)(\*\*|__|~~)(?=\S)((?:(?!\1).)+)(?<=[^\s\\])\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\\*\w])([*_])(?=[^\s*_])((?:(?!\1).)+)(?<=[^\s\\])\1(?![*\w])", re.DOTALL)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_MARKS = frozenset("*_`[<\\&~")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&nbsp;": " ", "&amp;": "&"}


_IMAGE = re.compile(r"!\[([^\]\[]*+)\]\(\s*+([^()\s]*+)[^()]*+\)")
_LINKED = re.compile(r"\[([^\]\[]*+)\]\(([^()]*+)\)")
_TABLE = re.compile(r"[ \t]*+\|?+[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+$")
_CELL = re.compile(r"(?<!\\)\|")


def texts(text: str) -> Iterator[str]:
    """Yield a paragraph as plain text: a table row by row, images by their names."""
    lines = text.split("\n")
    rule = next((at for at, line in enumerate(lines) if at and "|" in lines[at - 1] and _TABLE.match(line)), None)
    before = lines if rule is None else lines[: rule - 1]
    if said := plain(_IMAGE.sub(_named_image, "\n".join(before))):
        yield said
    if rule is not None:
        for line in (lines[rule - 1], *lines[rule + 1 :]):
            cells = _CELL.split(line.strip().removeprefix("|").removesuffix("|"))
            yield " | ".join(plain(_IMAGE.sub(_named_image, cell.replace("\\|", "|"))) for cell in cells)


def _named_image(found: re.Match[str]) -> str:
    return _("(image: {name})", name=found[1].strip() or found[2].rsplit("/", 1)[-1])


def linked_files(text: str) -> Iterator[tuple[str, str]]:
    """Yield text and path of each link of a paragraph to a Markdown file beside this one."""
    for found in _LINKED.finditer(text):
        if "://" not in found[2] and (path := _file_of(found[2])):
            yield plain(found[1]), path


def _file_of(target: str) -> str:
    """Return the Markdown file in the target of a link, without its fragment; empty if there is none."""
    for word in target.replace('"', " ").split():
        path = word.partition("#")[0].strip("<>{}'")
        if path.lower().endswith((".md", ".markdown")):
            return path
    return ""


def plain(text: str) -> str:
    """Return ``text`` of a heading or paragraph on one line, without Markdown markup: bold, code, links, escapes."""
    if not _MARKS.isdisjoint(text):
        text = "".join(_spans(text)) if "`" in text else _unmarked(text)
    return " ".join(text.split())


def _spans(text: str) -> Iterator[str]:
    """Yield ``text`` in pieces: code unchanged, the rest without markup. Code ends at as many backquotes as it begins
    with."""
    pieces = _BACKQUOTES.split(text)  # text and backquotes in turn
    ends: dict[int, list[int]] = {}
    for at in range(len(pieces) - 2, 0, -2):
        ends.setdefault(len(pieces[at]), []).append(at)
    at, said = 0, ""
    while at < len(pieces):
        said += pieces[at]
        if at + 1 == len(pieces):
            break
        later = ends[len(pieces[at + 1])]
        while later and later[-1] <= at + 1:
            later.pop()
        if later:
            yield _unmarked(said)
            code = "".join(pieces[at + 2 : later[-1]])
            yield code.strip(" ") or code
            at, said = later[-1] + 1, ""
        else:
            said += pieces[at + 1]
            at += 2
    yield _unmarked(said)


def _unmarked(text: str) -> str:
    if "[" in text:
        text = _LINK.sub(r"\1", text)
    if "<" in text:
        text = _AUTOLINK.sub(r"\1", text)
    if "*" in text or "_" in text or "~~" in text:
        text = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", text))
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    if "&" in text:
        for entity, character in _ENTITIES.items():
            text = text.replace(entity, character)
    return text
