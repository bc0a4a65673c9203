"""What restores keep: told from the journal and the hosts, let go all together or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lilfox_tui.backup import effects
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.options import FilesOptions
from lilfox_tui.backup.restores import interrupted, retained
from lilfox_tui.backup.restores.interrupted import Restored, Stage
from lilfox_tui.backup.source import Renames, RetainedItem, Swap
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.core.errors import NotAllowed, UsageError
from tests.unit.backup.noted_run import NotedRun

SET = "lilfox_20231230_020000"


class Place:
    """What lies on the hosts: name → why it must stay. ``broken`` names fail when they are taken away."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.broken: set[str] = set()
        self.asked_on: list[str | None] = []
        self.protected = False

    async def kept(self, swap: Swap, host: object) -> list[RetainedItem]:
        return [
            RetainedItem(target=one.target, name=name, size_bytes=7, why_not=self.there[name])
            for one in swap.renames
            for name in (one.before, one.staged)
            if name in self.there
        ]

    async def forget(self, swap: Swap, host: object) -> None:
        for each in await self.kept(swap, host):
            if each.name in self.broken:
                raise BackupError(f"{each.name} cannot go")
            del self.there[each.name]

    def host(self, name: str | None) -> SimpleNamespace:
        self.asked_on.append(name)
        if name == "gone":
            raise UsageError("there is no host gone in the configuration")
        return SimpleNamespace(name=name, protected=self.protected)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    made = Place()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(retained, "source_module", lambda kind: SimpleNamespace(kept=made.kept, forget=made.forget))
    return made


def opening_of(place: Place) -> BackupContext:
    return cast("BackupContext", SimpleNamespace(host=place.host))


def swap_of(target: str, *also: Renames, host: str = "") -> Swap:
    return Swap(
        kind="fake", set="s", target=target, staged=f"{target}_restore", before=f"{target}_before", also=also, host=host
    )


def noted(
    *swaps: Swap, run: str = "job-1", set_id: str = SET, stage: Stage = "swapped", at: datetime | None = None
) -> Restored:
    made = Restored(run=run, set=set_id, at=at or datetime.now(UTC), stage=stage, swaps=swaps)
    interrupted.write(made)
    return made


def stages() -> list[str]:
    return [each.stage for each in interrupted.read_all()]


async def test_all_that_is_kept_is_listed_with_what_is_missing(place: Place) -> None:
    place.there = {"shop_before": "", "old_restore": "it is in use"}
    noted(swap_of("shop", Renames("two", "two_restore", "two_before"), host="db"))
    noted(swap_of("old"), run="job-2", stage="undone")
    noted(swap_of("new"), run="job-3", stage="forgotten")
    lines = await retained.all_kept(opening_of(place))
    assert [(line.host, line.name, line.there, line.size_bytes, line.reason) for line in lines] == [
        ("", "old_restore", True, 7, "it is in use"),
        ("db", "shop_before", True, 7, ""),
        ("db", "two_before", False, None, ""),
    ]


async def test_what_a_known_restore_staged_is_not_listed_as_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def left(_options: object, _host: object) -> list[RetainedItem]:
        return [RetainedItem(target="up", name=name, why_not="by hand") for name in ("/a/.up_1", "/a/.up_2")]

    monkeypatch.setattr(retained, "source_module", lambda _kind: SimpleNamespace(left=left))
    noted(Swap(kind="files", set="s", target="/a/up", staged="/a/.up_1/tree", before=""), stage="undone")
    plan = PlanConfig(sources={"up": FilesOptions(path="/a/up")}, store="disk")
    assert [row.name for row in await retained.all_left(opening_of(place), [plan])] == ["/a/.up_2"]


async def test_what_cannot_be_asked_is_not_known_and_keeps_nobody_from_the_rest(place: Place) -> None:
    place.there = {"shop_before": ""}
    noted(swap_of("shop"), swap_of("far", host="gone"))
    lines = await retained.all_kept(opening_of(place))
    assert [(line.name, line.there) for line in lines] == [("shop_before", True), ("far_before", None)]
    assert "there is no host gone" in str(lines[1].reason)
    with pytest.raises(BackupError, match="cannot remove far_before: there is no host gone"):
        await retained.forget(NotedRun(), opening_of(place), retained.chosen(SET)[0])
    assert place.there
    assert stages() == ["swapped"]


async def test_letting_go_takes_all_of_it_and_says_so(place: Place) -> None:
    place.there = {"shop_before": "", "two_before": "", "uploads_before": ""}
    noted(swap_of("shop", Renames("two", "two_restore", "two_before")), swap_of("uploads"))
    (restored,) = retained.chosen(SET)
    run = NotedRun()
    assert await retained.forget(run, opening_of(place), restored) == ["shop_before", "two_before", "uploads_before"]
    assert place.there == {}
    assert stages() == ["forgotten"]
    assert run.intents == [f"removing {name}" for name in ("shop_before", "two_before", "uploads_before")]
    assert run.told("good") == [f"{name} was removed" for name in ("shop_before", "two_before", "uploads_before")]


async def test_one_that_must_stay_keeps_all(place: Place) -> None:
    place.there = {"shop_before": "", "uploads_before": "it is in use by process 7"}
    restored = noted(swap_of("shop"), swap_of("uploads"))
    with pytest.raises(
        BackupError, match="cannot remove uploads_before: it is in use by process 7; nothing was removed"
    ):
        await retained.forget(NotedRun(), opening_of(place), restored)
    assert len(place.there) == 2
    assert stages() == ["swapped"]


async def test_nothing_is_taken_away_on_a_protected_host(place: Place) -> None:
    place.there, place.protected = {"shop_before": ""}, True
    with pytest.raises(NotAllowed, match="protected"):
        await retained.forget(NotedRun(), opening_of(place), noted(swap_of("shop")))
    assert place.there
    assert stages() == ["swapped"]


async def test_one_that_fails_in_the_middle_can_be_let_go_again_but_not_undone(place: Place) -> None:
    place.there, place.broken = {"shop_before": "", "uploads_before": ""}, {"uploads_before"}
    restored = noted(swap_of("shop"), swap_of("uploads"))
    with pytest.raises(BackupError, match="cannot go"):
        await retained.forget(NotedRun(), opening_of(place), restored)
    assert stages() == ["forgetting"]
    with pytest.raises(BackupError, match="cannot be undone: the previous data was deleted"):
        await effects.undo(NotedRun(), {"set": SET})
    place.broken.clear()
    (again,) = retained.chosen(SET)
    assert await retained.forget(NotedRun(), opening_of(place), again) == ["uploads_before"]
    assert stages() == ["forgotten"]


async def test_a_restore_is_named_by_set_date_or_job(place: Place) -> None:
    noted(swap_of("a"), run="job-1", at=datetime.now(UTC) - timedelta(hours=2))
    noted(swap_of("b"), run="job-2", at=datetime.now(UTC) - timedelta(hours=1))
    noted(swap_of("c"), run="job-3", set_id="my_plan_20231231_020000")
    noted(swap_of("d"), run="job-4", stage="swapping")
    named = {
        words: [each.run for each in retained.chosen(words)]
        for words in (SET, "20231230_020000", "job-1", "latest", "20231231_020000")
    }
    assert named == {
        SET: ["job-2", "job-1"],
        "20231230_020000": ["job-2", "job-1"],
        "job-1": ["job-1"],
        "latest": ["job-3"],
        "20231231_020000": ["job-3"],
    }
    for words in ("", "other", "job-4"):
        with pytest.raises(BackupError, match=r"no restore of .* has retained data") as told:
            retained.chosen(words)
        assert SET in str(told.value.hint)


async def test_one_that_was_set_aside_is_let_go_by_its_set_unless_another_one_is_meant(place: Place) -> None:
    place.there = {"shop_before": "", "shop_restore": ""}
    noted(swap_of("shop"), swap_of("far", host="gone"), stage="aside")
    noted(swap_of("shop"), run="job-2", at=datetime.now(UTC) - timedelta(hours=1), stage="swapped")
    assert [each.run for each in retained.chosen(SET)] == [each.run for each in retained.chosen("latest")] == ["job-2"]
    noted(run="job-2", stage="forgotten")
    (restored,) = retained.chosen(SET)
    assert retained.chosen("job-1") == [restored]
    assert await retained.forget(NotedRun(), opening_of(place), restored) == ["shop_before", "shop_restore"]
    assert (place.there, stages()) == ({}, ["forgotten", "forgotten"])


@pytest.mark.fault("4.100")
def test_only_the_records_of_restores_that_keep_nothing_expire(place: Place) -> None:
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=91)
    for stage in ("swapping", "swapped", "undoing", "undone", "forgetting", "forgotten", "aside"):
        noted(run=f"old-{stage}", at=long_ago, stage=stage)
    for number in range(interrupted.MOST_KNOWN + 5):
        noted(run=f"job-{number}", at=now - timedelta(minutes=number), stage="forgotten")
    known = {each.run for each in interrupted.read_all()}
    assert len(known) == interrupted.MOST_KNOWN + 6
    assert known - {f"job-{number}" for number in range(interrupted.MOST_KNOWN)} == {
        f"old-{stage}" for stage in ("swapping", "swapped", "undoing", "undone", "forgetting", "aside")
    }
    assert "old-swapped" in {each.run for each in retained.chosen("old-swapped")}
