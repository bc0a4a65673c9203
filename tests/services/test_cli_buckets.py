"""Sets in a bucket by the program's commands and on its screen: run, list, verify, restore and prune, with what a lock
keeps."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.app.dialogs.messages import ConfirmDialog
from lilfox_tui.app.panes.backup import actions
from lilfox_tui.backup.options import S3Options
from lilfox_tui.backup.sets.names import manifest_name
from lilfox_tui.config.model import BackupConfig, KeepConfig, PlanConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.monitor.model import Backups
from tests.app.backups_made import nights, plan
from tests.app.still import screen_text
from tests.app.test_backup_screens import showing
from tests.ports import free_port
from tests.services.backup_lab import BackupLab, files, lab
from tests.services.s3_servers import SECRET_KEY, S3Server
from tests.unit.jobs.running import jobs
from tests.waiting import until

__all__ = ["files", "jobs", "lab"]
pytestmark = pytest.mark.usefixtures("jobs", "s3_keys")


def _planned(files: BackupLab, server: S3Server, bucket: str) -> None:
    cloud: dict[str, Any] = {"kind": "s3", "bucket": bucket, "prefix": "nightly", "endpoint": server.url}
    files.planned({"nightly": files.plan(store="cloud", keep={"last": 1})}, {"cloud": cloud})


def test_a_set_in_a_bucket_is_listed_verified_restored_and_replaced(files: BackupLab, rclone: S3Server) -> None:
    bucket = rclone.bucket()
    _planned(files, rclone, bucket)
    first = files.run("nightly").stdout.strip()
    (found,) = files.sets("--plan", "nightly", code=0)
    assert (found["id"], found["status"]) == (first, "intact")
    assert files.lilfox("backup", "verify", "latest", "--plan", "nightly").returncode == 0

    (files.uploads / "a.txt").write_text("changed\n")
    (files.uploads / "sub" / "b.bin").unlink()
    done = files.lilfox("restore", "latest", "--plan", "nightly", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (files.uploads / "a.txt").read_text() == "fox\n"
    assert (files.uploads / "sub" / "b.bin").stat().st_size == 50_000

    second = files.run("nightly").stdout.strip()
    assert [each["id"] for each in files.sets("--plan", "nightly")] == [second]
    assert {key.partition("/")[0] for key in rclone.keys(bucket)} == {"nightly"}
    assert not any(first in key or key.endswith(".part") for key in rclone.keys(bucket)), "the first set is removed"
    assert rclone.uploads(bucket) == []
    written = [path for path in files.folder.rglob("*") if path.is_file()]
    assert not any(SECRET_KEY.encode() in path.read_bytes() for path in written)


def test_a_set_that_the_bucket_locks_stays_and_is_named(files: BackupLab, moto: S3Server) -> None:
    bucket = moto.bucket(ObjectLockEnabledForBucket=True)
    moto.client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}},
        },
    )
    _planned(files, moto, bucket)
    first = files.run("nightly").stdout.strip()
    done = files.run("nightly")
    second = done.stdout.strip()
    assert f"{first} stays: it is locked until" in done.stderr
    assert sorted(each["id"] for each in files.sets("--plan", "nightly")) == sorted((first, second))
    pruned = files.lilfox("backup", "prune", "nightly", "--yes")
    assert f"{first} stays: it is locked until" in pruned.stdout + pruned.stderr
    assert sorted(each["id"] for each in files.sets("--plan", "nightly")) == sorted((first, second))


@pytest.mark.parametrize("locked", [1, 3])
async def test_the_screen_does_not_offer_to_remove_what_the_bucket_locks(moto: S3Server, locked: int) -> None:
    bucket = moto.bucket(ObjectLockEnabledForBucket=True)
    sets = nights(5)
    kept = [each.id for each in sets if each.plan == "lilfox"][-locked:]
    until_then = datetime.now(UTC) + timedelta(days=3)
    for name in map(manifest_name, kept):
        moto.client.put_object(Bucket=bucket, Key=name, Body=b"{}")
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until_then}
        moto.client.put_object_retention(Bucket=bucket, Key=name, Retention=retention)
    keeping = PlanConfig(sources={}, store="disk", keep=KeepConfig(last=2))
    view = plan("lilfox", sets, config=keeping)
    store = S3Options(bucket=bucket, endpoint=moto.url)
    app = showing(Backups({view.key: view}, jobs=()), backup=BackupConfig(stores={"disk": store}))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("3", "colon", *"prune", "enter")
        await until(lambda: f"{kept[0]} stays: it is locked until" in screen_text(pilot), what="what stays, and why")
        assert isinstance(app.screen, ConfirmDialog) == (locked < 3)
        assert ("Remove 2 sets" in screen_text(pilot)) == (locked < 3)


async def test_without_an_answer_of_the_bucket_the_screen_offers_to_remove_nothing() -> None:
    keeping = PlanConfig(sources={}, store="disk", keep=KeepConfig(last=2))
    view = plan("lilfox", nights(5), config=keeping)
    store = S3Options(bucket="gone", endpoint=f"http://127.0.0.1:{free_port()}")
    app = showing(Backups({view.key: view}, jobs=()), backup=BackupConfig(stores={"disk": store}))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("3", "colon", *"prune", "enter")
        await until(lambda: "the connection failed or was lost" in screen_text(pilot), what="why")
        assert not isinstance(app.screen, ConfirmDialog)


async def test_a_bucket_that_does_not_answer_is_named_and_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = PlanConfig(sources={}, store="disk", keep=KeepConfig(last=2))
    view = plan("lilfox", nights(5), config=keeping)
    monkeypatch.setattr(actions, "_ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts and says nothing
        store = S3Options(bucket="frozen", endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=Seconds(1))
        app = showing(Backups({view.key: view}, jobs=()), backup=BackupConfig(stores={"disk": store}))
        async with app.run_test(size=(120, 30)) as pilot:
            await pilot.press("3", "colon", *"prune", "enter")
            await until(lambda: "s3://frozen did not answer within 0.1 s" in screen_text(pilot), what="why")
            assert not isinstance(app.screen, ConfirmDialog)


def test_a_wrong_key_is_said_with_what_to_do_and_without_the_key(
    files: BackupLab, rclone: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _planned(files, rclone, rclone.bucket())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-canary-key")
    done = files.lilfox("backup", "run", "nightly")
    assert done.returncode == 1
    assert "hint:" in done.stderr
    assert "wrong-canary-key" not in done.stdout + done.stderr


def test_without_credentials_the_variable_is_named(
    files: BackupLab, rclone: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _planned(files, rclone, rclone.bucket())
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = files.lilfox("backup", "run", "nightly")
    assert done.returncode == 1
    assert "AWS_SECRET_ACCESS_KEY" in done.stderr
