"""Plans of ``kind: restic`` by the real program: backed up, read back, drilled, restored, pruned, and what goes wrong
on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.lifetime import ending_with_us
from tests.services import plan_commands
from tests.services.lilfox_command import running
from tests.services.sshd import sshd_lab
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = pytest.mark.usefixtures("jobs")
NAME = b"line\nbreak \xff"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository without snapshots, to be copied: to make one takes a second."""
    folder = tmp_path_factory.mktemp("restic")
    (folder / "password").write_text("of the test\n")
    (folder / "password").chmod(0o600)
    _restic(folder, "init")
    return folder


@pytest.fixture(scope="module")
def whole(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository that holds one set of the plan, its source, and restic's cache of it."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(empty, folder, dirs_exist_ok=True)
    plan = Plan(folder)
    _restic(folder, "--cache-dir", str(folder / "cache/restic"), "backup", "--tag", "lilfox:uploads", *plan.paths)
    return folder


@pytest.fixture
def plan(empty: Path) -> Iterator[Plan]:
    with _copied(empty) as folder:
        plan = Plan(folder)
        plan.write()
        yield plan
        assert list(plan.scratch.iterdir()) == []


@pytest.fixture
def held(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """A plan with one set, which nobody has verified."""
    with _copied(whole) as folder:
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        plan = Plan(folder, source=whole)
        plan.write()
        yield plan
        assert list(plan.scratch.iterdir()) == []


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lilfox-restic-"))
    try:
        shutil.copytree(folder, made, dirs_exist_ok=True, symlinks=True)
        made.chmod(0o755)  # another account has to look into it
        yield made
    finally:
        shutil.rmtree(made)


def _restic(folder: Path, *words: str) -> str:
    argv = ["restic", "-r", str(folder / "repository"), "--password-file", str(folder / "password"), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Plan:
    """The plan ``uploads`` of two paths, and LilFox on it."""

    def __init__(self, folder: Path, source: Path | None = None) -> None:
        self.folder, self.repository, self.scratch = folder, folder / "repository", folder / "scratch"
        self.source, self.file = (source or folder) / "source", (source or folder) / "settings.env"
        self.paths = str(self.source), str(self.file)
        self.scratch.mkdir(exist_ok=True)
        if source is None:
            self._fill()

    def _fill(self) -> None:
        (self.source / "deep").mkdir(parents=True)
        (self.source / "large").write_bytes(os.urandom(600_000))
        (self.source / "deep/small").write_text("small\n")
        (self.source / "link").symlink_to("deep/small")
        Path(os.fsdecode(os.fsencode(self.source) + b"/" + NAME)).write_text("odd\n")
        self.file.write_text("A=1\n")

    def write(self, *, hosts: dict[str, Any] | None = None, ssh: Any = None, **keys: Any) -> None:
        """Writes the configuration that every call below then reads."""
        plan = {
            "kind": "restic", "repository": str(self.repository), "password_file": str(self.folder / "password"),
            "paths": list(self.paths), "scratch": str(self.scratch), **keys,
        }  # fmt: skip
        plans = {"plans": {"uploads": plan}}
        plan_commands.write_config({"hosts": hosts or {}, "ssh": ssh or {}, "backup": plans})

    lilfox = staticmethod(plan_commands.ends)
    sets = staticmethod(plan_commands.sets)

    def backed_up(self, code: int = 0) -> str:
        """The id of a new set."""
        return plan_commands.backed_up("uploads", code=code)

    def packs(self, kind: str) -> list[Path]:
        """The files of the repository that hold file content (``data``) or folders (``tree``)."""
        found = (self.repository / "data").rglob("*")
        large = {path: path.stat().st_size > 100_000 for path in found if path.is_file()}
        return [path for path, is_large in large.items() if is_large == (kind == "data")]


def test_a_plan_is_run_listed_verified_drilled_restored_and_pruned(plan: Plan) -> None:
    plan.write(keep={"last": 2}, window=3600)
    dry = plan.lilfox("backup", "run", "--dry-run").stdout
    assert ("0 sets" in dry, "it can be read" in dry) == (True, True)
    first = plan.backed_up()
    (found,) = plan.sets()
    assert (found["id"], found["status"], found["snapshot"]["files"]) == (first, "intact", 4)
    assert sorted(found["snapshot"]["paths"]) == sorted([str(plan.source), str(plan.file)])
    drilled = json.loads(plan.lilfox("backup", "drill", "--json").stdout)
    jsonschema.validate(drilled, schema("backup-proof"))
    assert (drilled["set"], drilled["status"]) == (first, "restored")
    plan.lilfox("backup", "verify", first)
    assert plan.sets()[0]["status"] == "restored"  # reading it does not undo the test
    assert f"measured at {first}" in plan.lilfox("backup", "run", "--dry-run").stdout

    (plan.source / "deep/small").write_text("changed\n")
    second = plan.backed_up()
    assert [each["id"] for each in plan.sets()] == [second, first]
    assert plan.sets()[0]["parts"][0]["size_bytes"] < 10_000, "only what is new is stored"

    into = plan.folder / "restored"
    words = ("restore", first, "--into", into)
    assert (" free; " in plan.lilfox(*words, "--dry-run").stdout, into.exists()) == (True, False)
    assert "no terminal to confirm" in plan.lilfox(*words, code=2).stderr
    restored = plan.lilfox(*words, "--yes", "--json")
    jsonschema.validate(json.loads(restored.stdout), schema("restore"))
    below = Path(f"{into}{plan.source}")
    assert (below / "deep/small").read_text() == "small\n"
    assert (below / "large").read_bytes() == (plan.source / "large").read_bytes()
    assert (below / "link").readlink() == Path("deep/small")
    assert NAME in os.listdir(os.fsencode(below))
    assert Path(f"{into}{plan.file}").read_text() == "A=1\n"
    assert "it exists already" in plan.lilfox(*words, "--yes", code=1).stderr

    third = plan.backed_up()
    assert [each["id"] for each in plan.sets()] == [third, second], "retention is applied after each run"
    plan.write(keep={"last": 1})
    assert second in plan.lilfox("backup", "prune", "uploads").stdout
    assert len(plan.sets()) == 2
    plan.lilfox("backup", "prune", "uploads", "--yes")
    assert [each["id"] for each in plan.sets()] == [third]


def test_snapshots_of_others_in_the_repository_are_not_the_plans_and_stay(plan: Plan) -> None:
    _restic(plan.folder, "backup", str(plan.file))
    _restic(plan.folder, "backup", "--host", "other", "--tag", "lilfox:uploads", str(plan.file))
    plan.write(keep={"last": 1})
    assert plan.sets() == []
    plan.backed_up()
    newest = plan.backed_up()
    assert [each["id"] for each in plan.sets()] == [newest]
    assert len(json.loads(_restic(plan.folder, "snapshots", "--json"))) == 3


# What is not whole.


@pytest.mark.fault("1.76")
def test_files_that_cannot_be_read_make_the_set_partial(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        _as_nobody(plan, monkeypatch)
    (plan.source / "deep/small").chmod(0)
    plan.lilfox("backup", "run", code=3)
    (found,) = plan.sets()
    assert (found["status"], "could not read some files" in found["reason"]) == ("partial", True)
    verified = plan.lilfox("backup", "verify", found["id"], code=3)
    assert "partial" in verified.stderr
    assert plan.sets()[0]["status"] == "partial"
    words = ("restore", "latest", "--into", plan.folder / "new", "--yes")
    assert "no set is complete" in plan.lilfox(*words, code=2).stderr


def _as_nobody(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """restic runs as an account that may not read everything."""
    programs = plan.folder / "programs"
    programs.mkdir()
    (programs / "restic").write_text(f'#!/bin/sh\nexec runuser -u nobody -- {shutil.which("restic")} "$@"\n')
    (programs / "restic").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("XDG_CACHE_HOME")
    for path in (plan.repository, plan.folder / "password", plan.scratch):
        subprocess.run(["chown", "-R", "nobody", str(path)], check=True)


@pytest.mark.fault("1.76")
def test_a_path_that_is_gone_makes_the_set_partial(held: Plan) -> None:
    held.write(paths=[*held.paths, str(held.folder / "gone")], verify=False)
    dry = held.lilfox("backup", "run", "--dry-run", code=1).stdout
    assert (dry.count("it can be read"), dry.count("it does not exist")) == (2, 1)
    assert "gone" in held.lilfox("backup", "run", code=3).stderr
    assert [(each["status"], "gone" in each["reason"]) for each in held.sets()] == [("partial", True)] * 2


def test_a_run_with_a_failure_removes_nothing(plan: Plan) -> None:
    first = plan.backed_up()
    plan.write(keep={"last": 1}, drill=True, scratch=str(plan.folder / "gone"))
    second = plan.backed_up(code=3)
    assert [(each["id"], each["status"]) for each in plan.sets()] == [(second, "intact"), (first, "intact")]
    plan.lilfox("backup", "prune", "uploads", "--yes")
    assert [each["id"] for each in plan.sets()] == [second]


@pytest.mark.fault("1.76")
def test_a_snapshot_whose_end_nobody_saw_is_partial(plan: Plan) -> None:
    """LilFox was killed after restic had made the snapshot, and before it took the mark away."""
    _restic(
        plan.folder, "backup", "--tag", "lilfox:uploads", "--tag", "lilfox:incomplete", str(plan.source), str(plan.file)
    )
    (found,) = plan.sets()
    assert (found["status"], "did not see its end" in found["reason"]) == ("partial", True)


# What is damaged. restic's cache on the host is warm in all of these: it holds the folders of the set.


def _flip(path: Path) -> None:
    """In the middle: there ``restic dump`` 0.18 passes over a damaged folder, and ends with 0."""
    path.chmod(0o600)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


def _cut(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size // 2)


DAMAGE: dict[str, tuple[Callable[[Plan], list[Path]], Callable[[Path], object]]] = {
    "content-flipped": (lambda plan: plan.packs("data"), _flip),
    "content-cut": (lambda plan: plan.packs("data"), _cut),
    "content-gone": (lambda plan: plan.packs("data"), Path.unlink),
    "folder-flipped": (lambda plan: plan.packs("tree"), _flip),
    "folder-cut": (lambda plan: plan.packs("tree"), _cut),
    "folder-gone": (lambda plan: plan.packs("tree"), Path.unlink),
    "index-gone": (lambda plan: [*(plan.repository / "index").iterdir()], Path.unlink),
    "index-flipped": (lambda plan: [*(plan.repository / "index").iterdir()], _flip),
}


@pytest.mark.fault("1.77")
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_in_the_repository_breaks_the_set_and_leaves_no_restored_folder(held: Plan, damage: str) -> None:
    (found,) = held.sets()
    files, harm = DAMAGE[damage]
    for path in files(held):
        harm(path)
    verified = json.loads(held.lilfox("backup", "verify", found["id"], "--json", code=1).stdout)
    assert verified["status"] == "broken"
    assert held.sets()[0]["status"] == "broken"
    into = held.folder / "restored"
    assert "broken" in held.lilfox("restore", found["id"], "--into", into, "--yes", code=1).stderr
    drilled = json.loads(held.lilfox("backup", "drill", found["id"], "--json", code=1).stdout)
    assert (drilled["status"], into.exists()) == ("broken", False)


@pytest.mark.fault("1.77")
def test_a_restore_that_finds_damage_breaks_the_set_and_leaves_no_folder(held: Plan) -> None:
    (found,) = held.sets()
    for path in held.packs("data"):
        _cut(path)
    into = held.folder / "restored"
    assert "file is too short" in held.lilfox("restore", found["id"], "--into", into, "--yes", code=1).stderr
    assert (held.sets()[0]["status"], into.exists()) == ("broken", False)


@pytest.mark.fault("1.77")
def test_a_snapshot_that_cannot_be_read_is_broken_and_not_gone(held: Plan) -> None:
    (found,) = held.sets()
    shutil.rmtree(held.folder / "cache")  # where restic has the snapshot too
    (file,) = (held.repository / "snapshots").iterdir()
    _flip(file)
    (told,) = held.sets()
    assert (told["id"], told["status"], "cannot read this snapshot" in told["reason"]) == (found["id"], "broken", True)
    for words in (("backup", "verify", found["id"]), ("restore", found["id"], "--into", held.folder / "new", "--yes")):
        assert "is broken" in held.lilfox(*words, code=1).stderr


# What has nothing to do with the data: no verdict.


@pytest.mark.fault("1.78")
def test_errors_of_the_repository_prove_nothing_and_say_what_to_do(held: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = held.sets()
    held.repository.rename(held.folder / "away")
    for words in (("backup", "verify", found["id"]), ("backup", "run")):
        assert "restic init" in held.lilfox(*words, code=1).stderr
    (held.folder / "away").rename(held.repository)
    (held.folder / "password").write_text("wrong\n")
    assert "is not that of the repository" in held.lilfox("backup", "verify", found["id"], code=1).stderr
    (held.folder / "password").unlink()
    assert "password" in held.lilfox("backup", "verify", found["id"], code=1).stderr
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(_without_restic(held)))
        assert "install the package restic" in held.lilfox("backup", "verify", found["id"], code=1).stderr
    (held.folder / "password").write_text("of the test\n")
    assert held.sets()[0]["status"] == "unverified"


def _without_restic(plan: Plan) -> Path:
    """A folder with the programs that are needed besides it."""
    programs = plan.folder / "few"
    programs.mkdir()
    for name in ("env", "sh", "uname", "id"):
        (programs / name).symlink_to(str(shutil.which(name)))
    return programs


@pytest.mark.fault("1.78")
def test_a_repository_that_another_restic_has_locked_is_told(held: Plan) -> None:
    (found,) = held.sets()
    argv = ["restic", "-r", str(held.repository), "--password-file", str(held.folder / "password"), "check"]
    with subprocess.Popen(ending_with_us(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as holder:
        try:
            wait_for(lambda: any((held.repository / "locks").iterdir()), what="it is locked")
            holder.send_signal(signal.SIGSTOP)
            if any((held.repository / "locks").iterdir()):  # it may have ended just before
                assert "another restic is at work" in held.lilfox("backup", "verify", found["id"], code=1).stderr
        finally:
            holder.kill()
    held.lilfox("backup", "verify", found["id"])  # the lock of a process that is gone is none


@pytest.mark.fault("1.78")
def test_a_run_that_is_killed_leaves_no_set_and_the_next_one_is_whole(plan: Plan, tmp_path: Path) -> None:
    (plan.source / "large").write_bytes(os.urandom(150_000_000))
    with running(["backup", "run"], tmp_path / "said") as process:
        kill = ["pkill", "-KILL", "-f", f"restic -r {plan.repository} .* backup "]
        wait_for(lambda: subprocess.run(kill, check=False).returncode == 0, what="restic is at work")
        assert process.wait(60) == 1
    assert plan.sets() == []
    plan.backed_up()
    assert plan.sets()[0]["status"] == "intact"


@pytest.mark.fault("1.78")
def test_a_drill_whose_link_is_cut_leaves_nothing_on_the_host(plan: Plan, tmp_path: Path) -> None:
    (plan.source / "large").write_bytes(os.urandom(100_000_000))
    with sshd_lab() as lab:
        server = lab.sshd()
        host = {"address": server.address, "port": server.port, "user": lab.host(server).user}
        ssh = {"config_files": [], "known_hosts": [str(lab.known_hosts)]}
        plan.write(hosts={"nas": host | {"identity": str(lab.client_key)}}, ssh=ssh, host="nas")
        plan.backed_up()
        assert plan.sets()[0]["status"] == "intact"
        with running(["backup", "drill"], tmp_path / "said") as process:
            wait_for(lambda: any(plan.scratch.glob("lilfox_drill_*/data")), what="restic restores")
            server.kill()
            server.start()
            assert process.wait(120) == 1
        wait_for(lambda: not any(plan.scratch.iterdir()), what="the folder is gone")
        assert plan.sets()[0]["status"] == "intact"
        plan.lilfox("backup", "drill")
        assert plan.sets()[0]["status"] == "restored"
