"""``lilfox restore --kept`` and ``--forget`` by the real program."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.backup.postgresql.swap import MARK
from lilfox_tui.cli.schemas import schema
from tests.services.backup_lab import BackupLab, server
from tests.services.postgres import Postgres
from tests.services.test_cli_backup import typed
from tests.unit.jobs.running import jobs

__all__ = ["jobs", "server"]
pytestmark = pytest.mark.usefixtures("jobs")


def restored(lab: BackupLab) -> str:
    """A set that was restored over something else."""
    name = lab.run().stdout.strip()
    (lab.uploads / "a.txt").write_text("changed since\n")
    done = lab.lilfox("restore", name, *lab.where, *lab.words, "--yes")
    assert done.returncode == 0, done.stderr
    return name


@pytest.mark.parametrize("words", [("--kept",), ("--forget",)])
def test_the_documents_have_schemas(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = BackupLab(tmp_path).lilfox("restore", *words, "--json-schema")
    assert json.loads(done.stdout) == schema(f"restore-{words[0].lstrip('-')}")
    jsonschema.Draft202012Validator.check_schema(json.loads(done.stdout))


def test_what_a_restore_keeps_is_shown_and_let_go_and_then_not_undone(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    name = restored(lab)
    done = lab.lilfox("restore", "--kept", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("restore-kept"))
    assert [(line["set"], line["stage"], line["there"], line["reason"]) for line in document] == [
        (name, "swapped", True, "")
    ] * 2
    assert all(line["size_bytes"] > 0 for line in document)
    kept = [line["name"] for line in document]
    table = lab.lilfox("restore", "--kept", name[-15:]).stdout
    assert all(line in table and "data from before the restore" in table for line in kept)

    done = lab.lilfox("restore", name, "--forget")
    assert done.returncode == 2
    assert all(line in done.stderr for line in kept)
    assert "there is no terminal to confirm it" in done.stderr
    done = lab.lilfox("restore", name, "--forget", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("restore-forget"))
    assert (document["exit_code"], document["set"], document["forgotten"]) == (0, name, kept)
    assert lab.rows() == 500
    assert sorted(os.listdir(lab.uploads.parent)) == ["store", "uploads"]

    assert lab.lilfox("restore", "--kept").stdout == "nothing is retained\n"
    done = lab.lilfox("restore", "--undo", name)
    assert done.returncode == 1
    assert f"the restore of {name} cannot be undone: the previous data was deleted" in done.stderr
    done = lab.lilfox("restore", name, "--forget", "--yes")
    assert done.returncode == 1
    assert f"no restore of {name} has retained data" in done.stderr


def test_letting_go_is_asked_first(tmp_path: Path) -> None:
    lab = BackupLab(tmp_path)
    name = restored(lab)
    (line,) = json.loads(lab.lilfox("restore", "--kept", "--json").stdout)
    forget = ("restore", name, "--forget")
    assert typed("no", forget) == 2
    assert (Path(line["name"]) / "a.txt").read_text() == "changed since\n"
    assert typed(line["name"], forget) == 0
    assert not Path(line["name"]).exists()


def test_words_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    lab = BackupLab(tmp_path)
    for words in (("--undo", "--forget", "x"), ("--kept", "--forget", "x"), ("--forget",)):
        done = lab.lilfox("restore", *words)
        assert done.returncode == 2
        assert "hint: " in done.stderr


def test_what_a_drill_of_a_plan_left_is_shown_and_let_go(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    lab.planned({"nightly": lab.plan()})
    name = f"lilfox_drill_{lab.database}_20231230_020000"
    lab.sql(f"CREATE DATABASE {name}", "postgres")
    lab.sql(f"COMMENT ON DATABASE {name} IS '{MARK}{lab.database}'", "postgres")
    document = json.loads(lab.lilfox("restore", "--kept", "--json").stdout)
    jsonschema.validate(document, schema("restore-kept"))
    assert [(line["set"], line["stage"], line["target"], line["name"]) for line in document] == [
        (None, "left", lab.database, name)
    ]
    assert "did not finish" in lab.lilfox("restore", "--kept").stdout
    assert lab.lilfox("restore", "--forget").returncode == 2
    asked: list[str] = []
    assert typed("no", ("restore", "--forget", "--json"), asked) == 2
    assert any(name in line and "did not finish" in line for line in asked), "what goes is shown before the question"
    assert any("drills and unfinished restores" in line for line in asked)
    assert "cannot be undone" not in "".join(asked)
    done = lab.lilfox("restore", "--forget", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"exit_code": 0, "set": "", "forgotten": [name]}
    assert lab.lilfox("restore", "--kept").stdout == "nothing is retained\n"
