"""How far a rollout is and what a revision changes, by objects as the API server of Kubernetes 1.32 prints them."""

from __future__ import annotations

from typing import Any

import pytest

from lilfox_tui.operations.cluster_objects import (
    image_changes,
    other_changes,
    patience_s,
    revisions_of,
    rollout_state,
    template_images,
    why_no_rollout,
)


def deployment(status: dict[str, Any], *, replicas: int | None = 3, **spec: Any) -> dict[str, Any]:
    made = {"progressDeadlineSeconds": 600, **spec} | ({} if replicas is None else {"replicas": replicas})
    annotations = {"deployment.kubernetes.io/revision": "4"}
    return {
        "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "web", "uid": "d1", "generation": 4, "annotations": annotations},
        "spec": made,
        "status": {"observedGeneration": 4, **status},
    }


DEADLINE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "…"}]
FULL = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}


@pytest.mark.parametrize(
    ("status", "done", "text"),
    [
        (FULL, True, "3 of 3 updated, 3 available"),
        (FULL | {"observedGeneration": 3}, False, "Kubernetes has not seen the change yet"),
        (FULL | {"updatedReplicas": 1, "replicas": 4}, False, "1 of 3 updated, 3 available, 3 old pods remain"),
        (FULL | {"replicas": 4}, False, "3 of 3 updated, 3 available, 1 old pod remains"),
        (FULL | {"availableReplicas": 2}, False, "3 of 3 updated, 2 available"),
        ({}, False, "0 of 3 updated, 0 available"),
    ],
)
def test_a_deployment_is_rolled_out_when_all_of_it_is_new_and_available(
    status: dict[str, Any], done: bool, text: str
) -> None:
    state = rollout_state(deployment(status))
    assert (state.done, state.text, state.failure) == (done, text, "")


def test_a_deployment_without_pods_and_one_that_names_no_number() -> None:
    assert rollout_state(deployment({}, replicas=0)).done
    assert rollout_state(deployment({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}, replicas=None)).done


def test_what_kubernetes_has_given_up_is_a_failure_with_what_is_there() -> None:
    halfway = {"replicas": 4, "updatedReplicas": 1, "availableReplicas": 3, "conditions": DEADLINE}
    state = rollout_state(deployment(halfway, progressDeadlineSeconds=30))
    assert (
        state.failure == "no progress within 30 s (progress deadline): 1 of 3 updated, 3 available, 3 old pods remain"
    )
    assert not rollout_state(deployment(halfway | {"observedGeneration": 3})).failure, "that of the change before"
    assert rollout_state(deployment(FULL | {"conditions": DEADLINE})).done, "it came to its end later"


@pytest.mark.parametrize(
    ("status", "partition", "done"),
    [
        ({"updateRevision": "web-b", "currentRevision": "web-b", "readyReplicas": 3, "updatedReplicas": 3}, 0, True),
        ({"updateRevision": "web-b", "currentRevision": "web-a", "readyReplicas": 3, "updatedReplicas": 2}, 0, False),
        ({"updateRevision": "web-b", "currentRevision": "web-b", "readyReplicas": 2}, 0, False),
        ({"updateRevision": "web-b", "currentRevision": "web-a", "readyReplicas": 3, "updatedReplicas": 1}, 2, True),
        ({"updateRevision": "web-b", "currentRevision": "web-a", "readyReplicas": 3, "updatedReplicas": 0}, 2, False),
        ({"updateRevision": "web-b", "currentRevision": "web-a", "readyReplicas": 3, "updatedReplicas": 0}, 9, True),
    ],
)
def test_a_stateful_set(status: dict[str, Any], partition: int, done: bool) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    document = {"kind": "StatefulSet", "spec": {"replicas": 3, "updateStrategy": strategy}, "status": status}
    assert rollout_state(document).done is done


def test_a_daemon_set_counts_nodes() -> None:
    status = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}
    assert rollout_state({"kind": "DaemonSet", "status": status}).text == "2 of 2 updated, 1 available"
    assert not rollout_state({"kind": "DaemonSet", "status": status}).done
    assert rollout_state({"kind": "DaemonSet", "status": status | {"numberAvailable": 2}}).done


def test_patience_is_that_of_the_deployment() -> None:
    assert patience_s(deployment({}, progressDeadlineSeconds=30)) == 30
    assert patience_s(deployment({}, progressDeadlineSeconds=2**31 - 1)) == 600, "which means that it has none"
    assert patience_s({"kind": "DaemonSet"}) == 600


def test_what_reaches_no_pod_is_told_before() -> None:
    assert why_no_rollout(deployment({})) is None
    assert "paused" in str(why_no_rollout(deployment({}, paused=True)))
    assert "OnDelete" in str(why_no_rollout({"spec": {"updateStrategy": {"type": "OnDelete"}}}))


def replica_set(number: str, image: str, uid: str = "d1", **more: Any) -> dict[str, Any]:
    owner = {"kind": "Deployment", "name": "web", "uid": uid, "controller": True}
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{number}",
            "ownerReferences": [owner],
            "annotations": {"deployment.kubernetes.io/revision": number, "kubernetes.io/change-cause": f"r{number}"},
            "creationTimestamp": "2026-11-30T10:00:00Z",
        },
        "spec": {"template": template(image, number, **more)},
        "status": {"replicas": 3 if number == "4" else 0},
    }


def template(image: str, hash_: str = "", **more: Any) -> dict[str, Any]:
    labels = {"app": "web", "pod-template-hash": hash_}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image, **more}]}}


def test_revisions_are_those_of_the_workload_newest_first() -> None:
    owned = [
        replica_set("2", "shop:1.2"), replica_set("4", "shop:1.4"), replica_set("9", "other:1", uid="x"),
        replica_set("", "shop:0"), {"metadata": {"name": "stray"}},
    ]  # fmt: skip
    found = revisions_of(deployment({}), owned)
    assert [(each.number, each.present, each.images) for each in found] == [
        (4, True, (("app", "shop:1.4"),)),
        (2, False, (("app", "shop:1.2"),)),
    ]
    assert (found[1].cause, found[0].replicas, found[1].name) == ("r2", 3, "web-2")
    assert revisions_of({"kind": "Deployment"}, owned) == (), "without an id nothing is its own"


def test_revisions_of_a_stateful_set_are_controller_revisions() -> None:
    def revision(number: int) -> dict[str, Any]:
        return {
            "metadata": {"name": f"db-{number}", "ownerReferences": [{"uid": "s1", "controller": True}]},
            "data": {"spec": {"template": {**template(f"db:{number}"), "$patch": "replace"}}},
            "revision": number,
        }

    document = {"kind": "StatefulSet", "metadata": {"uid": "s1"}, "status": {"updateRevision": "db-1"}}
    found = revisions_of(document, [revision(1), revision(2)])
    assert [(each.number, each.present) for each in found] == [(2, False), (1, True)]
    agents = revisions_of({"kind": "DaemonSet", "metadata": {"uid": "s1"}}, [revision(1), revision(2)])
    assert [(each.number, each.present) for each in agents] == [(2, True), (1, False)]


def test_what_a_revision_changes_is_told_by_container() -> None:
    before, after = (("init", "a:1"), ("app", "shop:1.4"), ("old", "o:1")), (("init", "a:1"), ("app", "shop:1.2"))
    assert image_changes(before, (*after, ("new", "n:1"))) == (
        "image of app: shop:1.4 → shop:1.2",
        "container old (o:1) is removed",
        "container new (n:1) is added",
    )
    assert image_changes(before, before) == ()
    assert template_images(template("shop:1")) == (("app", "shop:1"),)


def test_what_else_differs_is_named_without_its_value() -> None:
    before = template("shop:1", "a", env=[{"name": "KEY", "value": "s3cret"}])
    after = template("shop:2", "b", env=[{"name": "KEY", "value": "other"}])
    after["spec"]["containers"].append({"name": "new", "image": "n:1"})
    after["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now", "checksum/config": "1"}
    after["spec"]["serviceAccountName"] = "web"
    assert other_changes(before, after) == (
        "metadata.annotations.checksum/config",
        "spec.containers[app].env",
        "spec.serviceAccountName",
    )
    assert other_changes(template("shop:1", "a"), template("shop:2", "b")) == ()
    assert "s3cret" not in " ".join(other_changes(before, after))
