"""The runbook_url of an alert, and the file here that is the same page; runbooks that are named after their alert."""

from __future__ import annotations

import pytest

from lilfox_tui.runbook.library import local_copies, ordered
from lilfox_tui.runbook.model import Document
from lilfox_tui.runbook.parse.document import parse

FENCE = b"\n```bash\nuptime\n```\n"
PATHS = (
    "/r/content/runbooks/alertmanager/AlertmanagerFailedReload.md",
    "/r/content/runbooks/kubernetes/KubePodCrashLooping.md",
    "/r/content/runbooks/node/Down.md",
    "/r/content/runbooks/etcd/Down.md",
    "/r/content/runbooks/network/_index.md",
    "/r/no-steps/KubeClientErrors.md",
)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    found = [parse(b"# T" + (b"" if "no-steps" in path else FENCE), path) for path in PATHS]
    two = b"# All\n\n## Queue is full\n" + FENCE + b"\n## Disk is full\n" + FENCE
    return [*found, parse(two, "/r/playbook.md")]


@pytest.mark.parametrize(
    ("url", "paths"),
    [
        ("https://runbooks.prometheus-operator.dev/runbooks/alertmanager/AlertmanagerFailedReload", [0]),
        ("https://runbooks.prometheus-operator.dev/runbooks/alertmanager/alertmanagerfailedreload/", [0]),
        ("https://github.com/x/runbooks/blob/main/content/runbooks/kubernetes/KubePodCrashLooping.md", [1]),
        ("https://raw.example/KubePodCrashLooping.md?raw=1#meaning", [1]),
        ("https://wiki.example/etcd/Down", [3]),
        ("https://wiki.example/Down.html", [2, 3]),
        ("https://wiki.example/runbooks/network/", [4]),
        ("https://wiki.example/KubeClientErrors", []),
        ("https://wiki.example/kubernetes", []),
        ("https://wiki.example/", []),
        ("https://[broken", []),
        ("", []),
    ],
)
def test_the_last_segments_of_a_url_name_the_file(url: str, paths: list[int], documents: list[Document]) -> None:
    assert [each.path for each in local_copies(url, documents)] == [PATHS[at] for at in paths]


def test_the_fragment_of_a_url_names_a_runbook_of_its_file(documents: list[Document]) -> None:
    base = "https://wiki.example/playbook.md"

    assert [each.title for each in local_copies(base, documents)] == ["Queue is full", "Disk is full"]
    assert [each.title for each in local_copies(base + "#disk-is-full", documents)] == ["Disk is full"]


def test_a_file_that_is_named_after_an_alert_is_for_it(documents: list[Document]) -> None:
    every = [runbook for document in documents for runbook in document.runbooks]

    assert ordered(every, ["KubePodCrashLooping"])[0].path == PATHS[1]
    assert every[1].alerts == ("KubePodCrashLooping",)
    (named,) = parse(b"---\nlilfox: {on_alert: [Other]}\n---\n# T" + FENCE, "/r/Down.md").runbooks
    assert named.alerts == ("Other",)
