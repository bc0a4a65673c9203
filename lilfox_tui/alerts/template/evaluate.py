"""Expands a template's tree (text/template/exec.go, Go 1.24, with ``missingkey=zero``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lilfox_tui.alerts.template.functions import TemplateFunction, Type, printed
from lilfox_tui.alerts.template.go_time import GoDuration, GoTime, methods_of
from lilfox_tui.alerts.template.parser import (
    ActionNode,
    Anything,
    BranchNode,
    ChainNode,
    CommandNode,
    ConstantNode,
    DotNode,
    FieldNode,
    IdentifierNode,
    LoopExitNode,
    NilNode,
    Node,
    Operand,
    PipelineNode,
    TemplateNode,
    TextNode,
    Trees,
    VariableNode,
)
from lilfox_tui.alerts.template.values import (
    NOTHING,
    QUERY_STEPS,
    Arguments,
    Budget,
    ExpansionFailed,
    GoList,
    GoRecord,
    Growing,
    QuerySample,
    QuerySamples,
    SafeHtml,
    Top,
    fields,
    is_true,
    quote,
    to_bytes,
    type_name,
)


class _Absent:
    """Marker: the pipeline passes no value."""


_ABSENT = _Absent()
_GO_TYPES: Mapping[type, str] = {str: "string", int: "int", GoTime: "time.Time", GoDuration: "time.Duration"}
_SLICE = "[]string"
_LARGEST_INT = 2**63 - 1


class CallArguments(NamedTuple):
    """The operands after the last name of a chain, and the value that the pipeline passes."""

    operands: tuple[Operand, ...] = ()
    piped: object = _ABSENT

    def __bool__(self) -> bool:
        return bool(self.operands) or self.piped is not _ABSENT


class _LoopExit(Exception):
    """Raised by ``break`` and ``continue``."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def expand(name: str, text: str, trees: Trees, functions: Mapping[str, TemplateFunction], top: Top | GoRecord) -> str:
    """Expand the template ``name`` of ``trees`` for ``top``. ``text`` is its source. Raises ExpansionFailed with Go's
    message."""
    return _Expansion(name, text, trees, functions).run(top)


class _Expansion:
    def __init__(self, name: str, text: str, trees: Trees, functions: Mapping[str, TemplateFunction]) -> None:
        self.name = name
        self.text = text
        self.trees = trees
        self.functions = functions
        self.budget = Budget()
        self.out = Growing()
        self.variables: list[tuple[str, object]] = []
        self.template = name
        self.node: Anything | None = None

    def run(self, top: Top | GoRecord) -> str:
        self.variables = [("$", top)]
        self.walk(top, self.trees[self.name])
        return str(self.out)

    def failed(self, what: str) -> ExpansionFailed:
        if self.node is None:
            return ExpansionFailed(f"template: {self.template}: {what}")
        before = self.text[: self.node.start]
        line, column = 1 + before.count("\n"), len(to_bytes(before[before.rfind("\n") + 1 :]))
        where = f"{self.name}:{line}:{column}: executing {quote(self.template)} at <{self.node}>"
        return ExpansionFailed(f"template: {where}: {what}")

    def at(self, node: Anything) -> None:
        self.node = node
        self.budget.spend()

    def walk(self, dot: object, nodes: Iterable[Node]) -> None:
        self.budget.deeper()
        for node in nodes:
            self.at(node)
            if isinstance(node, TextNode):
                self.out.add(node.text)
            elif isinstance(node, ActionNode):
                value = self.pipeline(dot, node.pipeline)
                if not node.pipeline.variables:
                    self.out.add(printed(value))
            elif isinstance(node, TemplateNode):
                self.call_template(dot, node)
            elif isinstance(node, LoopExitNode):
                raise _LoopExit(node.word)
            elif node.word == "range":
                self.range(dot, node)
            else:
                self.branch(dot, node)
        self.budget.depth -= 1

    def branch(self, dot: object, node: BranchNode) -> None:
        mark = len(self.variables)
        value = self.pipeline(dot, node.pipeline)
        if is_true(value):
            self.walk(value if node.word == "with" else dot, node.body)
        else:
            self.walk(dot, node.otherwise)
        del self.variables[mark:]

    def range(self, dot: object, node: BranchNode) -> None:
        outer = len(self.variables)
        value = self.pipeline(dot, node.pipeline)
        mark, depth, ran = len(self.variables), self.budget.depth, False
        for key, element in self.elements(value, node.pipeline):
            ran = True
            self.set_range_variables(node.pipeline, key, element)
            try:
                self.walk(element, node.body)
            except _LoopExit as left:
                self.budget.depth = depth
                if left.word == "break":
                    break
            finally:
                del self.variables[mark:]
        if not ran:
            self.walk(dot, node.otherwise)
        del self.variables[outer:]

    def elements(self, value: object, pipeline: PipelineNode) -> Iterable[tuple[object, object]]:
        if isinstance(value, QuerySamples | GoList):
            return list(enumerate(value))
        if isinstance(value, Mapping):
            return [(key, value[key]) for key in sorted(value, key=to_bytes)]
        if isinstance(value, int) and not isinstance(value, bool):
            if len(pipeline.variables) > 1:
                raise self.failed(f"can't use {value} to iterate over more than one variable")
            return ((number, number) for number in range(value))
        if value is NOTHING:
            return ()
        raise self.failed(f"range can't iterate over {printed(value)}")

    def set_range_variables(self, pipeline: PipelineNode, key: object, element: object) -> None:
        names = [variable.names[0] for variable in pipeline.variables]
        values = (element,) if len(names) == 1 else (key, element)
        for place, (name, value) in enumerate(zip(names, values, strict=False)):
            if pipeline.assigns:
                self.set_variable(name, value)
            else:
                self.variables[len(self.variables) - len(names) + place] = (name, value)

    def set_variable(self, name: str, value: object) -> None:
        for place in range(len(self.variables) - 1, -1, -1):
            if self.variables[place][0] == name:
                self.variables[place] = (name, value)
                return
        raise self.failed(f"undefined variable: {name}")

    def variable(self, name: str) -> object:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise self.failed(f"undefined variable: {name}")

    def call_template(self, dot: object, node: TemplateNode) -> None:
        nodes = self.trees.get(node.name)
        if nodes is None:
            raise self.failed(f"template {quote(node.name)} not defined")
        value = NOTHING if node.pipeline is None else self.pipeline(dot, node.pipeline)
        outer = self.variables, self.template
        self.variables, self.template = [("$", value)], node.name
        self.walk(value, nodes)
        self.variables, self.template = outer

    def pipeline(self, dot: object, pipeline: PipelineNode) -> object:
        self.at(pipeline)
        self.budget.deeper()
        value: object = _ABSENT
        for command in pipeline.commands:
            value = self.command(dot, command, value)
        for variable in pipeline.variables:
            if pipeline.assigns:
                self.set_variable(variable.names[0], value)
            else:
                self.variables.append((variable.names[0], value))
        self.budget.depth -= 1
        return value

    def command(self, dot: object, command: CommandNode, piped: object) -> object:
        first, arguments = command.operands[0], command.operands[1:]
        if isinstance(first, IdentifierNode):
            return self.function(dot, first, command, arguments, piped)
        if not isinstance(first, FieldNode | ChainNode | VariableNode | PipelineNode):
            self.at(first)
        has_arguments = bool(arguments) or piped is not _ABSENT
        if isinstance(first, FieldNode | ChainNode) or (isinstance(first, VariableNode) and len(first.names) > 1):
            return self.chain(dot, first, CallArguments(arguments, piped))
        if isinstance(first, VariableNode):
            self.at(first)
        if has_arguments:
            raise self.failed(f"can't give argument to non-function {first}")
        if isinstance(first, NilNode):
            raise self.failed("nil is not a command")
        return self.operand(dot, first)

    def operand(self, dot: object, operand: Operand) -> object:
        """Return the value of an operand for which no type is required."""
        if isinstance(operand, DotNode):
            return dot
        if isinstance(operand, ConstantNode):
            if isinstance(operand.value, int) and operand.value > _LARGEST_INT:
                raise self.failed(f"{operand.text} overflows int")
            return operand.value
        if isinstance(operand, PipelineNode):
            return self.pipeline(dot, operand)
        if isinstance(operand, IdentifierNode):
            return self.function(dot, operand, operand, (), _ABSENT)
        if isinstance(operand, VariableNode) and len(operand.names) == 1:
            self.at(operand)
            return self.variable(operand.names[0])
        return NOTHING if isinstance(operand, NilNode) else self.chain(dot, operand, CallArguments())

    def chain(self, dot: object, node: FieldNode | ChainNode | VariableNode, given: CallArguments) -> object:
        self.at(node)
        names = node.names
        if isinstance(node, FieldNode):
            value = dot
        elif isinstance(node, VariableNode):
            value, names = self.variable(names[0]), names[1:]
        elif isinstance(node.of, NilNode):
            raise self.failed(f"indirection through explicit nil in {node}")
        else:
            value = self.operand(dot, node.of)
        for place, name in enumerate(names):
            mine = given if place == len(names) - 1 else CallArguments()
            if name in methods_of(value):
                value = self.method(dot, node, value, name, mine)
            else:
                value = self.field(value, name, has_arguments=bool(mine))
        return value

    def method(self, dot: object, node: Anything, value: object, name: str, given: CallArguments) -> object:
        """Call a method of a time or a duration."""
        call, types = methods_of(value)[name]
        kinds = [*types, *(object,) * len(given.operands)]
        arguments = [self.of_method(dot, each, kind) for each, kind in zip(given.operands, kinds, strict=False)]
        if given.piped is not _ABSENT:
            arguments.append(given.piped)
        if len(arguments) != len(types):
            raise self.failed(f"wrong number of args for {name}: want {len(types)} got {len(arguments)}")
        for argument, wanted in zip(arguments, types, strict=True):
            if not isinstance(argument, wanted) or isinstance(argument, bool):
                found = type_name(argument)
                raise self.failed(f"wrong type for value; expected {_GO_TYPES.get(wanted, _SLICE)}; got {found}")
        try:
            result = call(value, *arguments)
        except ValueError as error:
            self.node = node
            raise self.failed(f"error calling {name}: {error}") from None
        self.budget.spend_on_texts(*arguments, result)
        return result

    def of_method(self, dot: object, operand: Operand, wanted: type) -> object:
        if isinstance(operand, ConstantNode) and wanted is GoDuration and isinstance(operand.value, int):
            return GoDuration(operand.value)
        return self.argument(dot, operand, "string") if wanted is str else self.operand(dot, operand)

    def field(self, value: object, name: str, *, has_arguments: bool) -> object:
        if value is NOTHING:
            return NOTHING
        if isinstance(value, Mapping):
            if has_arguments:
                raise self.failed(f"{name} is not a method but has arguments")
            return value.get(name, NOTHING if isinstance(value, Arguments) else "")
        if isinstance(value, QuerySample | Top | GoRecord):
            for known, content in fields(value):
                if known == name:
                    if has_arguments:
                        raise self.failed(f"{name} has arguments but cannot be invoked as function")
                    return content
        raise self.failed(f"can't evaluate field {name} in type {type_name(value)}")

    def function(
        self, dot: object, name: IdentifierNode, node: Anything, operands: tuple[Operand, ...], piped: object
    ) -> object:
        self.at(name)
        function = self.functions[name.name]
        given = len(operands) + (piped is not _ABSENT)
        if function.rest is not None and given < len(function.takes):
            raise self.failed(
                f"wrong number of args for {name}: want at least {len(function.takes)} got {len(operands)}"
            )
        if function.rest is None and given != len(function.takes):
            raise self.failed(f"wrong number of args for {name}: want {len(function.takes)} got {given}")
        types = [*function.takes, *([function.rest] if function.rest else []) * given][:given]
        arguments: list[object] = []
        for operand, wanted in zip(operands, types, strict=False):
            arguments.append(self.argument(dot, operand, wanted))
            if name.name in ("and", "or") and is_true(arguments[-1]) == (name.name == "or"):
                return arguments[-1]
        if piped is not _ABSENT:
            arguments.append(self.fitting(piped, types[-1]))
        return self.called(name.name, function, arguments, node)

    def called(self, name: str, function: TemplateFunction, arguments: list[object], node: Anything) -> object:
        if name == "query":
            self.budget.spend(QUERY_STEPS)
        try:
            value: object = function.call(*arguments)
        except ValueError as error:
            self.node = node
            raise self.failed(f"error calling {name}: {error}") from None
        self.budget.spend_on_texts(*arguments, value)
        return value

    def argument(self, dot: object, operand: Operand, wanted: Type) -> object:
        self.at(operand)
        if isinstance(operand, NilNode):
            if wanted == "string":
                raise self.failed(f"cannot assign nil to {wanted}")
            return self.empty(wanted)
        if not isinstance(operand, ConstantNode):
            return self.fitting(self.operand(dot, operand), wanted)
        if wanted == "string":
            if not isinstance(operand.value, str):
                raise self.failed(f"expected string; found {operand}")
        elif wanted not in ("interface {}", "reflect.Value"):
            raise self.failed(f"can't handle {operand} for arg of type {wanted}")
        return self.operand(dot, operand)

    def empty(self, wanted: Type) -> object:
        return QuerySamples() if wanted == "template.queryResult" else NOTHING

    def fitting(self, value: object, wanted: Type) -> object:
        """Return ``value`` as an argument of the required type."""
        if wanted in ("interface {}", "reflect.Value"):
            return value
        if value is NOTHING:
            if wanted == "string":
                raise self.failed(f"invalid value; expected {wanted}")
            return self.empty(wanted)
        if type_name(value) != wanted or (wanted == "string" and isinstance(value, SafeHtml)):
            raise self.failed(f"wrong type for value; expected {wanted}; got {type_name(value)}")
        return value
