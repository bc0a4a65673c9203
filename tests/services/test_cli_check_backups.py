"""``lilfox check`` over backup plans: a late one exits 1 and says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import lilfox
from tests.services.test_cli_check import LOOSE
from tests.unit.backup.made_sets import manifest_of, put_set


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def config(tmp_path: Path, store: Path) -> Path:
    file = tmp_path / "config.yaml"
    backup = f"""\
backup:
  stores: {{disk: {{path: {store}}}}}
  plans:
    lilfox:
      sources: {{uploads: {{kind: files, path: /srv/lilfox}}}}
      store: disk
      schedule: "0 2 * * *"
"""
    file.write_text("hosts: {here: {local: true}}\n" + LOOSE + backup)
    file.chmod(0o600)
    return file


def test_a_plan_in_time_is_good(config: Path, store: Path) -> None:
    made = manifest_of(datetime.now(UTC) - timedelta(minutes=3))
    put_set(store, made, proven=True)
    done = lilfox("--config", config, "check")
    assert done.returncode == 0, done.stdout
    assert made.id in done.stdout


def test_a_late_plan_exits_1_and_says_so(config: Path, store: Path) -> None:
    put_set(store, manifest_of(datetime.now(UTC) - timedelta(days=4)), proven=True)
    done = lilfox("--config", config, "check")
    assert done.returncode == 1
    assert "late: due" in done.stdout
    told = json.loads(lilfox("--config", config, "check", "--json").stdout)
    jsonschema.validate(told, schema("check"))
    assert told["level"] == "failing"
    assert [(each["plan"], each["late"], each["level"]) for each in told["backups"]] == [("lilfox", True, "failing")]


def test_a_plan_that_never_ran_is_no_failure(config: Path) -> None:
    done = lilfox("--config", config, "check")
    assert done.returncode == 0, done.stdout
    assert "there is no backup yet" in done.stdout


def test_a_store_that_is_not_there_is_one(config: Path, store: Path) -> None:
    store.rmdir()
    done = lilfox("--config", config, "check")
    assert done.returncode == 1
    assert str(store) in done.stdout
