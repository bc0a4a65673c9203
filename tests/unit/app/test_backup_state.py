"""Which plan and set are selected in the Backup pane, and why something cannot be done, without a screen."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from lilfox_tui.app.panes.backup.state import BackupState
from lilfox_tui.backup.options import FilesOptions
from lilfox_tui.backup.restores.interrupted import Restored
from lilfox_tui.config.foreign import ResticPlanConfig
from lilfox_tui.config.model import Config, HostConfig, KeepConfig, PlanConfig
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups
from tests.app.backups_made import NOW, PLAN, broken, healthy, job, made_set, nights, plan


def showing(backups: Backups, config: Config | None = None) -> BackupState:
    state = BackupState(config or Config())
    state.backups = backups
    return state


def selected(state: BackupState) -> str:
    return "" if state.selected_set is None else state.selected_set.id


def plan_name(state: BackupState) -> str:
    return "" if state.selected_plan is None else state.selected_plan.name


def worse(name: str) -> Backups:
    """``healthy``, but for one plan."""
    views = [replace(view, level=Level.FAILING) if view.name == name else view for view in healthy().plans.values()]
    return replace(healthy(), plans={view.key: view for view in views})


def test_the_worst_plan_is_selected_until_somebody_chooses() -> None:
    state = showing(healthy())
    assert plan_name(state) == "lilfox"
    state.backups = worse("archive")
    assert plan_name(state) == "archive"
    state.backups = replace(worse("archive"), jobs=(job(),))
    assert plan_name(state) == "lilfox", "what runs comes first"
    state.move(-1)
    state.backups = worse("archive")
    assert plan_name(state) == "lilfox", "it was chosen"


def test_whoever_goes_to_the_sets_keeps_their_plan() -> None:
    for go in (BackupState.switch_list, lambda state: state.choose_set(None), lambda state: state.set_filter("intact")):
        state = showing(healthy())
        go(state)
        state.backups = worse("archive")
        assert plan_name(state) == "lilfox"


def test_the_highlighted_set_is_the_one_that_actions_are_about() -> None:
    """Also where the one that was chosen is filtered out, or gone: what is seen is what is restored."""
    state = showing(healthy())
    assert selected(state) == "lilfox_20260329_020000", "of a plan its newest"
    state.choose_set(None)
    state.move(2)
    assert (state.place, selected(state)) == (2, "lilfox_20260327_020000")
    state.set_filter("unverified")
    assert (state.place, selected(state)) == (0, state.sets[0].id)
    state.set_filter("no such words")
    assert selected(state) == ""
    assert "no set" in str(state.why_no_set())


def test_the_newest_set_is_the_plans_own() -> None:
    other = made_set(timedelta(minutes=5), "intact", plan="archive")
    state = showing(Backups({("lilfox", "disk"): plan("lilfox", (other, *nights(2)))}, jobs=()))
    assert selected(state) == "lilfox_20260329_020000"
    state.choose_set(None)
    assert selected(state) == other.id, "but the highlighted row is itself"


def test_a_filter_hides_sets_or_marks_them() -> None:
    state = showing(broken())
    assert plan_name(state) == "lilfox"
    state.set_filter("INTACT")
    [only] = state.sets
    state.only_matching = False
    assert len(state.sets) == 5
    assert [found.id for found in state.sets if state.is_marked(found)] == [only.id]
    state.set_filter("")
    assert not any(state.is_marked(found) for found in state.sets)


def test_matches_are_gone_through_around_the_ends() -> None:
    state = showing(broken())
    state.only_matching = False
    state.filter = "unverified"
    places = []
    for direction in (1, 1, 1, -1):
        state.select_match(direction)
        places.append(state.place)
    assert places == [2, 4, 2, 4]
    assert state.focus == "sets"


def test_a_page_is_of_one_set_and_of_no_other() -> None:
    state = showing(healthy())
    state.choose_set(None)
    state.open("lilfox_20260328_020000")
    assert selected(state) == "lilfox_20260328_020000"
    assert "already open" in str(state.why_not_open())
    view = plan("lilfox", nights(1))
    state.backups = Backups({view.key: view}, jobs=())
    assert selected(state) == "", "it was removed meanwhile"
    state.open(None)
    assert selected(state) == "lilfox_20260329_020000"


def test_a_job_is_shown_in_the_row_of_its_own_store() -> None:
    state = showing(replace(healthy(), jobs=(job(),)))
    lilfox, copy, archive = state.plans
    assert state.running(lilfox) is not None
    assert state.running(copy) is None
    assert state.running(archive) is None
    state.choose_plan(archive.key)
    assert state.shown_job is not None, "of another plan: none of its own runs"


def test_why_a_plan_is_not_run() -> None:
    state = showing(healthy())
    assert state.why_not_back_up() is None
    state.busy = True
    assert "a job is already starting" in str(state.why_not_back_up())
    state.busy = False
    state.backups = replace(healthy(), jobs=(job(kind="verify", key="verify lilfox"),))
    assert state.why_not_back_up() is None, "it only reads"
    state.backups = replace(healthy(), jobs=(job(),))
    assert "is running" in str(state.why_not_back_up())
    assert "read_only" in str(showing(healthy(), Config(read_only=True)).why_not_back_up())
    assert "no backups are configured" in str(showing(Backups()).why_not_back_up())
    store = plan("/backup", nights(1), config=None)
    assert "no plan backs up to /backup" in str(showing(Backups({store.key: store})).why_not_back_up())
    endless = plan("lilfox", nights(1), config=replace(PLAN, keep=None))
    assert "no retention" in str(showing(Backups({endless.key: endless})).why_not_prune())
    restic = ResticPlanConfig(kind="restic", repository="/r", password_file="/p", paths=("/srv",))
    for config, why in ((restic, "no retention"), (replace(restic, keep=KeepConfig(last=1)), "after each backup")):
        view = plan("uploads", nights(1), config=config)
        assert why in str(showing(Backups({view.key: view})).why_not_prune())


def test_why_a_set_is_not_restored() -> None:
    assert showing(healthy()).why_not_restore() is None
    assert "is broken" in str(showing(broken()).why_not_restore())
    there = PlanConfig(sources={"files": FilesOptions(path="/srv", host="db-1")}, store="disk")
    view = plan("lilfox", nights(1), config=there)
    config = Config(hosts={"db-1": HostConfig(address="db-1", protected=True)})
    assert "db-1 is protected" in str(showing(Backups({view.key: view}), config).why_not_restore())


def test_restores_are_counted_with_the_plan_whose_set_they_are_of() -> None:
    state = showing(healthy())
    state.restores = [
        Restored(run=str(number), set=each, at=NOW, stage="swapped", swaps=())
        for number, each in enumerate(("lilfox_20260101_020000", "lilfox_20260328_020000", "archive_20260101_020000"))
    ]
    lilfox, _copy, archive = state.plans
    assert (len(state.restores_of(lilfox)), len(state.restores_of(archive))) == (2, 1)
