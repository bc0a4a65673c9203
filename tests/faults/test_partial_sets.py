"""A set that lacks a source of its plan, and one that somebody else wrote: what every face says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup.sets.model import encoded
from tests.services.backup_lab import BackupLab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = pytest.mark.usefixtures("jobs")
DOWN = {"kind": "postgresql", "url": "postgresql://x@127.0.0.1:1/x"}


@pytest.fixture
def lab(tmp_path: Path) -> BackupLab:
    return BackupLab(tmp_path)


def with_database(lab: BackupLab) -> dict[str, Any]:
    """A plan whose database does not answer."""
    plan = lab.plan(keep={"last": 1})
    return {**plan, "sources": {**plan["sources"], "database": DOWN}}


def two_sets(lab: BackupLab) -> tuple[str, str]:
    """A whole set, then a partial one."""
    lab.planned({"nightly": lab.plan()})
    whole = lab.run("nightly").stdout.strip()
    lab.planned({"nightly": with_database(lab)})
    return whole, lab.run("nightly", code=3).stdout.strip()


@pytest.mark.fault("4.36")
def test_a_set_without_its_database_is_partial_in_every_face(lab: BackupLab) -> None:
    lab.planned({"nightly": with_database(lab)})
    done = lab.lilfox("backup", "run", "nightly", "--json")
    [made] = json.loads(done.stdout)
    assert (done.returncode, made["status"]) == (3, "partial")
    [found] = lab.sets("--plan", "nightly", code=3)
    assert (found["status"], found["missing"]) == ("partial", ["database"])
    assert "◐" in (said := lab.lilfox("backup", "list").stdout)
    assert "partial: incomplete; not backed up: database" in said
    verified = lab.lilfox("backup", "verify", made["set"], "--json")
    assert (verified.returncode, json.loads(verified.stdout)["status"]) == (3, "partial")
    drilled = lab.lilfox("backup", "drill", made["set"], "--json")
    assert (drilled.returncode, json.loads(drilled.stdout)["status"]) == (3, "partial")
    checked = json.loads(lab.lilfox("check", "--json").stdout)["backups"][0]
    assert (checked["newest_status"], checked["newest_good_at"]) == ("partial", None)
    assert any("database" in reason for reason in checked["reasons"])


@pytest.mark.fault("4.36")
def test_latest_never_means_a_partial_set_unless_that_is_said(lab: BackupLab) -> None:
    whole, partial = two_sets(lab)
    (lab.uploads / "a.txt").write_text("changed\n")
    assert lab.lilfox("restore", "latest", "--dry-run").stdout.startswith(f"{whole},")
    said = lab.lilfox("restore", "latest", "--partial", "--source", "uploads", "--dry-run").stdout
    assert said.startswith(f"{partial}, partial")
    assert "partial: incomplete" in said
    for act in ("verify", "drill"):
        assert json.loads(lab.lilfox("backup", act, "--json").stdout)["set"] == whole
    for name in lab.store.glob(f"{whole}*"):
        name.unlink()
    done = lab.lilfox("restore", "latest", "--dry-run")
    assert done.returncode == 2
    assert "no set is complete" in done.stderr
    assert "--partial" in done.stderr


@pytest.mark.fault("4.36")
def test_a_partial_set_never_has_a_whole_one_removed(lab: BackupLab) -> None:
    whole, partial = two_sets(lab)
    done = lab.lilfox("backup", "prune", "nightly", "--yes")
    assert done.returncode == 0
    assert set(lab.status()) == {whole, partial}


@pytest.mark.fault("S14")
def test_who_wrote_a_set_is_told_and_wanted(lab: BackupLab) -> None:
    key = lab.folder / "sign.key"
    key.write_text(os.urandom(32).hex() + "\n")
    key.chmod(0o600)
    lab.planned({"nightly": lab.plan()})
    unsigned = lab.run("nightly").stdout.strip()
    signing = {"key": f"file:{key}", "required": True}
    planned(lab, signing)
    signed = lab.run("nightly").stdout.strip()
    told = {found["id"]: (found["status"], found.get("signature", "none")) for found in lab.sets("--plan", "nightly")}
    assert told == {unsigned: ("untrusted", "none"), signed: ("intact", "good")}
    assert lab.lilfox("restore", unsigned, "--yes").returncode == 1
    refused = lab.lilfox("backup", "verify", unsigned, "--json")
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, "untrusted")
    assert lab.lilfox("restore", signed, "--yes").returncode == 0
    manifest = next(each for each in lab.manifests() if each.id == signed)
    (lab.store / f"{signed}.manifest.json").write_bytes(encoded(manifest))
    assert lab.lilfox("backup", "verify", signed).returncode == 1, "the signature was taken off"
    planned(lab, {"key": f"file:{key}"})
    done = lab.lilfox("restore", unsigned, "--dry-run")
    assert "unsigned" in done.stdout
    assert "Anyone who can write to the store may have created it" in done.stdout


def planned(lab: BackupLab, signing: dict[str, Any]) -> None:
    """The configuration with a key."""
    import yaml

    lab.planned({"nightly": lab.plan()})
    for file in (lab.config, Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox" / "config.yaml"):
        document = yaml.safe_load(file.read_text())
        document["backup"]["signing"] = signing
        file.write_text(yaml.safe_dump(document))
