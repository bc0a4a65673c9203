"""Parses a template text into its tree (text/template/parse/parse.go and node.go, Go 1.24)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from msgspec import Struct

from lilfox_tui.alerts.template.lexer import TemplateToken, TokenKind, tokens
from lilfox_tui.alerts.template.values import TemplateError, constant, quote, unquote

# The tree of a template. ``str(node)`` is how Go's errors name a node (text/template/parse/node.go).


class DotNode(Struct, frozen=True):
    """``.``"""

    start: int

    def __str__(self) -> str:
        return "."


class NilNode(Struct, frozen=True):
    """``nil``"""

    start: int

    def __str__(self) -> str:
        return "nil"


class ConstantNode(Struct, frozen=True):
    """A text, a number (int, float, complex) or a boolean; ``text`` is its source."""

    start: int
    text: str
    value: str | int | float | complex | bool

    def __str__(self) -> str:
        return self.text


class FieldNode(Struct, frozen=True):
    """``.a.b``"""

    start: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "." + ".".join(self.names)


class VariableNode(Struct, frozen=True):
    """``$x.a.b``; the first name is that of the variable, with its dollar."""

    start: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


class IdentifierNode(Struct, frozen=True):
    """A function's name."""

    start: int
    name: str

    def __str__(self) -> str:
        return self.name


class ChainNode(Struct, frozen=True):
    """``(pipeline).a.b``"""

    start: int
    of: Operand
    names: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.of})" if isinstance(self.of, PipelineNode) else str(self.of)
        return f"{inner}." + ".".join(self.names)


class CommandNode(Struct, frozen=True):
    """Operands; the first may be a function and the others its arguments."""

    start: int
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, PipelineNode) else str(part) for part in self.operands)


class PipelineNode(Struct, frozen=True):
    """Commands joined by pipes: the value of each is the last argument of the next, and the last value is assigned to
    ``variables``."""

    start: int
    variables: tuple[VariableNode, ...]
    assigns: bool
    commands: tuple[CommandNode, ...]

    def __str__(self) -> str:
        names = ", ".join(map(str, self.variables))
        before = f"{names} {'=' if self.assigns else ':='} " if names else ""
        return before + " | ".join(map(str, self.commands))


class TextNode(Struct, frozen=True):
    """The text outside actions."""

    start: int
    text: str

    def __str__(self) -> str:
        return quote(self.text)


class ActionNode(Struct, frozen=True):
    """``{{pipeline}}``"""

    start: int
    pipeline: PipelineNode

    def __str__(self) -> str:
        return f"{{{{{self.pipeline}}}}}"


class BranchNode(Struct, frozen=True):
    """``if``, ``with`` or ``range``."""

    start: int
    word: str
    pipeline: PipelineNode
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{{{{{self.word} {self.pipeline}}}}}"


class TemplateNode(Struct, frozen=True):
    """``{{template "name" pipeline}}``"""

    start: int
    name: str
    pipeline: PipelineNode | None

    def __str__(self) -> str:
        after = "" if self.pipeline is None else f" {self.pipeline}"
        return f"{{{{template {quote(self.name)}{after}}}}}"


class LoopExitNode(Struct, frozen=True):
    """``{{break}}`` or ``{{continue}}``"""

    start: int
    word: str

    def __str__(self) -> str:
        return f"{{{{{self.word}}}}}"


Operand: TypeAlias = (
    DotNode | NilNode | ConstantNode | FieldNode | VariableNode | IdentifierNode | ChainNode | PipelineNode
)
Node: TypeAlias = TextNode | ActionNode | BranchNode | TemplateNode | LoopExitNode
Anything: TypeAlias = Operand | Node | CommandNode


# From the words of a template to its tree (text/template/parse/parse.go, Go 1.24).


MAX_DEPTH = 60
"""How deep actions and parentheses may stand in each other: each level is a few calls here and when it is expanded."""
_OPERANDS = (
    TokenKind.BOOL,
    TokenKind.CHAR_CONSTANT,
    TokenKind.FIELD,
    TokenKind.IDENTIFIER,
    TokenKind.NUMBER,
    TokenKind.STRING,
    TokenKind.VARIABLE,
)
_WITHOUT_FIELDS = (ConstantNode, NilNode, DotNode)
Trees = Mapping[str, tuple[Node, ...]]


def parse(name: str, text: str, functions: Collection[str]) -> Trees:
    """Parse a template text; return its tree under ``name``, with those of the templates that it defines. Raises
    TemplateError."""
    return _TemplateParser(name, text, functions).trees()


class _Scope:
    """The variables known in one template: a nested definition does not see the outer ones."""

    def __init__(self) -> None:
        self.variables = ["$"]
        self.ranges = 0


class _Words:
    """The tokens of a template text, one after the other."""

    def __init__(self, text: str) -> None:
        words = list(tokens(text))
        self.words = [*words, words[-1]]  # one more, so that going back from the end stays there
        self.place = 0
        self.furthest = 0

    def next(self) -> TemplateToken:
        token = self.peek()
        self.place = min(self.place + 1, len(self.words) - 1)
        return token

    def peek(self) -> TemplateToken:
        self.furthest = max(self.furthest, self.place)
        return self.words[self.place]

    def next_word(self) -> TemplateToken:
        while self.peek().kind is TokenKind.SPACE:
            self.next()
        return self.next()

    def peek_word(self) -> TemplateToken:
        while self.peek().kind is TokenKind.SPACE:
            self.next()
        return self.peek()

    def after_spaces(self, place: int) -> TemplateToken:
        while self.words[place].kind is TokenKind.SPACE:
            place += 1
        return self.words[place]


class _TemplateParser(_Words):
    def __init__(self, name: str, text: str, functions: Collection[str]) -> None:
        super().__init__(text)
        self.name = name
        self.functions = functions
        self.depth = 0
        self.action_line = 0
        self.scope = _Scope()
        self.found: dict[str, tuple[Node, ...]] = {}

    def trees(self) -> Trees:
        nodes: list[Node] = []
        while self.peek().kind is not TokenKind.END_OF_TEXT:
            if self.peek().kind is TokenKind.LEFT and self.after_spaces(self.place + 1).is_keyword("define"):
                self.next()
                self.next_word()
                self.definition()
                continue
            node = self.text_or_action()
            if isinstance(node, TemplateToken):
                raise self.failed(f"unexpected {{{{{node.text}}}}}")
            nodes.append(node)
        self.add(self.name, tuple(nodes))
        return self.found

    def failed(self, what: str) -> TemplateError:
        return TemplateError(f"template: {self.name}:{self.words[self.furthest].line}: {what}")

    def unexpected(self, token: TemplateToken, where: str) -> TemplateError:
        if token.kind is not TokenKind.ERROR:
            return self.failed(f"unexpected {token} in {where}")
        extra = ""
        if self.action_line not in (0, token.line):
            begun = f" started at {self.name}:{self.action_line}"
            extra = begun if token.text.endswith(" action") else " in action" + begun
        return self.failed(f"{token}{extra}")

    def expect(self, kind: TokenKind, where: str) -> TemplateToken:
        token = self.next_word()
        if token.kind is not kind:
            raise self.unexpected(token, where)
        return token

    def add(self, name: str, nodes: tuple[Node, ...]) -> None:
        if name not in self.found or _is_empty(self.found[name]):
            self.found[name] = nodes
        elif not _is_empty(nodes):
            raise self.failed(f"template: multiple definition of template {quote(name)}")

    def definition(self) -> None:
        where = "define clause"
        name = self.unquoted(self.expect(TokenKind.STRING, where))
        self.expect(TokenKind.RIGHT, where)
        self.add(name, self.own_body(where))

    def own_body(self, where: str) -> tuple[Node, ...]:
        outer, self.scope = self.scope, _Scope()
        nodes, end = self.nodes()
        if end.text != "end":
            raise self.failed(f"unexpected {{{{{end.text}}}}} in {where}")
        self.scope = outer
        return nodes

    def nodes(self) -> tuple[tuple[Node, ...], TemplateToken]:
        """Return the nodes up to the next ``end`` or ``else`` of this level, and that token."""
        self.deeper()
        nodes: list[Node] = []
        while self.peek_word().kind is not TokenKind.END_OF_TEXT:
            node = self.text_or_action()
            if isinstance(node, TemplateToken):
                self.depth -= 1
                return tuple(nodes), node
            nodes.append(node)
        raise self.failed("unexpected EOF")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.failed(f"actions stand in each other more than {MAX_DEPTH} deep")

    def text_or_action(self) -> Node | TemplateToken:
        token = self.next_word()
        if token.kind is TokenKind.TEXT:
            return TextNode(token.start, token.text)
        if token.kind is TokenKind.LEFT:
            self.action_line = token.line
            node = self.action()
            self.action_line = 0
            return node
        raise self.unexpected(token, "input")

    def action(self) -> Node | TemplateToken:
        token = self.peek_word()
        if token.kind is not TokenKind.KEYWORD or token.text in (".", "nil", "define"):
            return ActionNode(token.start, self.pipeline("command"))
        self.next()
        if token.text in ("if", "with", "range"):
            return self.branch(token)
        if token.text in ("template", "block"):
            return self.call(token)
        if token.text == "end":
            self.expect(TokenKind.RIGHT, "end")
            return token
        if token.text == "else":
            if not self.peek_word().is_keyword("if", "with"):
                self.expect(TokenKind.RIGHT, "else")
            return token
        return self.leave(token)

    def leave(self, token: TemplateToken) -> LoopExitNode:
        after = self.next_word()
        if after.kind is not TokenKind.RIGHT:
            raise self.unexpected(after, f"{{{{{token.text}}}}}")
        if not self.scope.ranges:
            raise self.failed(f"{{{{{token.text}}}}} outside {{{{range}}}}")
        return LoopExitNode(token.start, token.text)

    def branch(self, word: TemplateToken) -> BranchNode:
        known = len(self.scope.variables)
        pipeline = self.pipeline(word.text)
        self.scope.ranges += word.text == "range"
        body, end = self.nodes()
        self.scope.ranges -= word.text == "range"
        otherwise: tuple[Node, ...] = ()
        if end.text == "else":
            otherwise = self.otherwise(word)
        del self.scope.variables[known:]
        return BranchNode(pipeline.start, word.text, pipeline, body, otherwise)

    def otherwise(self, word: TemplateToken) -> tuple[Node, ...]:
        if word.text in ("if", "with") and self.peek().is_keyword(word.text):
            self.deeper()
            node = self.branch(self.next())
            self.depth -= 1
            return (node,)
        nodes, end = self.nodes()
        if end.text != "end":
            raise self.failed(f"expected end; found {{{{{end.text}}}}}")
        return nodes

    def call(self, word: TemplateToken) -> TemplateNode:
        where = f"{word.text} clause"
        token = self.next_word()
        if token.kind is not TokenKind.STRING:
            raise self.unexpected(token, where)
        name = self.unquoted(token)
        if word.text == "template" and self.peek_word().kind is TokenKind.RIGHT:
            self.next()
            return TemplateNode(token.start, name, None)
        pipeline = self.pipeline(where)
        if word.text == "block":
            self.add(name, self.own_body(where))
        return TemplateNode(token.start, name, pipeline)

    def unquoted(self, token: TemplateToken) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self.failed(str(error)) from None

    def pipeline(self, where: str, end: TokenKind = TokenKind.RIGHT) -> PipelineNode:
        self.deeper()
        start = self.peek_word().start
        variables, assigns = self.declared(where)
        commands: list[CommandNode] = []
        while (token := self.next_word()).kind is not end:
            if token.kind not in _OPERANDS and token.kind is not TokenKind.OPEN and not token.is_keyword(".", "nil"):
                raise self.unexpected(token, where)
            self.place -= 1
            commands.append(self.command())
        if not commands:
            raise self.failed(f"missing value for {where}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.operands[0], ConstantNode | DotNode | NilNode):
                raise self.failed(f"non executable command in pipeline stage {stage}")
        self.depth -= 1
        return PipelineNode(start, variables, assigns, tuple(commands))

    def declared(self, where: str) -> tuple[tuple[VariableNode, ...], bool]:
        """Parse ``$x :=``, ``$x =``, and in a range ``$i, $x :=``; anything else that begins with a variable is left
        unread."""
        variables: list[VariableNode] = []
        while (token := self.peek_word()).kind is TokenKind.VARIABLE:
            here = self.place
            self.next()
            after = self.peek_word()
            if after.kind in (TokenKind.ASSIGN, TokenKind.DECLARE):
                self.next()
                variables.append(self.declare(token))
                return tuple(variables), after.kind is TokenKind.ASSIGN
            if after.kind is not TokenKind.CHAR or after.text != ",":
                self.place = here
                break
            self.next()
            variables.append(self.declare(token))
            if where != "range" or len(variables) > 1:
                raise self.failed(f"too many declarations in {where}")
            if self.peek_word().kind not in (TokenKind.VARIABLE, TokenKind.RIGHT, TokenKind.CLOSE):
                raise self.failed("range can only initialize variables")
        return tuple(variables), False

    def declare(self, token: TemplateToken) -> VariableNode:
        self.scope.variables.append(token.text)
        return VariableNode(token.start, (token.text,))

    def command(self) -> CommandNode:
        start = self.peek_word().start
        operands: list[Operand] = []
        while True:
            self.peek_word()
            operand = self.operand()
            if operand is not None:
                operands.append(operand)
            token = self.next()
            if token.kind in (TokenKind.RIGHT, TokenKind.CLOSE):
                self.place -= 1
            elif token.kind is TokenKind.SPACE:
                continue
            elif token.kind is not TokenKind.PIPE:
                raise self.unexpected(token, "operand")
            break
        if not operands:
            raise self.failed("empty command")
        return CommandNode(start, tuple(operands))

    def operand(self) -> Operand | None:
        operand = self.term()
        if operand is None or self.peek().kind is not TokenKind.FIELD:
            return operand
        start = self.peek().start
        names: list[str] = []
        while self.peek().kind is TokenKind.FIELD:
            names.append(self.next().text[1:])
        if isinstance(operand, _WITHOUT_FIELDS):
            raise self.failed(f"unexpected . after term {quote(str(operand))}")
        if isinstance(operand, FieldNode):
            return FieldNode(start, (*operand.names, *names))
        if isinstance(operand, VariableNode):
            return VariableNode(start, (*operand.names, *names))
        return ChainNode(start, operand, tuple(names))

    def term(self) -> Operand | None:
        token = self.next_word()
        start, text = token.start, token.text
        if token.kind is TokenKind.IDENTIFIER:
            if text not in self.functions:
                raise self.failed(f"function {quote(text)} not defined")
            return IdentifierNode(start, text)
        if token.kind is TokenKind.VARIABLE:
            if text not in self.scope.variables:
                raise self.failed(f"undefined variable {quote(text)}")
            return VariableNode(start, (text,))
        if token.kind is TokenKind.FIELD:
            return FieldNode(start, (text[1:],))
        if token.is_keyword("."):
            return DotNode(start)
        if token.is_keyword("nil"):
            return NilNode(start)
        if token.kind is TokenKind.OPEN:
            return self.pipeline("parenthesized pipeline", TokenKind.CLOSE)
        literal = self.literal(token)
        if literal is None:
            self.place -= 1
        return literal

    def literal(self, token: TemplateToken) -> ConstantNode | None:
        if token.kind is TokenKind.BOOL:
            return ConstantNode(token.start, token.text, token.text == "true")
        if token.kind is TokenKind.STRING:
            return ConstantNode(token.start, token.text, self.unquoted(token))
        if token.kind in (TokenKind.NUMBER, TokenKind.CHAR_CONSTANT):
            try:
                return ConstantNode(token.start, token.text, constant(token.text))
            except ValueError as error:
                raise self.failed(str(error)) from None
        return None


def _is_empty(nodes: tuple[Node, ...]) -> bool:
    return all(isinstance(node, TextNode) and not node.text.strip() for node in nodes)
