"""From the words of a template to its tree (text/template/parse/parse.go, Go 1.24)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lilfox_tui.alerts.template.errors import TemplateError
from lilfox_tui.alerts.template.go_numbers import constant
from lilfox_tui.alerts.template.go_text import quote, unquote
from lilfox_tui.alerts.template.lexer import Kind, Token, tokens
from lilfox_tui.alerts.template.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Identifier,
    Leave,
    Nil,
    Node,
    Operand,
    Pipeline,
    Text,
    Variable,
)

MAX_DEPTH = 60
"""How deep actions and parentheses may stand in each other: each level is a few calls here and when it is expanded."""
_OPERANDS = (Kind.BOOL, Kind.CHAR_CONSTANT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER, Kind.STRING, Kind.VARIABLE)
_WITHOUT_FIELDS = (Constant, Nil, Dot)
Trees = Mapping[str, tuple[Node, ...]]


def parse(name: str, text: str, functions: Collection[str]) -> Trees:
    """The trees of a template text and of what it defines, by name; its own is ``name``. Raises TemplateError."""
    return _Parser(name, text, functions).trees()


class _Scope:
    """What is known in one template: a definition inside of another knows nothing of its variables."""

    def __init__(self) -> None:
        self.variables = ["$"]
        self.ranges = 0


class _Words:
    """The words of a template text, one after the other."""

    def __init__(self, text: str) -> None:
        words = list(tokens(text))
        self.words = [*words, words[-1]]  # one more, so that going back from the end stays there
        self.place = 0
        self.furthest = 0

    def next(self) -> Token:
        token = self.peek()
        self.place = min(self.place + 1, len(self.words) - 1)
        return token

    def peek(self) -> Token:
        self.furthest = max(self.furthest, self.place)
        return self.words[self.place]

    def next_word(self) -> Token:
        while self.peek().kind is Kind.SPACE:
            self.next()
        return self.next()

    def peek_word(self) -> Token:
        while self.peek().kind is Kind.SPACE:
            self.next()
        return self.peek()

    def after_spaces(self, place: int) -> Token:
        while self.words[place].kind is Kind.SPACE:
            place += 1
        return self.words[place]


class _Parser(_Words):
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
        while self.peek().kind is not Kind.END_OF_TEXT:
            if self.peek().kind is Kind.LEFT and self.after_spaces(self.place + 1).is_keyword("define"):
                self.next()
                self.next_word()
                self.definition()
                continue
            node = self.text_or_action()
            if isinstance(node, Token):
                raise self.failed(f"unexpected {{{{{node.text}}}}}")
            nodes.append(node)
        self.add(self.name, tuple(nodes))
        return self.found

    def failed(self, what: str) -> TemplateError:
        return TemplateError(f"template: {self.name}:{self.words[self.furthest].line}: {what}")

    def unexpected(self, token: Token, where: str) -> TemplateError:
        if token.kind is not Kind.ERROR:
            return self.failed(f"unexpected {token} in {where}")
        extra = ""
        if self.action_line not in (0, token.line):
            begun = f" started at {self.name}:{self.action_line}"
            extra = begun if token.text.endswith(" action") else " in action" + begun
        return self.failed(f"{token}{extra}")

    def expect(self, kind: Kind, where: str) -> Token:
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
        name = self.unquoted(self.expect(Kind.STRING, where))
        self.expect(Kind.RIGHT, where)
        self.add(name, self.own_body(where))

    def own_body(self, where: str) -> tuple[Node, ...]:
        outer, self.scope = self.scope, _Scope()
        nodes, end = self.nodes()
        if end.text != "end":
            raise self.failed(f"unexpected {{{{{end.text}}}}} in {where}")
        self.scope = outer
        return nodes

    def nodes(self) -> tuple[tuple[Node, ...], Token]:
        """What stands up to the next ``end`` or ``else`` of this level, and that word."""
        self.deeper()
        nodes: list[Node] = []
        while self.peek_word().kind is not Kind.END_OF_TEXT:
            node = self.text_or_action()
            if isinstance(node, Token):
                self.depth -= 1
                return tuple(nodes), node
            nodes.append(node)
        raise self.failed("unexpected EOF")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.failed(f"actions stand in each other more than {MAX_DEPTH} deep")

    def text_or_action(self) -> Node | Token:
        token = self.next_word()
        if token.kind is Kind.TEXT:
            return Text(token.start, token.text)
        if token.kind is Kind.LEFT:
            self.action_line = token.line
            node = self.action()
            self.action_line = 0
            return node
        raise self.unexpected(token, "input")

    def action(self) -> Node | Token:
        token = self.peek_word()
        if token.kind is not Kind.KEYWORD or token.text in (".", "nil", "define"):
            return Action(token.start, self.pipeline("command"))
        self.next()
        if token.text in ("if", "with", "range"):
            return self.branch(token)
        if token.text in ("template", "block"):
            return self.call(token)
        if token.text == "end":
            self.expect(Kind.RIGHT, "end")
            return token
        if token.text == "else":
            if not self.peek_word().is_keyword("if", "with"):
                self.expect(Kind.RIGHT, "else")
            return token
        return self.leave(token)

    def leave(self, token: Token) -> Leave:
        after = self.next_word()
        if after.kind is not Kind.RIGHT:
            raise self.unexpected(after, f"{{{{{token.text}}}}}")
        if not self.scope.ranges:
            raise self.failed(f"{{{{{token.text}}}}} outside {{{{range}}}}")
        return Leave(token.start, token.text)

    def branch(self, word: Token) -> Branch:
        known = len(self.scope.variables)
        pipeline = self.pipeline(word.text)
        self.scope.ranges += word.text == "range"
        body, end = self.nodes()
        self.scope.ranges -= word.text == "range"
        otherwise: tuple[Node, ...] = ()
        if end.text == "else":
            otherwise = self.otherwise(word)
        del self.scope.variables[known:]
        return Branch(pipeline.start, word.text, pipeline, body, otherwise)

    def otherwise(self, word: Token) -> tuple[Node, ...]:
        if word.text in ("if", "with") and self.peek().is_keyword(word.text):
            self.deeper()
            node = self.branch(self.next())
            self.depth -= 1
            return (node,)
        nodes, end = self.nodes()
        if end.text != "end":
            raise self.failed(f"expected end; found {{{{{end.text}}}}}")
        return nodes

    def call(self, word: Token) -> Call:
        where = f"{word.text} clause"
        token = self.next_word()
        if token.kind is not Kind.STRING:
            raise self.unexpected(token, where)
        name = self.unquoted(token)
        if word.text == "template" and self.peek_word().kind is Kind.RIGHT:
            self.next()
            return Call(token.start, name, None)
        pipeline = self.pipeline(where)
        if word.text == "block":
            self.add(name, self.own_body(where))
        return Call(token.start, name, pipeline)

    def unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self.failed(str(error)) from None

    def pipeline(self, where: str, end: Kind = Kind.RIGHT) -> Pipeline:
        self.deeper()
        start = self.peek_word().start
        variables, assigns = self.declared(where)
        commands: list[Command] = []
        while (token := self.next_word()).kind is not end:
            if token.kind not in _OPERANDS and token.kind is not Kind.OPEN and not token.is_keyword(".", "nil"):
                raise self.unexpected(token, where)
            self.place -= 1
            commands.append(self.command())
        if not commands:
            raise self.failed(f"missing value for {where}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.operands[0], Constant | Dot | Nil):
                raise self.failed(f"non executable command in pipeline stage {stage}")
        self.depth -= 1
        return Pipeline(start, variables, assigns, tuple(commands))

    def declared(self, where: str) -> tuple[tuple[Variable, ...], bool]:
        """``$x :=``, ``$x =``, and in a range ``$i, $x :=``; what else begins with a variable is left alone."""
        variables: list[Variable] = []
        while (token := self.peek_word()).kind is Kind.VARIABLE:
            here = self.place
            self.next()
            after = self.peek_word()
            if after.kind in (Kind.ASSIGN, Kind.DECLARE):
                self.next()
                variables.append(self.declare(token))
                return tuple(variables), after.kind is Kind.ASSIGN
            if after.kind is not Kind.CHAR or after.text != ",":
                self.place = here
                break
            self.next()
            variables.append(self.declare(token))
            if where != "range" or len(variables) > 1:
                raise self.failed(f"too many declarations in {where}")
            if self.peek_word().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.CLOSE):
                raise self.failed("range can only initialize variables")
        return tuple(variables), False

    def declare(self, token: Token) -> Variable:
        self.scope.variables.append(token.text)
        return Variable(token.start, (token.text,))

    def command(self) -> Command:
        start = self.peek_word().start
        operands: list[Operand] = []
        while True:
            self.peek_word()
            operand = self.operand()
            if operand is not None:
                operands.append(operand)
            token = self.next()
            if token.kind in (Kind.RIGHT, Kind.CLOSE):
                self.place -= 1
            elif token.kind is Kind.SPACE:
                continue
            elif token.kind is not Kind.PIPE:
                raise self.unexpected(token, "operand")
            break
        if not operands:
            raise self.failed("empty command")
        return Command(start, tuple(operands))

    def operand(self) -> Operand | None:
        operand = self.term()
        if operand is None or self.peek().kind is not Kind.FIELD:
            return operand
        start = self.peek().start
        names: list[str] = []
        while self.peek().kind is Kind.FIELD:
            names.append(self.next().text[1:])
        if isinstance(operand, _WITHOUT_FIELDS):
            raise self.failed(f"unexpected . after term {quote(str(operand))}")
        if isinstance(operand, Field):
            return Field(start, (*operand.names, *names))
        if isinstance(operand, Variable):
            return Variable(start, (*operand.names, *names))
        return Chain(start, operand, tuple(names))

    def term(self) -> Operand | None:
        token = self.next_word()
        start, text = token.start, token.text
        if token.kind is Kind.IDENTIFIER:
            if text not in self.functions:
                raise self.failed(f"function {quote(text)} not defined")
            return Identifier(start, text)
        if token.kind is Kind.VARIABLE:
            if text not in self.scope.variables:
                raise self.failed(f"undefined variable {quote(text)}")
            return Variable(start, (text,))
        if token.kind is Kind.FIELD:
            return Field(start, (text[1:],))
        if token.is_keyword("."):
            return Dot(start)
        if token.is_keyword("nil"):
            return Nil(start)
        if token.kind is Kind.OPEN:
            return self.pipeline("parenthesized pipeline", Kind.CLOSE)
        literal = self.literal(token)
        if literal is None:
            self.place -= 1
        return literal

    def literal(self, token: Token) -> Constant | None:
        if token.kind is Kind.BOOL:
            return Constant(token.start, token.text, token.text == "true")
        if token.kind is Kind.STRING:
            return Constant(token.start, token.text, self.unquoted(token))
        if token.kind in (Kind.NUMBER, Kind.CHAR_CONSTANT):
            try:
                return Constant(token.start, token.text, constant(token.text))
            except ValueError as error:
                raise self.failed(str(error)) from None
        return None


def _is_empty(nodes: tuple[Node, ...]) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
