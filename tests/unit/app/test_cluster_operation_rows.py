"""An operation on a cluster as a person confirms it."""

from __future__ import annotations

from typing import get_args

from lilfox_tui.app.operations import shown_rows
from lilfox_tui.app.rows.job_words import job_kind_text
from lilfox_tui.operations.model import Kind, Operation

KUBECTL = ("kubectl", "--context=shop-prod")


def test_what_takes_it_back_is_shown_below_what_it_changes() -> None:
    operation = Operation(
        kind="cordon", host="web-1", subject="node n1 of shop-prod", argv=(*KUBECTL, "cordon", "n1"),
        title="cordon node n1 of shop-prod", changes=("new pods are not scheduled on it",),
        undo=(*KUBECTL, "uncordon", "n1"), confirm="shop-prod",
    )  # fmt: skip
    lines = ["".join(piece.text for piece in row).split() for row in shown_rows(operation)]
    assert lines == [
        ["host", "web-1"],
        ["runs", *KUBECTL, "cordon", "n1"],
        [],
        ["changes", "new", "pods", "are", "not", "scheduled", "on", "it"],
        [],
        ["undo", *KUBECTL, "uncordon", "n1"],
    ]


def test_each_kind_of_operation_has_a_word_for_its_key() -> None:
    internal = {"restart workload", "set image", "undo rollout", "scale workload", "pause rollout", "resume rollout",
                "delete pod"}  # fmt: skip
    assert internal < set(get_args(Kind))
    assert not [kind for kind in internal if job_kind_text(kind) == kind]
