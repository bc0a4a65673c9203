"""Rollouts of a cluster are made, undone and paused by the real kubectl; its objects prove each, and one that fails is
told with the reasons of its pods."""

from __future__ import annotations

import asyncio
import shlex

import pytest
from msgspec.structs import replace

from lilfox_tui.clusters.objects import REVISION
from lilfox_tui.core.errors import CommandFailed, NotAllowed, UsageError
from lilfox_tui.operations.cluster_job import ClusterProof
from lilfox_tui.operations.cluster_objects import read_revisions, read_workload
from lilfox_tui.operations.clusters import (
    ClusterChange,
    image_change,
    rollout_change,
    undo_change,
    undo_line,
)
from lilfox_tui.operations.job import make_change
from tests.services.cluster_desk import LOOKS_S, SETTLES_S, Desk, cluster, desk, runs, serving
from tests.services.kube_cluster import KubeCluster, deployment
from tests.waiting import until

__all__ = ["cluster", "desk"]

WEB = ("Deployment", "shop", "web")


async def test_a_rolling_update_is_proved_and_undone(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster)
    place = await desk.place()
    change = await image_change(place, *WEB, "shop/web:1.1")
    assert change.operation.title == "update deployment/web in shop on shop-staging to shop/web:1.1"
    assert change.operation.changes[0] == "image of web: shop/web:1.0 → shop/web:1.1"
    assert shlex.split(undo_line(change.operation))[-3:] == ["undo", "deployment/web", "--to-revision=1"]
    assert change.operation.confirm == ""
    assert await desk.make(change) == "deployment/web is rolled out: 3 of 3 updated, 3 available"
    assert desk.images() == {"shop/web:1.1"}
    back = await undo_change(place, *WEB, 1)
    assert back.operation.argv == change.operation.undo
    assert back.operation.changes[0] == "image of web: shop/web:1.1 → shop/web:1.0"
    assert await desk.make(back) == "deployment/web is rolled out: 3 of 3 updated, 3 available"
    assert desk.images() == {"shop/web:1.0"}


async def test_an_update_that_fails_is_told_with_the_reasons_of_its_pods(desk: Desk, cluster: KubeCluster) -> None:
    told = {
        "crash": r"web-crash ended with exit code 1",
        "missing": r"missing-\w+-\w+: (ErrImagePull|ImagePullBackOff), .*shop/web:missing",
        "oom": r"web-oom ended with (OOMKilled, )?exit code 137",
        "unready": r"Running, web-unready is not ready",
    }
    cluster.apply(*(deployment(f"web-{tag}", progressDeadlineSeconds=1) for tag in told))
    cluster.settle()

    async def update(tag: str, reason: str) -> ClusterChange:
        change = await image_change(await desk.place(), "deployment", "shop", f"web-{tag}", f"shop/web:{tag}")
        with pytest.raises(CommandFailed, match=reason) as failed:
            await Desk.of(desk).make(change)
        if tag in ("missing", "unready"):  # the others are ready for a moment
            assert "no progress within 1 s (progress deadline): 1 of 3 updated, 3 available, 3 old pods" in str(
                failed.value
            )
        assert str(failed.value.hint) == f"To undo it: {undo_line(change.operation)}"
        return change

    changes = await asyncio.gather(*(update(tag, reason) for tag, reason in told.items()))
    for each in changes[1::2]:
        assert "shop/web:1.0" in desk.images(each.target.name), "those of before serve"
    [number] = [word.partition("=")[2] for word in changes[0].operation.undo if word.startswith("--to-revision=")]
    back = await undo_change(await desk.place(), "deployment", "shop", "web-crash", int(number))
    assert back.operation.changes[-1].startswith("it is not rolled out now: ")
    assert await desk.make(back) == "deployment/web-crash is rolled out: 3 of 3 updated, 3 available"


async def test_a_revision_that_is_not_there_or_is_now_is_refused(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "twice", cause="first")
    cluster.set_image("twice", "shop/web:1.1", cause="second")
    cluster.settle("twice")
    place, twice = await desk.place(), ("deployment", "shop", "twice")
    revisions = await read_revisions(place.kubectl, await read_workload(place.kubectl, *twice))
    assert [(each.number, each.present, each.images) for each in revisions] == [
        (2, True, (("twice", "shop/web:1.1"),)),
        (1, False, (("twice", "shop/web:1.0"),)),
    ]
    change = await undo_change(place, *twice, 1)
    assert change.operation.changes[:2] == (
        "image of twice: shop/web:1.1 → shop/web:1.0", "cause of revision 1: first",
    )  # fmt: skip
    with pytest.raises(UsageError, match="has no revision 9") as refused:
        await undo_change(place, *twice, 9)
    assert str(refused.value.hint) == "one of: 1"
    with pytest.raises(UsageError, match="has revision 2 now"):
        await undo_change(place, *twice, 2)
    with pytest.raises(UsageError, match=r"no deployment/nothing in namespace shop of shop-staging"):
        await undo_change(place, "deployment", "shop", "nothing", 1)
    with pytest.raises(UsageError, match="job is not a kind of workload"):
        await undo_change(place, "job", "shop", "twice", 1)
    cluster.kubectl("rollout", "undo", "deployment/twice", "-n", "shop")
    cluster.until(lambda: cluster.get("deployments", "twice")["metadata"]["annotations"][REVISION] == "3")
    with pytest.raises(NotAllowed, match="revision 1 is not what it was"):
        await desk.make(change)


async def test_a_restart_replaces_each_pod(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "again", replicas=2)
    before = {each["metadata"]["uid"] for each in cluster.pods("again")}
    change = await rollout_change(await desk.place(), "restart", "Deployment", "shop", "again")
    assert await desk.make(change) == "deployment/again is rolled out: 2 of 2 updated, 2 available"
    assert not before & {each["metadata"]["uid"] for each in cluster.pods("again") if runs(each)}
    assert change.operation.undo == ()


async def test_a_rollout_is_paused_and_resumed(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "rest", replicas=1)
    place, rest = await desk.place(), ("deployment", "shop", "rest")
    pause = await rollout_change(place, "pause", *rest)
    assert await desk.make(pause) == "the rollout of rest is paused"
    for refused in (rollout_change(place, "restart", *rest), image_change(place, *rest, "shop/web:2")):
        with pytest.raises(NotAllowed, match="its rollout is paused: resume it first"):
            await refused
    with pytest.raises(UsageError, match="is paused already"):
        await rollout_change(place, "pause", *rest)
    resume = await rollout_change(place, "resume", *rest)
    assert (resume.operation.argv, resume.operation.undo) == (pause.operation.undo, pause.operation.argv)
    assert await desk.make(resume) == "deployment/rest is rolled out: 1 of 1 updated, 1 available"
    with pytest.raises(UsageError, match="is not paused"):
        await rollout_change(place, "resume", *rest)


async def test_another_ones_update_meanwhile_is_not_called_ours(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "both", replicas=1)
    change = await image_change(await desk.place(), "deployment", "shop", "both", "shop/web:slow")
    made = asyncio.create_task(desk.make(change))
    await until(lambda: "shop/web:slow" in desk.images("both"))
    cluster.set_image("both", "shop/web:2.0")
    with pytest.raises(CommandFailed, match="the images of both were changed in the meantime"):
        await made


async def test_a_number_that_is_changed_while_it_settles_is_waited_for(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "more", replicas=1)
    change = await rollout_change(await desk.place(), "restart", "deployment", "shop", "more")
    proof = ClusterProof(desk.run, desk.kubectl, change, settles_s=SETTLES_S * 5, looks_s=LOOKS_S)
    made = asyncio.create_task(make_change(desk.run, desk.host, change.operation, proof=proof))
    await until(lambda: any("stays so" in each for each in desk.run.told("note")))
    cluster.kubectl("scale", "deployment/more", "--replicas=2", "-n", "shop")
    assert await made == "deployment/more is rolled out: 2 of 2 updated, 2 available"


async def test_a_command_that_has_done_nothing_is_no_success(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "same", replicas=1)
    change = await rollout_change(await desk.place(), "restart", "deployment", "shop", "same")
    idle = ("annotate", "deployment/same", "--dry-run=server", "a=b")
    argv = (*change.operation.argv[: change.operation.argv.index("rollout")], *idle)
    nothing = replace(change, operation=replace(change.operation, argv=argv))
    with pytest.raises(CommandFailed, match="the cluster does not have the change"):
        await desk.make(nothing)
