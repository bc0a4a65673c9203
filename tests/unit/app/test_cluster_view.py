"""The Clusters pane drawn: the context on every screen, what is wrong first, nothing past an edge, nothing hostile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.cluster.state import ClusterState, Page, key_of
from lilfox_tui.app.panes.cluster.view import BESIDE, ClusterDrawing, ClusterScreen, ClusterStyle
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Row
from lilfox_tui.app.rows.clusters import KINDS, Kind, cluster_row, cores_text
from lilfox_tui.clusters.kubectl import ClusterError
from lilfox_tui.clusters.model import ClusterView
from lilfox_tui.core.i18n import set_language, tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from tests.app.clusters_made import broken, container, pod, well, with_clusters, workload
from tests.app.overviews import NOW

SIZES = ((40, 7), (60, 9), (80, 21), (120, 37), (200, 52))
"""What the frame leaves of 40x10, 60x12, 80x24, 120x40 and 200x55."""
CRASHING = "shop/api-7c9d8b6f55-x2x9q"
PAGES: tuple[Page, ...] = (
    ("workloads", "shop/Deployment/api"), ("pods", CRASHING), ("nodes", "node-3"),
    ("events", key_of(broken().events[0])),
)  # fmt: skip


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def drawn(
    view: ClusterView | None,
    width: int = 80,
    height: int = 21,
    *,
    kind: Kind = "workloads",
    page: Page | None = None,
    state: ClusterState | None = None,
) -> ClusterScreen:
    state = state or ClusterState()
    state.overview = with_clusters(*(() if view is None else (view,)))
    state.kind, state.pages = kind, () if page is None else (page,)
    return ClusterDrawing(state).draw(ClusterStyle(NOW, UNICODE, width, height))


def lines(screen: ClusterScreen) -> list[str]:
    return [text_of(row).rstrip() for row in screen.rows]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("view", [well(), broken()], ids=["well", "broken"])
@pytest.mark.parametrize("place", [*((kind, None) for kind in KINDS), *((page[0], page) for page in PAGES)],
                         ids=lambda place: f"{place[0]}-{'list' if place[1] is None else 'page'}")  # fmt: skip
def test_the_context_is_on_every_screen_and_nothing_is_past_an_edge(
    place: tuple[Kind, Page | None], view: ClusterView, size: tuple[int, int], language: str
) -> None:
    set_language(language)
    screen = drawn(view, *size, kind=place[0], page=place[1])
    assert len(screen.rows) <= size[1]
    assert all(sum(cell_width(piece.text) for piece in row) <= size[0] for row in screen.rows)
    assert view.context in text_of(screen.rows[0])
    grounds = {piece.ground for piece in screen.rows[0] if view.context in piece.text}
    assert grounds == ({"match"} if view.production else {""}), "production has a colour of its own"


def test_production_is_a_word_too() -> None:
    assert "PRODUCTION shop-prod" in lines(drawn(broken()))[0]
    assert "PRODUCTION" not in "".join(lines(drawn(well())))


def test_a_list_tells_what_is_wrong_and_the_line_below_it_in_full() -> None:
    shown = lines(drawn(broken()))
    assert shown[1].split() == ["▸Workloads", "5", "✖2", "◐2", "Pods", "7", "✖2", "◐2", "Nodes", "3", "✖1", "Events",
                                "4"]  # fmt: skip
    rows = [line.strip("│ ").split()[:4] for line in shown[4:9]]
    assert [row[:2] for row in rows] == [["✖", "api"], ["✖", "cart"], ["◐", "worker"], ["◐", "report"], ["●",
                                         "log-agent"]]  # fmt: skip
    assert "2/3" in shown[4]
    assert "rollout failed" in shown[4]
    assert " ".join(" ".join(shown[-2:]).split()) == (
        "✖ Deployment shop/api rollout failed: ProgressDeadlineExceeded; 1 pod in a crash loop"
    )


def test_pods_are_told_as_kubectl_tells_them() -> None:
    line = next(line for line in lines(drawn(broken(), 120, 37, kind="pods")) if "x2x9q" in line)
    assert line.strip("│ ").split() == [
        "✖", "api-7c9d8b6f55-x2x9q", "shop", "CrashLoopBackOff", "0/1", "7", "(2m)", "5h", "42m/500m", "71M/128M",
        "node-1",
    ]  # fmt: skip


def test_on_the_smallest_screen_a_pod_has_its_status() -> None:
    assert any("CrashLoopBackOff" in line for line in lines(drawn(broken(), 40, 7, kind="pods")))


def test_the_namespace_has_a_column_only_where_there_are_several() -> None:
    assert "namespace" in lines(drawn(broken()))[3]
    state = ClusterState()
    state.namespace = "shop"
    shown = lines(drawn(broken(), state=state))
    assert "namespace" not in shown[3]
    assert " shop  " in f"{shown[0]}  ", "it stands above the list"
    assert not any("report" in line for line in shown)


def test_the_page_of_a_workload_says_why_first() -> None:
    text = "\n".join(lines(drawn(broken(), 120, 37, page=PAGES[0])))
    order = [text.index(each) for each in (
        "rollout failed: ProgressDeadlineExceeded", "2 of 3 ready, 1 updated, 2 available", "CrashLoopBackOff",
        "has timed out progressing", "Back-off restarting", "release 2.4.0  current", "release 2.3.9",
    )]  # fmt: skip
    assert order == sorted(order)


def test_the_page_of_a_pod_tells_the_last_end_and_use_of_limits() -> None:
    text = "\n".join(lines(drawn(broken(), 120, 37, kind="pods", page=PAGES[1])))
    assert "waiting: CrashLoopBackOff  7 restarts" in text
    assert "last end  Error, exit code 1, 2 min ago" in text
    assert "panic: no such table: orders" in text
    assert "CPU 42m, limited to 500m, requests 100m   memory 71M, limited to 128M, requests 64M" in text
    assert "Deployment api" in text
    killed = "\n".join(lines(drawn(broken(), 120, 37, kind="pods", page=("pods", "shop/worker-0"))))
    assert "OOMKilled, exit code 137, 3 min ago" in killed


def test_a_page_scrolls_and_tells_how_much_is_below() -> None:
    state = ClusterState()
    first = drawn(broken(), page=PAGES[0], state=state)
    assert first.below > 0
    state.scroll = 1000
    last = drawn(broken(), page=PAGES[0], state=state)
    assert last.below == 0
    assert any("release 2.3.9" in line for line in lines(last))


def test_on_a_wide_screen_the_page_stands_beside_the_list() -> None:
    text = "\n".join(lines(drawn(broken(), BESIDE, 40)))
    assert "cart" in text
    assert "2 of 3 ready, 1 updated" in text


def test_a_node_that_is_cordoned_is_seen() -> None:
    shown = lines(drawn(broken(), kind="nodes"))
    assert any("node-2" in line and "Ready,SchedulingDisabled" in line for line in shown)
    assert any("node-3" in line and "NotReady" in line for line in shown)


def test_of_a_cluster_that_does_not_answer_the_last_state_is_shown_as_such() -> None:
    error = ClusterError(tr("cluster {cluster}: connection refused", cluster="shop"), tr("Check the API server."))
    gone = replace(broken(), error=error, seen=NOW - timedelta(minutes=3))
    shown = lines(drawn(gone))
    assert "last answer 3 min ago: cluster shop: connection refused" in shown[2]
    assert "Check the API server." in shown[3]
    assert "as of 3 min ago" in shown[0]
    assert any("cart" in line for line in shown)


def test_the_cut_of_a_long_error_is_marked() -> None:
    error = ClusterError(tr("cluster {cluster}: {reason}", cluster="shop", reason="refused, " * 40), tr("Check it."))
    shown = lines(drawn(replace(broken(), error=error)))
    assert shown[3].rstrip().endswith("…")
    assert "Check it." in shown[4]


def test_a_cluster_that_was_never_read_is_not_told_to_be_empty() -> None:
    error = ClusterError(tr("cluster {cluster}: connection refused", cluster="shop"), tr("Check the API server."))
    nothing = replace(well(), workloads=(), pods=(), nodes=(), events=(), error=error, level=Level.FAILING,
                      since=NOW - timedelta(minutes=2), seen=None)  # fmt: skip
    shown = lines(drawn(nothing))
    assert "Workloads -" in shown[1]
    assert "no answer for 2 min: cluster shop: connection refused" in shown[2]
    assert any("not known" in line for line in shown)
    assert not any("none" in line for line in shown)


def test_what_the_account_may_not_read_is_told() -> None:
    shown = lines(drawn(replace(broken(), missing=(tr("the account may not list {what}", what="nodes"),))))
    assert "the account may not list nodes" in shown[2]


def test_nothing_to_show_is_said() -> None:
    assert "no cluster was read yet" in "".join(lines(drawn(None)))
    empty = replace(well(), workloads=(), pods=(), nodes=(), events=())
    assert "none" in "".join(lines(drawn(empty)))


def test_what_is_gone_is_told_on_its_page() -> None:
    assert "shop/gone is gone; esc goes back" in "".join(
        lines(drawn(broken(), kind="pods", page=("pods", "shop/gone")))
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_get_no_further(width: int) -> None:
    evil = "\x1b[31m[@click=x]\n\u202e" * 4
    bad = pod(evil, evil, container(evil, evil, message=evil), status=evil, level=Level.FAILING,
              why=(tr("{reason}", reason=evil),), node=evil)  # fmt: skip
    made = workload(evil, (bad,), image=evil, level=Level.FAILING, why=(tr("{reason}", reason=evil),),
                    change_cause=evil)  # fmt: skip
    view = replace(well(), context=evil, version=evil, workloads=(made,), pods=(bad,))
    for kind, page in (("workloads", None), ("pods", None), ("workloads", ("workloads", key_of(made))),
                       ("pods", ("pods", key_of(bad)))):  # fmt: skip
        screen = drawn(view, width, 40, kind=kind, page=page)  # type: ignore[arg-type]
        assert not any(ord(char) < 32 or char in "\x7f\u202e" for line in lines(screen) for char in line)


def test_home_has_a_line_for_each_cluster() -> None:
    def row(view: ClusterView, width: int = 100) -> str:
        return text_of(cluster_row(view, NOW, UNICODE, 7, width)).rstrip()

    assert row(broken()).startswith(" ✖ shop      PRODUCTION shop-prod   2 of 5 workloads failing")
    assert row(well()) == " ● staging  shop-staging  1 workload  3 pods  1 node"
    assert row(replace(well(), seen=None, level=Level.UNKNOWN)).endswith("not read yet")
    assert text_of(cluster_row(well(), NOW, ASCII, 7, 100)).isascii()


def test_cores_are_written_as_kubernetes_writes_them() -> None:
    assert [cores_text(each) for each in (None, 0.05, 0.9999, 1.0, 2.5)] == ["-", "50m", "1000m", "1", "2.5"]
