"""What the words of ``lilfox backup`` and ``lilfox restore`` do, print, and end with."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.services.backup_lab import BackupLab, files, server
from tests.services.lilfox_command import LILFOX
from tests.services.postgres import Postgres
from tests.services.postgres_backups import holding
from tests.unit.jobs.running import jobs

__all__ = ["files", "jobs", "server"]
pytestmark = pytest.mark.usefixtures("jobs")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("backup", "run"), "backup-run"),
        (("backup", "list"), "backup-list"),
        (("backup", "verify"), "backup-proof"),
        (("backup", "drill"), "backup-proof"),
        (("restore",), "restore"),
    ],
)
def test_each_document_has_a_schema(files: BackupLab, words: tuple[str, ...], name: str) -> None:
    done = files.lilfox(*words, "--json-schema")
    assert done.returncode == 0
    assert json.loads(done.stdout) == schema(name)
    jsonschema.Draft202012Validator.check_schema(json.loads(done.stdout))


def test_documents_are_as_their_schemas_say(files: BackupLab) -> None:
    made = json.loads(files.run(*files.words, *files.where, "--json").stdout)
    jsonschema.validate(made, schema("backup-run"))
    assert (made[0]["plan"], made[0]["exit_code"], made[0]["status"]) == ("lilfox", 0, "intact")
    failed = json.loads(files.run("--files", "/nothere", *files.where, "--json", code=1).stdout)
    jsonschema.validate(failed, schema("backup-run"))
    assert failed == [{"plan": "lilfox", "exit_code": 1}]
    for action in ("verify", "drill"):
        told = json.loads(files.lilfox("backup", action, *files.where, *extra(action, files), "--json").stdout)
        jsonschema.validate(told, schema("backup-proof"))
        assert told["set"] == made[0]["set"]
    restored = files.lilfox("restore", "latest", *files.where, *files.words, "--yes", "--json")
    document = json.loads(restored.stdout[restored.stdout.index("{") :])
    jsonschema.validate(document, schema("restore"))
    assert document["set"] == made[0]["set"]
    assert len(document["kept"]) == 1


def extra(action: str, lab: BackupLab) -> tuple[str, ...]:
    return lab.words if action == "drill" else ()


def test_list_json_is_what_was_agreed(files: BackupLab) -> None:
    files.run()
    (found,) = files.sets(code=0)
    assert list(found) == ["id", "created", "status", "reason", "parts"]
    assert list(found["parts"][0]) == ["name", "kind", "size_bytes", "sha256"]
    created = datetime.fromisoformat(found["created"])
    assert created.utcoffset() is not None
    assert abs((datetime.now(created.tzinfo) - created).total_seconds()) < 60


def test_the_list_for_people_shows_how_far_each_set_is_proven(files: BackupLab) -> None:
    files.run()
    done = files.lilfox("backup", "list", *files.where)
    assert done.stdout.startswith("◐")
    assert "uploads" in done.stdout
    assert files.lilfox("backup", "drill", *files.where, *files.words).returncode == 0
    assert files.lilfox("backup", "list", *files.where).stdout.startswith("●")


def test_a_tag_names_its_set_wherever_one_is_named(files: BackupLab) -> None:
    tagged = files.run(*files.words, *files.where, "--tag", "1.4.0").stdout.strip()
    (files.folder / "uploads/later.txt").write_text("later")
    files.run()
    told = json.loads(files.lilfox("backup", "list", *files.where, "--json").stdout)
    jsonschema.validate(told, schema("backup-list"))
    assert [(each["id"] == tagged, each.get("tag")) for each in told] == [(False, None), (True, "1.4.0")]
    assert "  1.4.0  " in files.lilfox("backup", "list", *files.where).stdout
    for words in (("backup", "verify", "tag:1.4.0"), ("restore", "tag:1.4.0", "--yes", *files.words)):
        done = files.lilfox(*words, *files.where)
        assert (done.returncode, tagged in done.stdout + done.stderr) == (0, True), done.stderr
    assert not (files.folder / "uploads/later.txt").exists()
    done = files.lilfox("restore", "tag:1.5", *files.where, *files.words, "--dry-run")
    assert (done.returncode, "existing tags: 1.4.0" in done.stderr) == (2, True), done.stderr
    for wrong in ("", "-x", "a b", "a/b", "x" * 101):
        done = files.lilfox("backup", "run", *files.words, *files.where, f"--tag={wrong}")
        assert done.returncode == 2, wrong
    assert len(files.sets(code=0)) == 2


def test_a_dry_run_looks_and_writes_nothing(files: BackupLab) -> None:
    done = files.lilfox("backup", "run", *files.words, *files.where, "--dry-run")
    assert done.returncode == 0
    assert "writable" in done.stdout
    gone = ("--files", "/nothere")
    assert files.lilfox("backup", "run", *files.words, *gone, *files.where, "--dry-run").returncode == 3
    done = files.lilfox("backup", "run", *gone, *files.where, "--dry-run")
    assert done.returncode == 1
    assert "→ correct the path" in done.stdout
    assert list(files.folder.rglob("*_20*")) == []


def test_quiet_says_nothing_while_all_is_well(files: BackupLab) -> None:
    done = files.run(*files.words, *files.where, "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
    assert files.run(*files.words, *files.where, "--quiet", "--json").stdout
    done = files.run(*files.words, "--files", "/nothere", *files.where, "--quiet", code=3)
    assert "/nothere" in done.stderr
    assert "writable" not in done.stderr


@pytest.mark.fault("2.11")
def test_a_store_may_be_named_from_where_one_is(files: BackupLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job runs in ``/``."""
    monkeypatch.chdir(files.folder)
    files.run("--files", "uploads", "--store", "store")
    assert len(files.manifests()) == 1
    assert files.lilfox("backup", "verify", "--store", "store").returncode == 0


@pytest.mark.fault("1.23", "2.14")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("run",), "no backup plan"),
        (("run", "--files", "/etc"), "no store given"),
        (("run", "--store", "STORE"), "no source to back up is given"),
        (("run", "nightly"), "no backup plan nightly"),
        (("run", "--files", "/etc", "--store", "STORE", "--keep-last", "0"), "at least 1"),
        (("run", "--database", "mysql://x@y/z", "--store", "STORE"), "postgresql"),
        (("run", "--database", "postgresql://x:secret-word@y/z", "--store", "STORE"), "password"),
        (("verify",), "no store given"),
        (("verify", "--store", "STORE", "--identity", "AGE-SECRET-KEY-1XYZ"), "never the key itself"),
        (("verify", "--store", "nas:/x"), "nas"),
        (("prune", "nightly"), "no backup plan nightly"),
    ],
)
def test_what_makes_no_sense_ends_with_2_and_says_what_does(files: BackupLab, words: tuple[str, ...], why: str) -> None:
    done = files.lilfox("backup", *(str(files.store) if word == "STORE" else word for word in words))
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert "hint: " in done.stderr
    assert "secret-word" not in done.stderr
    assert "XYZ" not in done.stderr
    assert not files.store.exists()
    kept = [path for path in files.folder.rglob("*") if path.is_file() and b"secret-word" in path.read_bytes()]
    assert kept == [], "no job keeps it"


def test_an_empty_env_is_a_file_and_no_failure(files: BackupLab) -> None:
    """Of the manual's scripts it is the trace of a failed night; a manifest tells that it was so."""
    app = files.folder / "app"
    (app / "config").mkdir(parents=True)
    (app / ".env").touch()
    files.run("--app", app, *files.where)
    (app / ".env").write_text("K=1")
    done = files.lilfox("restore", "latest", "--app", app, *files.where, "--yes")
    assert done.returncode == 0, done.stderr
    assert (app / ".env").read_bytes() == b""


def test_all_that_a_restore_keeps_is_named(files: BackupLab) -> None:
    """``config`` goes with ``.env``, and was not told of."""
    app = files.folder / "app"
    (app / "config").mkdir(parents=True)
    (app / "config" / "app.yaml").write_text("k: 1\n")
    (app / ".env").write_text("K=1\n")
    files.run("--app", app, *files.where)
    done = files.lilfox("restore", "latest", "--app", app, *files.where, "--yes", "--json")
    kept = json.loads(done.stdout[done.stdout.index("{") :])["kept"]
    assert sorted(kept) == sorted(str(path) for path in app.iterdir() if "_before_" in path.name)
    assert len(kept) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("restore", "latest", "--only", ""),
        ("restore", "latest", "--only", "/"),
        ("restore", "latest", "--source", ""),
        ("restore", "latest", "--files", ""),
        ("restore", "", "--undo"),
        ("restore", "", "--forget"),
        ("backup", "verify", ""),
        ("backup", "drill", "", "--host", ""),
        ("backup", "run", ""),
        ("backup", "run", "--files", ""),
        ("backup", "run", "--files", " "),
        ("backup", "run", "--identity", ""),
        ("backup", "run", "--database", ""),
        ("backup", "run", "--store", ""),
    ],
)
def test_a_variable_of_a_shell_that_is_empty_is_not_taken_for_all(files: BackupLab, words: tuple[str, ...]) -> None:
    files.run()
    was = sorted(path for path in files.folder.rglob("*"))
    done = files.lilfox(*words, "--store", str(files.store), *(("--yes",) if words[0] == "restore" else ()))
    assert done.returncode == 2
    assert "the value is empty" in done.stderr or "selects everything" in done.stderr
    assert sorted(path for path in files.folder.rglob("*")) == was


def test_a_plan_is_not_mixed_with_words(files: BackupLab) -> None:
    files.planned({"nightly": files.plan()})
    assert files.lilfox("backup", "run", "nightly", *files.where).returncode == 2
    assert files.manifests() == []


@pytest.mark.fault("4.101")
@pytest.mark.parametrize("named", [(), ("--plan", "nightly"), ("--plan", "nightly", "--store", "here")])
def test_a_plan_s_set_goes_to_the_folder_that_is_named(files: BackupLab, named: tuple[str, ...]) -> None:
    files.planned({"nightly": files.plan()})
    files.run("nightly")
    (files.uploads / "a.txt").write_text("of today\n")
    other = files.folder / "other"
    done = files.lilfox("restore", "latest", *named, "--files", other, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (other / "a.txt").read_text() == "fox\n"
    assert (files.uploads / "a.txt").read_text() == "of today\n"


@pytest.mark.fault("4.101")
def test_it_is_asked_which_source_of_a_plan_a_folder_is_for(files: BackupLab) -> None:
    second = files.folder / "second"
    second.mkdir()
    (second / "b.txt").write_text("two\n")
    plan = files.plan()
    plan["sources"]["more"] = {"kind": "files", "path": str(second)}
    files.planned({"nightly": plan})
    files.run("nightly")
    other = files.folder / "other"
    for words, why in (
        ((), "requires exactly one source of kind files to restore"),
        (("--source", "more", "--app", files.folder), "requires exactly one source of kind config to restore"),
        (("--source", "more", "--files", files.folder), "--files is given 2 times"),
        (("--source", "more", "--host", "nas"), "--host cannot be combined with the plan nightly"),
    ):
        done = files.lilfox("restore", "latest", "--files", other, *words, "--yes")
        assert (done.returncode, why in done.stderr) == (2, True), (words, done.stderr)
    assert not other.exists()
    done = files.lilfox("restore", "latest", "--files", other, "--source", "more", "--yes")
    assert (done.returncode, (other / "b.txt").read_text()) == (0, "two\n"), done.stderr
    assert sorted(path.name for path in files.uploads.iterdir()) == ["a.txt", "sub"]


@pytest.mark.fault("4.101")
def test_what_a_plan_has_besides_the_named_target_is_not_restored_unasked(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    lab.planned({"nightly": lab.plan()})
    lab.run("nightly")
    other = tmp_path / "other"
    done = lab.lilfox("restore", "latest", "--files", other, "--yes")
    assert (done.returncode, "whether to restore database too" in done.stderr) == (2, True), done.stderr
    assert not other.exists()


@pytest.mark.fault("4.101")
def test_a_plan_is_not_drilled_or_verified_with_other_words(files: BackupLab) -> None:
    files.planned({"nightly": files.plan()})
    files.run("nightly")
    done = files.lilfox("backup", "drill", "latest", "--files", files.uploads)
    assert (done.returncode, "--files cannot be combined with the plan nightly" in done.stderr) == (2, True)


def test_read_only_changes_nothing(files: BackupLab) -> None:
    files.run()
    files.planned({"nightly": files.plan()}, read_only=True)
    for words in (("backup", "run"), ("backup", "verify"), ("backup", "drill"), ("restore", "latest", "--yes")):
        done = files.lilfox(*words)
        assert done.returncode != 0
        assert "in read_only mode" in done.stderr
    assert len(files.sets()) == 1


@pytest.mark.parametrize("action", ["list", "verify"])
def test_a_store_that_is_not_there_is_named(files: BackupLab, action: str) -> None:
    done = files.lilfox("backup", action, "--store", files.folder / "nothere")
    assert done.returncode == 1
    assert f"{files.folder}/nothere" in done.stderr
    assert "does not exist" in done.stderr
    assert not (files.folder / "nothere").exists()


def test_sets_are_found_by_any_words_for_them_and_else_the_nearest_are_offered(files: BackupLab) -> None:
    name = files.run().stdout.strip()
    verify = ("backup", "verify", *files.where)
    for words in (name, name.upper(), name[-15:], "latest", "today"):
        done = files.lilfox(*verify, words)
        assert done.stdout.strip() == f"{name}: intact", done.stderr
    for words in ("lilfox_20010101_000000", "20010101_000000", "yesterday 02:00", "2001-01-01"):
        done = files.lilfox(*verify, words)
        assert done.returncode == 2
        assert name in done.stderr, "the nearest"
    assert files.lilfox("restore", "20010101_000000", *files.where, *files.words, "--yes").returncode == 2


@pytest.mark.fault("2.4")
def test_prune_shows_first_and_removes_with_yes(files: BackupLab) -> None:
    files.planned({"nightly": files.plan()})
    for _night in range(3):
        files.run("nightly")
    files.planned({"nightly": files.plan(keep={"last": 1})})
    done = files.lilfox("backup", "prune", "nightly")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "sets to remove: 2 of 3")
    assert len(files.sets()) == 3
    assert files.lilfox("backup", "prune", "nightly", "--yes").returncode == 0
    assert len(files.sets()) == 1
    assert files.left() == []


def test_a_server_that_does_not_answer_has_no_leftovers(tmp_path: Path, files: BackupLab) -> None:
    done = files.lilfox("backup", "run", "--database", "postgresql://127.0.0.1:1/shop", "--store", tmp_path / "store")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "leftovers" not in done.stderr


def test_a_restore_asks_first(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    name = lab.run().stdout.strip()
    lab.sql("DELETE FROM users WHERE id > 10")
    (lab.uploads / "a.txt").write_text("changed since\n")
    restore = ("restore", name, *lab.where, *lab.words)
    done = lab.lilfox(*restore, "--dry-run")
    assert done.returncode == 0
    assert "public.users" in done.stdout
    assert "a.txt" in done.stdout
    with holding(server, "SET LOCAL work_mem = '1MB'", lab.database) as pid:
        done = lab.lilfox(*restore, "--dry-run")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert f"pid {pid}" in said
    assert "To allow it anyway, use --end-sessions." in said
    assert "public.users" in said.partition("--end-sessions")[2], "the changes are shown too"
    done = lab.lilfox(*restore)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert typed("no", restore) != 0
    assert lab.rows() == 10
    assert typed(f"database {lab.database}", restore) in (0, 2)


def typed(answer: str, words: tuple[str, ...], said: list[str] | None = None) -> int:
    """Runs it on a terminal and types ``answer`` to what it asks for last; its exit code. ``said`` gets the lines of
    its stderr."""
    said = [] if said is None else said
    ours, its = pty.openpty()
    program = subprocess.Popen(
        [*LILFOX, *words], stdin=its, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    os.close(its)
    try:
        assert program.stderr is not None
        for line in program.stderr:
            said.append(line)
            if "type" in line:
                os.write(ours, f"{answer}\n".encode())
        return program.wait(60)
    finally:
        os.close(ours)
        program.kill()
        program.communicate()


@pytest.mark.fault("1.43", "2.8")
def test_a_restore_comes_back_and_can_be_undone(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    before = lab.rows()
    name = lab.run().stdout.strip()
    lab.sql("DELETE FROM users WHERE id > 10")
    (lab.uploads / "a.txt").write_text("changed since\n")
    restore = ("restore", name, *lab.where, *lab.words, "--yes")
    done = lab.lilfox(*restore)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.rows() == before
    assert (lab.uploads / "a.txt").read_text() == "fox\n"
    assert f"lilfox restore --undo {name}" in done.stderr
    done = lab.lilfox("restore", "--undo", name)
    assert done.returncode == 0, done.stderr
    assert lab.rows() == 10
    assert (lab.uploads / "a.txt").read_text() == "changed since\n"
    done = lab.lilfox("restore", "--undo", name)
    assert done.returncode == 1
    assert "no restore of" in done.stderr


def test_one_part_comes_back_alone(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    name = lab.run().stdout.strip()
    lab.sql("DELETE FROM users WHERE id > 10")
    (lab.uploads / "a.txt").write_text("changed since\n")
    (lab.uploads / "new.txt").write_text("new\n")
    words = (*lab.where, *lab.words, "--yes")
    done = lab.lilfox("restore", name, *words, "--source", "uploads", "--only", "a.txt")
    assert done.returncode == 0, done.stderr
    assert (lab.uploads / "a.txt").read_text() == "fox\n"
    assert (lab.uploads / "new.txt").exists()
    assert lab.rows() == 10
    done = lab.lilfox("restore", name, *words, "--source", "database", "--only", "public.users")
    assert done.returncode == 0, done.stderr
    assert lab.rows() == 500


def test_a_drill_needs_no_place_for_folders_but_a_server_for_databases(tmp_path: Path, server: Postgres) -> None:
    lab = BackupLab(tmp_path, server)
    (lab.folder / "app" / "config").mkdir(parents=True)
    (lab.folder / "app" / ".env").write_text("KEY=1\n")
    name = lab.run(*lab.words, "--app", str(lab.folder / "app"), *lab.where).stdout.strip()
    done = lab.lilfox("backup", "drill", *lab.where)
    assert done.returncode == 1
    assert "--database postgresql://" in done.stderr
    done = lab.lilfox("backup", "drill", *lab.where, "--database", lab.url)
    assert (done.returncode, done.stdout.strip()) == (0, f"{name}: restored"), done.stderr
    assert list(Path("/var/tmp").glob("lilfox-drill-*")) == []
    assert [each for [each] in lab.sql("SELECT datname FROM pg_database WHERE datname LIKE '%lilfox%'")] == ["lilfox"]
