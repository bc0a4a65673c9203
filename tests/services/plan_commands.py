"""The commands of a backup plan whose sets another program makes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import Done, lilfox


def write_config(config: dict[str, Any]) -> None:
    """Writes the configuration that every command of the test then reads."""
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox/config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)


def ends(*words: str | Path, code: int = 0) -> Done:
    """Runs ``lilfox``; it ends with ``code``."""
    done = lilfox(*words)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def sets() -> list[dict[str, Any]]:
    """``lilfox backup list --json``, held against its schema."""
    found: list[dict[str, Any]] = json.loads(lilfox("backup", "list", "--json").stdout)
    jsonschema.validate(found, schema("backup-list"))
    return found


def backed_up(plan: str, *words: str, code: int = 0) -> str:
    """The id of a new set of the plan; ``words`` are more of ``lilfox backup run``."""
    (made,) = json.loads(ends("backup", "run", plan, "--json", *words, code=code).stdout)
    jsonschema.validate([made], schema("backup-run"))
    return str(made["set"])
