"""JSON of an answer, decoded so that it does not stop everybody else.

A decoder holds the interpreter for as long as it runs, in a thread too: a document is taken apart into pieces first.
How many values there may be, :meth:`Answer.body` has judged: a few bytes become many times as much in memory.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T")

VALUES_AT_MOST = 2_000_000
"""Of a document, as :meth:`Answer.body` counts them."""
_PIECE = 32 * 1024
_DEPTH = 8
"""Of arrays and objects that are taken apart: each level reads what is below it once more."""


def decoded(raw: bytes | msgspec.Raw, kind: Any = Any, depth: int = _DEPTH) -> Any:
    """The document as ``kind``; call it in a thread. Raises msgspec.DecodeError, RecursionError, UnicodeDecodeError."""
    text = memoryview(raw)
    if depth and len(text) > _PIECE:
        kind = _of_a_union(kind)
        first = bytes(text[:64]).lstrip()[:1]
        if first == b"[" and (of := _in_array(kind)) is not None:
            pieces = msgspec.json.decode(raw, type=list[msgspec.Raw])
            made = [one for batch in _batches(pieces) for one in _of_batch(batch, of, depth - 1)]
            return tuple(made) if get_origin(kind) is tuple else made
        if first == b"{" and kind is Any:
            parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            return {name: decoded(part, Any, depth - 1) for name, part in parts.items()}
        if first == b"{" and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return _struct(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), kind, depth - 1)
    return msgspec.json.decode(raw, type=kind)


def _struct(parts: dict[str, msgspec.Raw], kind: type[msgspec.Struct], depth: int) -> msgspec.Struct:
    fields = {
        field.name: decoded(parts[field.encode_name], field.type, depth)
        for field in msgspec.structs.fields(kind)
        if field.encode_name in parts
    }
    try:
        return kind(**fields)
    except TypeError as error:  # a field that is needed is missing
        raise msgspec.ValidationError(str(error)) from None


def _of_a_union(kind: Any) -> Any:
    """The kind that ``kind`` is where it is not None."""
    if get_origin(kind) in (Union, types.UnionType):
        others = [one for one in get_args(kind) if one is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind


def _in_array(kind: Any) -> Any:
    """The kind of each item; None where ``kind`` is no array of one kind."""
    if kind is Any:
        return Any
    arguments = get_args(kind)
    if get_origin(kind) is list or (get_origin(kind) is tuple and arguments[1:] == (...,)):
        return arguments[0]
    return None


def _batches(pieces: Iterable[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    """``pieces`` in turn, as many as are decoded at one go; a large one alone."""
    batch: list[msgspec.Raw] = []
    size = 0
    for piece in pieces:
        length = len(memoryview(piece))
        if batch and size + length > _PIECE:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += length
    if batch:
        yield batch


def _of_batch(batch: list[msgspec.Raw], of: Any, depth: int) -> list[Any]:
    if len(batch) == 1:
        return [decoded(batch[0], of, depth)]
    made: list[Any] = msgspec.json.decode(b"[" + b",".join(batch) + b"]", type=list[of])
    return made
