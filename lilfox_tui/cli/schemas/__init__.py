"""JSON Schemas (draft 2020-12) of the ``--json`` output, one file per sub-command."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from lilfox_tui.cli.output import print_json


def schema(name: str) -> dict[str, Any]:
    """The schema of sub-command ``name``."""
    text = resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def print_schema(name: str) -> None:
    """Prints the schema, for ``--json-schema``."""
    print_json(schema(name))
