"""A restore that died between its renames: who was not ordered to settle it only tells of it, and one that cannot be
settled keeps nothing from being restored but what it renames itself."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from lilfox_tui.__main__ import main
from lilfox_tui.backup import effects
from lilfox_tui.backup.plan import BackupRequest, as_document
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import Restored, RestorePlace, places_of, refuse_on_hosts, refuse_shared
from lilfox_tui.backup.source import Swap
from lilfox_tui.backup.store import BackupError
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.core.errors import NotAllowed
from lilfox_tui.jobs.model import Outcome
from tests.unit.backup.noted_run import NotedRun

STAMP = "20231230_020000"
RUN = "20231230-020000-3f9a"
SET = f"lilfox_{STAMP}"
Effect = Callable[[Any, dict[str, Any]], Awaitable[Outcome]]


class Shop:
    """Two folders with a plan each; of ``uploads`` a restore may be half done: what was there is moved away already."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        self.config, self.uploads, self.other = folder / "config.yaml", folder / "app/uploads", folder / "app/other"
        for path in (self.uploads, self.other):
            path.mkdir(parents=True)
            (path / "a.txt").write_text("today\n")
        self.written(protected=False)

    def written(self, *, protected: bool) -> None:
        """The configuration."""
        plans = {
            path.name: {"sources": {path.name: {"kind": "files", "path": str(path), "host": "here"}}, "store": "s"}
            for path in (self.uploads, self.other)
        }
        store = {"kind": "local", "path": str(self.config.parent / "sets")}
        hosts = {"here": {"local": True, "protected": protected}}
        self.config.write_text(json.dumps({"hosts": hosts, "backup": {"stores": {"s": store}, "plans": plans}}))
        self.config.chmod(0o600)

    def interrupted_restores(self, host: str = "here") -> Restored:
        """Killed between the two renames."""
        staged = self.uploads.parent / f".uploads.lilfox_restore_{STAMP}/uploads"
        staged.mkdir(parents=True)
        (staged / "a.txt").write_text("of the set\n")
        before = self.uploads.with_name(f"uploads_before_{STAMP}")
        self.uploads.rename(before)
        options = {"kind": "files", "path": str(self.uploads), "host": host}
        swap = Swap(kind="files", set=SET, target=str(self.uploads), staged=str(staged), before=str(before),
                    host=host, options=options)  # fmt: skip
        restored = Restored(run=RUN, set=SET, at=datetime.now(UTC), stage="swapping", swaps=(swap,))
        interrupted.write(restored)
        return restored

    async def do(self, effect: Effect, **words: Any) -> tuple[NotedRun, Outcome]:
        """An effect as its job does it."""
        run = NotedRun()
        return run, await effect(run, as_document(BackupRequest(config=str(self.config), **words)))

    @property
    def stage(self) -> str:
        """How far the restore is that was interrupted."""
        return next(each.stage for each in interrupted.read_all() if each.run == RUN)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


@pytest.mark.parametrize("protected", [True, False])
async def test_who_was_not_ordered_to_settle_only_tells(place: Shop, protected: bool) -> None:
    place.interrupted_restores()
    place.written(protected=protected)
    for effect in (effects.backup, effects.prune):
        run, outcome = await place.do(effect, plan="other")
        assert outcome.state == "ok"
        assert f"lilfox backup settle {RUN} --finish or --take-back" in "\n".join(run.told("warning"))
        assert (place.stage, place.uploads.exists()) == ("swapping", False), effect
    with pytest.raises(BackupError, match=r"a restore of .* was interrupted; this job changed nothing"):
        await place.do(effects.forget, plan="other")
    assert (place.stage, place.uploads.exists()) == ("swapping", False)


@pytest.mark.parametrize("finish", [True, False])
async def test_on_a_protected_host_nothing_is_settled_by_order_either(place: Shop, finish: bool) -> None:
    place.interrupted_restores()
    place.written(protected=True)
    with pytest.raises(NotAllowed, match="protected"):
        await place.do(effects.settle, finish=finish)
    with pytest.raises(BackupError, match="did not finish; nothing was undone"):
        await place.do(effects.undo, set="latest")
    assert (place.stage, place.uploads.exists()) == ("swapping", False)
    place.written(protected=False)
    await place.do(effects.settle, finish=finish)
    assert (place.uploads / "a.txt").read_text() == ("of the set\n" if finish else "today\n")


async def test_an_ordered_restore_settles_what_it_can(place: Shop) -> None:
    await place.do(effects.backup, plan="other")
    place.interrupted_restores()
    await place.do(effects.restore, plan="other")
    assert (place.stage, (place.uploads / "a.txt").read_text()) == ("swapped", "of the set\n")


async def test_one_that_cannot_be_settled_keeps_only_its_own_place_from_being_restored(place: Shop) -> None:
    await place.do(effects.backup, plan="other")
    await place.do(effects.backup, plan="uploads")
    gone = place.interrupted_restores()
    swap = msgspec.structs.replace(gone.swaps[0], kind="no-such-kind-any-more")
    interrupted.write(msgspec.structs.replace(gone, swaps=(swap,)))
    (place.other / "a.txt").write_text("later\n")
    run, outcome = await place.do(effects.restore, plan="other")
    assert outcome.state == "ok"
    assert (place.other / "a.txt").read_text() == "today\n"
    assert "was interrupted" in "\n".join(run.told("warning"))
    run, outcome = await place.do(effects.undo, set="latest")
    assert (place.other / "a.txt").read_text() == "later\n"
    with pytest.raises(
        BackupError, match=r"a restore of .* into .*uploads \(job .*\) was interrupted; this job changed nothing"
    ) as refused:
        await place.do(effects.restore, plan="uploads")
    assert "--forget" in str(refused.value.hint)
    assert not place.uploads.exists()


def left_there(restored: Restored) -> list[bool]:
    """Whether what was staged and what was there before are there."""
    return [Path(name).is_dir() for swap in restored.swaps for name in (swap.staged, swap.before)]


async def test_of_a_host_that_is_gone_it_is_put_aside(place: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    restored = place.interrupted_restores(host="gone")
    await place.do(effects.backup, plan="other")
    await place.do(effects.restore, plan="other")
    assert place.stage == "swapping"
    _run, outcome = await place.do(effects.settle, aside=True)
    assert restored.swaps[0].before in str(outcome.hint)
    assert outcome.result == {"set": SET, "settled": "put aside"}
    assert (place.stage, interrupted.read_open()) == ("aside", [])
    assert left_there(restored) == [True, True], "what it left stays"
    run, _outcome = await place.do(effects.backup, plan="other")
    assert run.told("warning") == []


def test_what_would_stay_is_shown_first(place: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    restored = place.interrupted_restores()
    assert main(["--config", str(place.config), "backup", "settle", "--forget"]) == 1
    said = capsys.readouterr().out
    assert restored.swaps[0].before in said
    assert f"lilfox backup settle {RUN} --forget --yes" in said
    assert main(["--config", str(place.config), "backup", "settle", "--forget", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("backup-settle"))
    assert restored.swaps[0].before in document["stays"]
    assert place.stage == "swapping"


@pytest.mark.parametrize(
    ("host", "name", "meets"),
    [
        ("", "/srv/app/uploads", True), ("", "/srv/app/", True), ("", "/srv/app/uploads/a", True),
        ("this", "/srv/./app/uploads", True), ("db-1", "/srv/app/uploads", False), ("", "/srv/app/uploads2", False),
        ("db-1", "lilfox", True), ("", "lilfox", False), ("db-1", "lilfox2", False), ("db-1", "shop", True),
    ],
)  # fmt: skip
def test_what_is_interrupted_is_held_against_what_is_to_be_replaced(host: str, name: str, meets: bool) -> None:
    config = Config(hosts={"this": HostConfig(local=True)})
    swaps = (
        Swap(kind="files", set="s", target="/srv/app/uploads", staged="x", before="y"),
        Swap(kind="postgresql", set="s", target="lilfox", staged="x", before="y", host="db-1"),
        Swap(kind="postgresql", set="s", target="public.users", staged="x", before="y", host="db-1", within="shop"),
    )
    left = [Restored(run=RUN, set=SET, at=datetime.now(UTC), stage="swapping", swaps=swaps)]
    assert RestorePlace("db-1", "shop") in places_of(swaps)
    if not meets:
        refuse_shared(config, left, [RestorePlace(host, name)])
        return
    with pytest.raises(BackupError, match=r"a restore of .* was interrupted; this job changed nothing"):
        refuse_shared(config, left, [RestorePlace(host, name)])
    with pytest.raises(BackupError, match=r"a restore of .* was interrupted; this job changed nothing"):
        refuse_on_hosts(config, left, [host])
