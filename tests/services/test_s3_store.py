"""What is a matter of buckets alone: checks, versions and object locks, the lock's marks, addresses, certificates.

What all stores keep is tested with the others in test_stores.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lilfox_tui.backup import run as backup_run
from lilfox_tui.backup import store_lock
from lilfox_tui.backup.options import S3Options
from lilfox_tui.backup.plan import BackupPlan
from lilfox_tui.backup.sets.catalogue import read_sets
from lilfox_tui.backup.store import StoreError, StoreHeld
from lilfox_tui.backup.stores import s3
from lilfox_tui.config.model import KeepConfig, PlanConfig
from lilfox_tui.config.values import SecretRef
from tests.services import s3_servers
from tests.services.http_servers import own_certificate
from tests.services.s3_servers import BucketBed, S3Server, front, refusal
from tests.services.test_stores import of, whole
from tests.unit.backup.made_sets import manifest_of, put_set
from tests.unit.backup.noted_run import NotedRun
from tests.waiting import until

MIB = 1024 * 1024
pytestmark = [pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("s3_keys")]


@pytest.fixture(params=["moto", "rclone"])
def server(request: pytest.FixtureRequest) -> S3Server:
    made: S3Server = request.getfixturevalue(request.param)
    return made


@pytest.fixture
async def opened(server: S3Server) -> AsyncIterator[BucketBed]:
    async with BucketBed(server) as made:
        yield made


@pytest.mark.parametrize(
    ("size", "request_of", "name"),
    [(3, "PUT /lil/fox/a.part", "a.part"), (3, "PUT /lil/fox/a", "a"), (6 * MIB, "POST /lil/fox/a?uploadId", "a")],
)
@pytest.mark.fault("1.67")
async def test_a_file_that_another_program_put_there_meanwhile_is_not_written_over(
    moto: S3Server, size: int, request_of: str, name: str
) -> None:
    """It is the server that refuses: the store had looked before."""
    late = [True]

    def other_first(method: str, target: str) -> str:
        asked = f"{method} {target.removeprefix(f'/{bed.bucket}')}"
        if late and (asked == request_of or ("?" in request_of and asked.startswith(request_of))):
            late.clear()
            bed.put(name, b"other")
        return "pass"

    async def write_and_publish() -> None:
        await bed.store.write("a", of(b"x" * size))
        await bed.store.publish(["a"])

    async with front(moto, other_first) as url, BucketBed(moto, endpoint=url) as bed:
        with pytest.raises(StoreError, match="already exists"):
            await write_and_publish()
        assert not late
        assert await whole(bed.store, name) == b"other"
        await bed.store.remove(["a.part"])
        assert bed.names == (["a"] if name == "a" else [])


@pytest.mark.fault("1.67")
async def test_a_small_file_that_another_program_replaced_is_not_published(moto: S3Server) -> None:
    late = [True]

    def other_first(method: str, target: str) -> str:
        if late and method == "GET" and target.startswith(f"/{bed.bucket}/lil/fox/a.part"):
            late.clear()
            bed.put("a.part", b"other")
        return "pass"

    async with front(moto, other_first) as url, BucketBed(moto, endpoint=url) as bed:
        await bed.store.write("a", of(b"xxx"))
        with pytest.raises(StoreError, match="was replaced while it was read"):
            await bed.store.publish(["a"])
        assert (late, bed.names) == ([], ["a.part"])


async def test_an_upload_of_a_dead_run_is_a_leftover_that_can_be_removed(opened: BucketBed) -> None:
    for name in ("a_20231230_020000.dump.part", "b_20231230_020000.dump"):
        opened.server.client.create_multipart_upload(Bucket=opened.bucket, Key=f"lil/fox/{name}")
    left = {entry.name for entry in await opened.store.entries()}
    assert left == {"a_20231230_020000.dump.part", "b_20231230_020000.dump.part"}
    await opened.store.remove(sorted(left))
    assert opened.server.uploads(opened.bucket) == []
    assert await opened.store.entries() == []


async def test_what_others_keep_in_the_bucket_is_not_seen(opened: BucketBed) -> None:
    opened.put("foreign/b", b"")
    opened.server.client.put_object(Bucket=opened.bucket, Key="other-program/b", Body=b"")
    await opened.store.put_small("a", b"x")
    assert [entry.name for entry in await opened.store.entries()] == ["a"]


async def test_more_files_than_a_page_has_are_listed(rclone: S3Server) -> None:
    async with BucketBed(rclone) as opened:
        assert opened.server.folder is not None
        folder = opened.server.folder / opened.bucket / "lil" / "fox"
        folder.mkdir(parents=True)
        names = {f"shop_2023{number:04}_020000.manifest.json" for number in range(1001)}
        for name in names:
            (folder / name).touch()
        assert {entry.name for entry in await opened.store.entries()} == names


# What the checks tell.


async def test_the_checks_try_the_key_and_tell_what_the_server_does_not_do(opened: BucketBed) -> None:
    checks = await opened.store.checks(1000)
    texts = {check.state: str(check.found) for check in checks}
    assert texts["good"] == "writable; 1.0K may be needed, and a bucket does not report its free space"
    expected = {"moto": "anyone can list it without credentials", "rclone": "the server ignores conditional writes"}
    assert [str(check.found).partition(" (")[0] for check in checks if check.state == "warning"] == [
        expected[opened.server.kind]
    ]
    assert opened.names == []
    assert [str(check.found) for check in await opened.store.checks(None, write=False)] == ["readable"]


async def test_a_wrong_key_is_told_without_it(rclone: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-a-wrong-secret")
    async with BucketBed(rclone) as opened:
        [check] = await opened.store.checks(1000)
        assert check.state == "bad"
        assert str(check.hint) == "Check access_key, secret_key and session_token."
        with pytest.raises(StoreError) as caught:
            await opened.store.entries()
        for text in (str(check.found), str(caught.value), str(caught.value.hint)):
            assert "canary" not in text
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with BucketBed(rclone) as opened:
        [check] = await opened.store.checks(1000)
        assert "AWS_SECRET_ACCESS_KEY: the environment variable is not set" in str(check.found)


async def test_a_bucket_that_is_not_there_is_told(server: S3Server) -> None:
    async with BucketBed(server, bucket="no-such-bucket") as opened:
        [check] = await opened.store.checks(1000)
        assert check.state == "bad"
        assert "LilFox does not create buckets" in str(check.hint)
        with pytest.raises(StoreError, match="does not exist"):
            await opened.store.write("a", of(b"x"))


async def test_old_versions_stay_and_parts_do_not(moto: S3Server) -> None:
    bucket = moto.bucket(ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    async with BucketBed(moto, bucket=bucket) as opened:
        await opened.store.write("a", of(b"x" * 6 * MIB))
        await opened.store.publish(["a"])
        await opened.store.remove(["a"])
        assert await opened.store.entries() == []
        versions = moto.client.list_object_versions(Bucket=bucket)["Versions"]
        assert [each["Key"] for each in versions] == ["lil/fox/a"]
    bucket = moto.bucket(ObjectLockEnabledForBucket=True)
    moto.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    moto.client.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    async with BucketBed(moto, bucket=bucket) as opened:
        told = [str(check.found) for check in await opened.store.checks(1000)]
        assert any(text.startswith("versioning is on: removed sets remain as old versions") for text in told)
        assert "object lock keeps every version for 3 days (GOVERNANCE)" in told
        await opened.store.write("a", of(b"x" * 6 * MIB))
        assert opened.names == ["a.part"]


@pytest.mark.fault("1.69")
async def test_a_deletion_that_the_server_refuses_is_told_with_the_end_of_the_lock(moto: S3Server) -> None:
    bucket = moto.bucket(ObjectLockEnabledForBucket=True)

    def no_deletion(method: str, _target: str) -> str | bytes:
        return refusal(403, "AccessDenied", "Access Denied") if method == "DELETE" else "pass"

    async with front(moto, no_deletion) as url, BucketBed(moto, bucket=bucket, endpoint=url) as opened:
        for name in ("locked", "held", "neither"):
            await opened.store.put_small(name, b"x")
        until_then = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
        moto.client.put_object_retention(
            Bucket=bucket,
            Key="lil/fox/locked",
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until_then},
        )
        moto.client.put_object_legal_hold(Bucket=bucket, Key="lil/fox/held", LegalHold={"Status": "ON"})
        with pytest.raises(StoreError, match=r"locked in .* was not removed: it is locked until") as caught:
            await opened.store.remove(["locked"])
        assert f"{until_then.astimezone():%Y-%m-%d %H:%M:%S}" in str(caught.value)
        with pytest.raises(StoreError, match=r"held in .* was not removed: it is under a legal hold"):
            await opened.store.remove(["held"])
        with pytest.raises(StoreError, match="Access Denied"):
            await opened.store.remove(["neither"])
        assert opened.names == ["held", "locked", "neither"]


@pytest.mark.fault("1.69")
async def test_retention_names_what_a_lock_keeps_and_what_stays_as_an_old_version(
    moto: S3Server, tmp_path: Path
) -> None:
    bucket = moto.bucket(ObjectLockEnabledForBucket=True)
    nights = [datetime(2021, 3, day, 2, tzinfo=UTC) for day in (1, 2, 3, 4)]
    manifests = [manifest_of(night) for night in nights]
    for manifest in manifests:
        put_set(tmp_path, manifest, proven=True)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}  # noqa: ASYNC240
    until_then = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    async with BucketBed(moto, bucket=bucket) as opened:
        for name, data in files.items():
            opened.put(name, data)
        held, locked, free, newest = (manifest.id for manifest in manifests)
        moto.client.put_object_retention(
            Bucket=bucket,
            Key=f"lil/fox/{manifests[1].parts[0].name}",
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until_then},
        )
        moto.client.put_object_legal_hold(
            Bucket=bucket, Key=f"lil/fox/{held}.manifest.json", LegalHold={"Status": "ON"}
        )
        keep = PlanConfig(sources={}, store="s", keep=KeepConfig(last=1))
        plan, run = BackupPlan(name="lilfox", config=keep, stores={}), NotedRun()
        verdicts = {each.set.id: each for each in await backup_run.prune(run, plan, opened.store)}
        assert {name: each.goes for name, each in verdicts.items()} == {held: False, locked: False, free: True}
        until_text = f"{until_then.astimezone():%Y-%m-%d %H:%M:%S}"
        assert str(verdicts[locked].why) == f"it is locked until {until_text} (object lock)"
        assert str(verdicts[held].why) == "it is under a legal hold (object lock)"
        left = [found.id for found in await read_sets(opened.store)]
        assert left == [newest, locked, held], "they can be restored as long as they stay"
        old = {each["Key"] for each in moto.client.list_object_versions(Bucket=bucket)["Versions"]}
        assert f"lil/fox/{free}.manifest.json" in old
        assert f"{free} was removed; the bucket keeps its files as old versions" in [text for _level, text in run.said]


async def test_a_mark_that_is_renewed_leaves_no_old_versions(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_lock, "BEAT_S", 0.02)
    async with BucketBed(moto, bucket=moto.bucket(ObjectLockEnabledForBucket=True)) as opened:
        touched: list[str] = []
        touch = s3._BucketMarks.touch

        async def noted(marks: s3._BucketMarks, name: str) -> None:
            await touch(marks, name)
            touched.append(name)

        monkeypatch.setattr(s3._BucketMarks, "touch", noted)
        async with opened.store.lock("backup"):
            await until(lambda: len(touched) > 2)
        assert moto.client.list_object_versions(Bucket=opened.bucket).get("Versions", []) == []


# The lock.


@pytest.mark.fault("1.70")
async def test_of_several_that_want_it_at_once_never_two_have_it(opened: BucketBed) -> None:
    inside, most, had = 0, 0, 0

    async def one(number: int) -> None:
        nonlocal inside, most, had
        async with BucketBed(opened.server, bucket=opened.bucket) as own:
            try:
                async with own.store.lock(f"run {number}"):
                    inside, had = inside + 1, had + 1
                    most = max(most, inside)
                    await own.store.entries()
                    inside -= 1
            except StoreHeld:
                pass

    await asyncio.gather(*(one(number) for number in range(4)))
    assert most == 1
    assert had >= 1
    assert opened.names == []


@pytest.mark.parametrize(("age_s", "is_dead"), [(280, False), (320, True)])
@pytest.mark.fault("1.70")
async def test_the_lock_of_a_dead_run_ends_by_the_clock_of_the_server(
    rclone: S3Server, age_s: int, is_dead: bool
) -> None:
    async with BucketBed(rclone) as opened:
        assert opened.server.folder is not None
        folder = opened.server.folder / opened.bucket / "lil" / "fox"
        folder.mkdir(parents=True)
        mark = folder / f"{s3.EXCLUSIVE}0123"
        mark.write_text('{"who": "a run that was killed"}')
        now = datetime.now(UTC).timestamp()
        os.utime(mark, (now, now - age_s))
        if is_dead:
            async with opened.store.lock("other"):
                assert not mark.exists()
        else:
            with pytest.raises(StoreHeld, match="a run that was killed"):
                async with opened.store.lock("other"):
                    pass


@pytest.mark.fault("1.70")
async def test_who_has_lost_the_lock_is_stopped(opened: BucketBed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_lock, "BEAT_S", 0.1)
    async with BucketBed(opened.server, bucket=opened.bucket) as other, AsyncExitStack() as stack:

        async def suspended() -> None:
            async with opened.store.lock("suspended"):
                with monkeypatch.context() as late:
                    late.setattr(s3, "STALE", timedelta(seconds=-60))
                    await stack.enter_async_context(other.store.lock("other"))
                await asyncio.Event().wait()

        with pytest.raises(StoreError, match="was taken by another run"):
            await suspended()
        assert len(opened.names) == 1  # the other's, which was not taken away


@pytest.mark.fault("1.70")
async def test_a_mark_that_was_taken_away_is_not_written_again(moto: S3Server) -> None:
    async with BucketBed(moto) as opened:
        marks = s3._BucketMarks(opened.store._bucket)
        await marks.take("a", b"mine", shared=False)
        await marks.read("a")
        moto.client.delete_object(Bucket=opened.bucket, Key="lil/fox/a")
        with pytest.raises(StoreError):
            await marks.touch("a")
        assert opened.names == []


@pytest.mark.fault("1.70")
async def test_without_conditional_writes_a_mark_written_again_beside_a_newer_one_is_withdrawn(
    opened: BucketBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suspended run reads its mark, the other one removes that as dead, and then it is written again."""
    opened.store._bucket.conditional = False

    async def taken(name: str) -> s3._BucketMarks:
        marks = s3._BucketMarks(opened.store._bucket)
        await marks.take(name, msgspec.json.encode(store_lock.mark_of(name, "")), shared=False)
        await marks.read(name)
        return marks

    old, new = s3.EXCLUSIVE + "old", s3.EXCLUSIVE + "new"
    suspended = await taken(old)
    with monkeypatch.context() as late:
        late.setattr(s3, "STALE", timedelta(seconds=-60))
        other = await taken(new)
    await suspended.touch(old)
    assert opened.names == [new, old]
    await other.touch(new)
    await other.touch(new)
    await suspended.touch(old)
    assert opened.names == [new]
    await other.touch(new)
    assert opened.names == [new]


@pytest.mark.fault("1.70")
async def test_without_conditional_writes_a_run_that_only_tries_takes_no_lock_away(opened: BucketBed) -> None:
    opened.store._bucket.conditional = False
    marks, name = s3._BucketMarks(opened.store._bucket), s3.EXCLUSIVE + "held"
    await marks.take(name, msgspec.json.encode(store_lock.mark_of("held", "")), shared=False)
    await marks.read(name)
    for number in range(3):
        tries = f"{s3.EXCLUSIVE}{number}"
        await opened.store._bucket.put(tries, msgspec.json.encode(store_lock.mark_of("tries", "")))
        await marks.touch(name)
        await marks.remove([tries])
    assert opened.names == [name]


async def test_a_store_that_may_only_be_read_is_shared_without_a_mark(server: S3Server) -> None:
    def no_writing(method: str, _target: str) -> str | bytes:
        return "pass" if method in ("GET", "HEAD") else refusal(403, "AccessDenied", "Access Denied")

    async with front(server, no_writing) as url, AsyncExitStack() as stack:
        reader = await stack.enter_async_context(BucketBed(server, endpoint=url))
        writer = await stack.enter_async_context(BucketBed(server, bucket=reader.bucket))
        async with reader.store.lock("restore", shared=True):
            pass
        async with writer.store.lock("backup"):
            with pytest.raises(StoreHeld, match="by backup since"):
                async with reader.store.lock("restore", shared=True):
                    pass
        with pytest.raises(StoreError, match="Access Denied"):
            async with reader.store.lock("backup"):
                pass
        [check] = await reader.store.checks(1)
        assert check.state == "bad"
        assert "PutObject" in str(check.hint)


# Addresses and certificates.


async def test_a_certificate_is_checked_against_the_file_that_is_given(tmp_path: Path) -> None:
    own_certificate(tmp_path)
    cert = tmp_path / "certificate.pem"
    with s3_servers.rclone(tmp_path / "data", "--cert", str(cert), "--key", str(tmp_path / "key.pem")) as server:
        bucket = "a-bucket"
        (tmp_path / "data" / bucket).mkdir(parents=True)
        async with BucketBed(server, bucket=bucket) as opened:
            with pytest.raises(StoreError, match="its TLS certificate is not accepted"):
                await opened.store.entries()
        for options in ({"ca_file": str(cert)}, {"verify_tls": False}):
            async with BucketBed(server, bucket=bucket, **options) as opened:
                assert await opened.store.entries() == []


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({"endpoint": "https://s3.example.net"}, "https://s3.example.net/sets"),
        ({"endpoint": "https://s3.example.net", "addressing": "virtual"}, "https://sets.s3.example.net"),
        ({"region": "eu-central-1"}, "https://sets.s3.eu-central-1.amazonaws.com"),
        ({"region": "eu-central-1", "addressing": "path"}, "https://s3.eu-central-1.amazonaws.com/sets"),
    ],
)
async def test_the_address_is_that_of_the_options(
    options: dict[str, Any], address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And of nothing that the AWS tools read."""
    (tmp_path / "config").write_text("[profile other]\nendpoint_url = http://127.0.0.1:1\nregion = us-west-2\n")
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PROFILE": "other",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "us-west-2",
    }.items():
        monkeypatch.setenv(name, value)
    store = s3.S3Store("s", S3Options(bucket="sets", access_key=SecretRef("env:AWS_ACCESS_KEY_ID"), **options))
    url = await store._bucket.call(
        ".", lambda client: client.generate_presigned_url("get_object", Params={"Bucket": "sets", "Key": "a"})
    )
    assert url.startswith(f"{address}/a?")
    await store.close()
