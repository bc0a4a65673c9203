r"""Variables of psql for names and texts of any kind: ``:"name"`` and ``:'name'`` then quote them (psql(1), \set)."""

from __future__ import annotations


def variable(name: str, value: str) -> str:
    r"""The line that sets ``name`` to ``value``. Within single quotes psql knows ``''``, ``\n`` and ``\\`` alone of
    what may be in it, and expands nothing. Raises ValueError for a NUL byte."""
    if "\0" in value:
        raise ValueError("a variable cannot hold a NUL byte")
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"\\set {name} '{escaped}'"
