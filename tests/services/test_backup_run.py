"""Whole runs of a plan, by the real program as a job: what is in the store afterwards, and what the run says of it."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from lilfox_tui.jobs.listing import list_jobs
from tests.services.backup_lab import ROWS, BackupLab, files, lab, server
from tests.services.lilfox_command import LILFOX
from tests.services.postgres import Postgres
from tests.services.postgres_looks import VERSIONS
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["files", "jobs", "lab", "server"]
pytestmark = pytest.mark.usefixtures("jobs")


@pytest.fixture(scope="module", params=VERSIONS)
def each_server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    version: int = request.param
    if not Path(f"/usr/lib/postgresql/{version}/bin").exists():
        pytest.skip(f"PostgreSQL {version} is not installed: tests/install_packages")
    with Postgres(version=version) as running:
        yield running


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


def test_a_good_run_is_a_whole_set_that_was_read_back(tmp_path: Path, each_server: Postgres) -> None:
    lab = BackupLab(tmp_path, each_server)
    done = lab.run()
    (manifest,) = lab.manifests()
    assert done.stdout.splitlines() == [manifest.id]
    (found,) = lab.sets(code=0)
    assert (found["id"], found["status"], found["reason"]) == (manifest.id, "intact", "")
    assert sorted(part["kind"] for part in found["parts"]) == ["files", "postgresql-custom", "postgresql-globals"]
    for part in found["parts"]:
        file = lab.store / part["name"]
        assert part["size_bytes"] == file.stat().st_size
        assert part["sha256"] == subprocess.run(["sha256sum", file], capture_output=True).stdout.decode().split()[0]
    dumped = next(part for part in manifest.parts if part.kind == "postgresql-custom")
    assert dumped.detail["content"]["tables"]["public.users"]["rows"] == ROWS
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in lab.store.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(lab.store.stat().st_mode) == 0o700
    assert lab.left() == []
    (job,) = list_jobs()
    assert (job.kind, job.state, job.exit_code, job.result["set"]) == ("backup", "ok", 0, manifest.id)
    assert job.result["status"] == "intact"


@pytest.mark.fault("1.22", "2.2", "2.4")
def test_a_source_that_fails_is_missing_and_nothing_is_pruned(lab: BackupLab) -> None:
    plan = lab.plan(keep={"last": 1})
    lab.planned({"nightly": plan})
    lab.run("nightly")
    lab.run("nightly")
    (kept,) = lab.sets()
    plan["sources"]["gone"] = {"kind": "files", "path": str(lab.folder / "nothere")}
    lab.planned({"nightly": plan})
    for _night in range(3):
        done = lab.run("nightly", code=3)
        assert "nothere" in done.stderr
        assert "old sets are removed only after a run without failures" in done.stderr
    nights = lab.sets()
    assert len(nights) == 4
    assert kept in nights
    newest = lab.manifests()[-1]
    assert list(newest.missing) == ["gone"]
    assert "nothere" in newest.missing["gone"]
    assert "incomplete" in nights[0]["reason"]
    assert {part.source for part in newest.parts} == {"uploads", "database"}
    del plan["sources"]["gone"]
    lab.planned({"nightly": plan})
    lab.run("nightly")
    assert [found["reason"] for found in lab.sets()] == [""], "the good one stays, and those before it go"


@pytest.mark.fault("1.6", "2.2")
def test_a_source_that_fails_while_it_is_dumped_is_missing_too(lab: BackupLab) -> None:
    plan = lab.plan()
    plan["sources"]["database"]["lock_timeout"] = "1s"
    lab.planned({"nightly": plan})
    with locked(lab):
        done = lab.run("nightly", code=3)
    assert "locked" in done.stderr
    (manifest,) = lab.manifests()
    assert list(manifest.missing) == ["database"]
    assert {part.source for part in manifest.parts} == {"uploads"}
    assert lab.left() == []
    assert next(job for job in list_jobs()).state == "partly"


class locked:  # noqa: N801 - it reads like a function
    """A session that holds ``users`` so that nobody can read it."""

    def __init__(self, lab: BackupLab) -> None:
        assert lab.server is not None
        self._server = lab.server
        argv = [str(lab.server._bin / "psql"), "-X", "-q", "-h", str(lab.server.folder), "-p", str(lab.server.port)]
        self._argv = [*argv, "-U", "lilfox", "-d", lab.database]

    def __enter__(self) -> None:
        self._session = subprocess.Popen(self._argv, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._session.stdin is not None
        self._session.stdin.write(b"BEGIN; LOCK TABLE users;\n\\echo held\n")
        self._session.stdin.flush()
        assert self._session.stdout is not None
        assert self._session.stdout.readline() == b"held\n"

    def __exit__(self, *_: object) -> None:
        self._session.communicate(timeout=60)


@pytest.mark.fault("1.2", "2.2")
def test_when_all_sources_fail_there_is_no_set(lab: BackupLab) -> None:
    lab.run()
    before = lab.sets()
    words = ("--database", "postgresql://lilfox@127.0.0.1:1/lilfox", "--files", str(lab.folder / "nothere"))
    done = lab.run(*words, *lab.where, code=1)
    assert "refused" in done.stderr
    assert "nothing was written" in done.stderr
    assert lab.sets() == before
    assert lab.left() == []


def test_several_plans_run_one_after_the_other_and_one_that_fails_keeps_no_other(files: BackupLab) -> None:
    bad = files.plan()
    bad["sources"] = {"gone": {"kind": "files", "path": "/nothere"}}
    files.planned({"a": files.plan(), "b": bad, "c": files.plan()})
    done = files.run("--json", code=3)
    told = json.loads(done.stdout)
    assert [(each["plan"], each["exit_code"]) for each in told] == [("a", 0), ("b", 1), ("c", 0)]
    assert sorted(manifest.plan for manifest in files.manifests()) == ["a", "c"]
    stamps = {manifest.id[-15:] for manifest in files.manifests()}
    assert len(stamps) == 2, "in one store no two sets have the same date: their files would have the same names"


@pytest.mark.fault("2.17")
def test_copies_are_read_back_where_they_are(files: BackupLab, ssh: SshdLab) -> None:
    far, other = files.folder / "far", files.folder / "other"
    server = ssh.servers[0]
    hosts = {
        "nas": {
            "address": server.address,
            "port": server.port,
            "user": ssh.host(server).user,
            "identity": str(ssh.client_key),
        }
    }
    client = {"config_files": [], "known_hosts": [str(ssh.known_hosts)]}
    stores = {
        "other": {"kind": "local", "path": str(other)},
        "far": {"kind": "sftp", "host": "nas", "path": str(far)},
    }
    plan = files.plan(copies=["other", "far"], keep={"last": 1})
    files.planned({"nightly": plan}, stores, hosts=hosts, ssh=client)
    for _night in range(2):
        files.run("nightly")
    for store in (files.store, other, far):
        (manifest,) = files.manifests(store)
        assert files.left(store) == []
        assert (store / f"{manifest.id}.proof.json").exists()
        (found,) = files.sets("--store", store)
        assert found["status"] == "intact"
    assert len(files.sets("--plan", "nightly")) == 3
    shown = files.lilfox("backup", "list").stdout
    assert all(str(where) in shown for where in (files.store, other, far)), "it says which is where"
    assert files.lilfox("backup", "verify", "--plan", "nightly", "--store", "far").returncode == 0


@pytest.mark.fault("2.17")
def test_a_copy_that_fails_is_told_and_leaves_the_set_where_it_was_made(files: BackupLab) -> None:
    other = files.folder / "disk" / "other"
    stores = {"other": {"kind": "local", "path": str(other)}}
    files.planned({"nightly": files.plan(copies=["other"], keep={"last": 1})}, stores)
    for _night in range(2):
        done = files.run("nightly", code=3)
        assert "other" in done.stderr
    assert [found["status"] for found in files.sets()] == ["intact", "intact"], "and nothing was removed"
    other.parent.mkdir()
    files.run("nightly")
    assert len(files.sets()) == len(files.sets("--store", other)) == 1


def test_what_is_encrypted_needs_its_key(files: BackupLab) -> None:
    key, stranger = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    for name, identity in {"key": key, "stranger": stranger}.items():
        file = files.folder / name
        file.write_text(f"# created: 2023-12-30T02:00:00Z\n# public key: {identity.to_public()}\n{identity}\n")
        file.chmod(0o600)
    encrypt: dict[str, object] = {"recipients": [str(key.to_public())]}
    files.planned({"nightly": files.plan(encrypt=encrypt)})
    done = files.run("nightly")
    assert "but not read back" in done.stderr
    (found,) = files.sets()
    assert found["status"] == "unverified"
    assert all(part["name"].endswith(".age") for part in found["parts"])
    assert b"b.bin" not in (files.store / found["parts"][0]["name"]).read_bytes()
    for words, why in (
        ((), "no key is available"),
        (("--identity", f"file:{files.folder}/stranger"), "for another key"),
    ):
        done = files.lilfox("backup", "verify", *words)
        assert done.returncode == 1
        assert why in done.stderr
        assert files.sets()[0]["status"] == "unverified"
    assert files.lilfox("backup", "verify", "--identity", f"file:{files.folder}/key").returncode == 0
    assert files.sets()[0]["status"] == "intact"
    files.planned({"nightly": files.plan(encrypt={**encrypt, "identity": f"file:{files.folder}/stranger"})})
    done = files.run("nightly", code=3)
    assert "for another key" in done.stderr
    files.planned({"nightly": files.plan(encrypt={**encrypt, "identity": f"file:{files.folder}/key"}, drill=True)})
    files.run("nightly")
    assert files.sets()[0]["status"] == "restored"
    everything = b"".join(path.read_bytes() for path in files.folder.parent.rglob("*") if is_ours(path, files))
    assert str(key).encode() not in everything


def is_ours(path: Path, lab: BackupLab) -> bool:
    """A file that LilFox wrote."""
    return path.is_file() and path.parent != lab.folder and lab.uploads not in path.parents


def test_a_drill_after_the_run_proves_it(lab: BackupLab) -> None:
    lab.planned({"nightly": lab.plan(drill=True)})
    lab.run("nightly")
    (found,) = lab.sets()
    assert found["status"] == "restored"
    assert lab.server is not None
    names = [name for [name] in lab.sql("SELECT datname FROM pg_database")]
    assert sorted(names) == ["lilfox", "postgres", "template0", "template1"]
    assert sorted(path.name for path in lab.folder.iterdir()) == ["config.yaml", "store", "uploads"]
    proof = json.loads((lab.store / f"{found['id']}.proof.json").read_text())
    assert 0 < proof["took_s"] < 60


@pytest.mark.fault("1.63", "2.11", "2.29", "S40")
def test_cron_has_almost_no_environment(lab: BackupLab) -> None:
    home = lab.folder / "home"
    home.mkdir()
    lab.planned({"nightly": lab.plan()})
    argv = ["env", "-i", f"HOME={home}", "LOGNAME=root", "SHELL=/bin/sh", "PATH=/usr/bin:/bin"]
    repository = str(Path(__file__).parents[2])
    program = f"import sys; sys.path.insert(0, {repository!r}); from lilfox_tui.__main__ import main; sys.exit(main())"
    words = ["--config", str(lab.config), "backup", "run", "nightly", "--quiet"]
    done = subprocess.run(
        [*argv, sys.executable, "-c", program, *words],
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(lab.manifests()) == 1
    assert (home / ".local" / "state" / "lilfox" / "jobs").is_dir()


@pytest.mark.fault("1.59", "2.13", "2.25")
def test_the_password_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULTS 59: in no process's words, in no file that is written, in nothing that is printed. A process's own
    environment is the one place where PGPASSWORD is given."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with Postgres() as server:
        lab = BackupLab(tmp_path / "lab", server)
        canary = lab.password
        hba = server.folder / "data" / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        server.reload()
        seen: set[str] = set()
        program = subprocess.Popen(
            [*LILFOX, "backup", "run", *lab.words, *lab.where],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PGPASSWORD": canary},
        )  # fmt: skip

        def ended() -> bool:
            seen.update(words_of_processes())
            return program.poll() is not None

        wait_for(ended, timeout_s=90)
        output = program.communicate()[0]
        assert program.returncode == 0, output
        assert any("pg_dump" in words for words in seen), "they were looked at while it ran"
        assert not [words for words in seen if canary in words]
        done = lab.lilfox("backup", "run", *lab.words, *lab.where, env={"PGPASSWORD": "wrong-canary"})
        assert done.returncode == 3
        for text in (output, done.stdout, done.stderr):
            assert "canary" not in text
        places = [tmp_path, Path(os.environ["XDG_STATE_HOME"]), Path("/tmp")]
        for path in (each for place in places for each in files_in(place) if each != hba):
            with contextlib.suppress(FileNotFoundError):  # what another test has made, and takes away meanwhile
                assert canary.encode() not in path.read_bytes()[:1_000_000], path


def words_of_processes() -> set[str]:
    """The command lines of all processes."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def files_in(place: Path) -> list[Path]:
    """Regular files that were written since this test began; of /tmp those that LilFox names."""
    if place == Path("/tmp"):
        return [path for path in place.glob("*lilfox*") if path.is_file()]
    return [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.mark.fault("1.24")
def test_nothing_of_a_plan_is_in_the_way_of_another_in_the_same_store(files: BackupLab) -> None:
    """Foreign files, sets of another plan and what is only named like one stay for ever."""
    files.store.mkdir(mode=0o700)
    (files.store / "lilfox_notes.sql.gz").write_text("mine")
    (files.store / "link_20231230_020000.tar.zst").symlink_to("/etc/hosts")
    (files.store / "folder_20231230_020000.tar.zst").mkdir()
    files.planned({"a": files.plan(keep={"last": 1}), "b": files.plan(keep={"last": 2})})
    for _night in range(3):
        files.run("--quiet")
    plans = [manifest.plan for manifest in files.manifests()]
    assert (plans.count("a"), plans.count("b")) == (1, 2)
    assert (files.store / "lilfox_notes.sql.gz").read_text() == "mine"
    assert (files.store / "link_20231230_020000.tar.zst").is_symlink()
    assert (files.store / "folder_20231230_020000.tar.zst").is_dir()
    assert Path("/etc/hosts").exists()
