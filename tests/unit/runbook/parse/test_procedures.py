"""Documents without numbered lists: their fences are the steps, their headings the titles and groups."""

from __future__ import annotations

import pytest

from lilfox_tui.runbook.model import Document, Runbook
from lilfox_tui.runbook.parse.document import parse

ALERT = """\
---
title: Ignored
---
# KubePodCrashLooping

## Meaning

A pod restarts again and again.

| cause | check |
|-------|-------|
| OOM   | limit |

## Diagnosis

![graph](a/graph.png)

Look at the pod.

```bash
$ kubectl get pod
NAME   READY
```

Then at its log, see [the log book](../logs/Log.md#top).

```shell
kubectl logs web-1
```

Example output:

```
panic: no
```

### Of the node

```mermaid
graph LR
```

```console
$ uptime
```

## Mitigation

Raise the limit.

- ask the team

## See also

Nothing.
"""
SEVERAL = """\
# Operations

Read this first.

## Restart the queue

Only at night.

```bash
systemctl restart queue
```

## Show the disks

```bash
df -h
```
"""


def _parse(text: str, path: str = "/books/kubernetes/KubePodCrashLooping.md") -> Document:
    return parse(text.encode(), path)


def _only(text: str) -> Runbook:
    (runbook,) = _parse(text).runbooks
    return runbook


def _titles(text: str) -> list[tuple[str, list[str]]]:
    return [(each.title, [step.title for step in each.steps]) for each in _parse(text).runbooks]


def test_each_shell_fence_is_a_step_below_its_headings() -> None:
    runbook = _only(ALERT)

    assert (runbook.title, runbook.id, runbook.line) == (
        "KubePodCrashLooping",
        "kubepodcrashlooping-kubepodcrashlooping",
        4,
    )
    assert [(step.group, step.title, [each.text for each in step.commands]) for step in runbook.steps] == [
        ("Diagnosis", "Diagnosis: Look at the pod.", ["kubectl get pod"]),
        (
            "Diagnosis",
            "Diagnosis: Then at its log, see the log book.",
            ["kubectl logs web-1"],
        ),
        ("Diagnosis › Of the node", "Of the node", ["graph LR", "uptime"]),
        ("Mitigation", "Mitigation", []),
    ]
    assert [step.line for step in runbook.steps] == [20, 27, 43, 47]
    assert _parse(ALERT).problems == ()


def test_the_text_before_a_fence_explains_it() -> None:
    runbook = _only(ALERT)

    assert runbook.about == (
        "Meaning: A pod restarts again and again.",
        "cause | check",
        "OOM | limit",
        "See also: Nothing.",
    )
    assert runbook.steps[0].prose == ("(image: graph)", "Look at the pod.")
    assert runbook.steps[3].prose == ("Raise the limit.",)
    assert runbook.steps[3].checklist == ("ask the team",)


def test_output_of_a_command_is_shown_below_it_and_is_no_step() -> None:
    steps = _only(ALERT).steps

    assert steps[0].commands[0].output == "NAME   READY"
    assert steps[1].commands[0].output == "panic: no"
    assert [each.kind for each in steps[2].commands] == ["none", "read"]


def test_links_to_other_files_are_known() -> None:
    assert [(each.text, each.path) for each in _only(ALERT).links] == [("the log book", "/books/logs/Log.md")]


def test_several_procedures_are_offered_each() -> None:
    assert _titles(SEVERAL) == [
        ("Restart the queue", ["Restart the queue"]),
        ("Show the disks", ["Show the disks"]),
    ]
    assert [each.id for each in _parse(SEVERAL, "/ops.md").runbooks] == ["ops-restart-the-queue", "ops-show-the-disks"]


@pytest.mark.parametrize(
    "text",
    [
        SEVERAL.replace("## Restart the queue", "## Step 1"),
        SEVERAL.replace("## Show the disks", "## Verification"),
        SEVERAL.replace("Read this first.", "```bash\nuptime\n```"),
        SEVERAL.replace("systemctl restart queue", "DISK=/srv\nls $DIRECTORY").replace("df -h", 'df -h "$DISK"'),
    ],
)
def test_phases_of_one_procedure_are_one_runbook(text: str) -> None:
    assert [each.title for each in _parse(text).runbooks] == ["Operations"]


@pytest.mark.parametrize(
    ("steps", "titles"),
    [("fences", ["Operations"]), ("headings", ["Restart the queue", "Show the disks"]), ("lists", [])],
)
def test_front_matter_chooses(steps: str, titles: list[str]) -> None:
    text = f"---\nlilfox: {{steps: {steps}}}\n---\n" + SEVERAL.replace("Show the disks", "Verification 2")

    assert [each.title.replace("Verification 2", "Show the disks") for each in _parse(text).runbooks] == titles


def test_front_matter_names_a_step_mode_that_is_not_known() -> None:
    assert [each.code for each in _parse("---\nlilfox: {steps: all}\n---\n" + SEVERAL).problems] == ["front-matter"]


LISTS = """\
# HostDown

## Diagnosis

```bash
ping -c 1 web1
```

## Mitigation

1. Restart it
   ```bash
   reboot
   ```

## Appendix

### Other

```bash
ls
```
"""


def test_lists_with_commands_stay_the_steps_and_headings_beside_them_are_offered() -> None:
    assert _titles(LISTS) == [("Diagnosis", ["Diagnosis"]), ("Mitigation", ["Restart it"]), ("Appendix", ["Other"])]


def test_headings_beside_the_phase_of_a_list_are_offered() -> None:
    text = LISTS.replace("1. Restart it", "### Procedure\n\n1. Restart it")

    assert _titles(text) == [("Diagnosis", ["Diagnosis"]), ("Procedure", ["Restart it"]), ("Appendix", ["Other"])]
    assert _titles(text.replace("## Mitigation", "## Hosts")) == [("Procedure", ["Restart it"])]


@pytest.mark.parametrize(
    "text",
    [
        "---\nlilfox: {version: 1}\n---\n" + LISTS,
        LISTS.replace("## Diagnosis", "### Diagnosis").replace("## Appendix", "### Appendix"),
        LISTS.replace("## Diagnosis", "# Hosts").replace("## Appendix", "# Appendix"),
    ],
)
def test_a_file_of_lists_is_read_as_ever(text: str) -> None:
    assert _titles(text) == [("Mitigation", ["Restart it"])]


def test_a_list_of_words_in_a_document_of_fences_is_its_checklist() -> None:
    text = "# T\n\n1. [Top](#top)\n\n## Check\n\n```bash\nls\n```\n\n1. first\n2. second\n"
    runbook = _only(text)

    assert [(step.title, step.checklist, len(step.commands)) for step in runbook.steps] == [
        ("Check", ("first", "second"), 1)
    ]


def test_a_list_of_words_alone_is_done_by_hand_as_ever() -> None:
    assert _titles("# T\n\n1. call\n2. wait\n") == [("T", ["call", "wait"])]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("```bash\nls\n```\n", "Page"),
        ("---\ntitle: 'A page'\n---\n```bash\nls\n```\n", "A page"),
        ("---\ntitle: A page\n---\n## Look\n```bash\nls\n```\n", "A page"),
        ("Words\n\n```bash\nls\n```\n\n## Later\n\ntext\n", "Later"),
    ],
)
def test_a_document_without_a_first_heading_has_a_title(text: str, title: str) -> None:
    (runbook,) = _parse(text, "/x/Page.md").runbooks

    assert runbook.title == title


@pytest.mark.parametrize("text", ["# T\n\n```yaml\na: 1\n```\n", "# T\n\n```bash\n# only words\n```\n", "# T\n\nls\n"])
def test_a_document_without_commands_is_no_runbook(text: str) -> None:
    assert _parse(text).runbooks == ()
    assert [each.code for each in _parse(text).problems] == ["no-steps"]


BROKEN = "# T\n\n## A\n\n```bash%s\nls\n```\n\n## Step 2\n\n```bash\ndf\n```\n"


@pytest.mark.parametrize(
    ("info", "blocks"),
    [
        (' {"timeout": "soon"}', "fence"),
        (' {"name": }', "fence"),
        (' {"rollback-of": 1}', "file"),
        (' {"host": 1}', "file"),
        (' {"confirm": "twice"}', "file"),
        (' {"timeout": "soon", "check": true}', "file"),
        (' {"name": "x", "rollback-of" }', "file"),
    ],
)
def test_an_error_blocks_its_fence_unless_others_rely_on_it(info: str, blocks: str) -> None:
    document = _parse(BROKEN % info)
    (runbook,) = document.runbooks

    assert [(each.severity, each.blocks) for each in document.problems] == [("error", blocks)]
    (broken,), (sound,) = (step.commands for step in runbook.steps)
    assert (broken.kind, bool(broken.refused)) == ("none", blocks == "fence")
    assert (sound.kind, sound.refused) == ("read", "")


def test_what_bash_cannot_parse_blocks_all_of_its_fence() -> None:
    document = _parse("# T\n\n```bash\ncd /srv\nrm )\n```\n\n```bash\nls\n```\n")

    assert [each.blocks for each in document.problems] == ["fence"]
    broken, sound = document.runbooks[0].steps
    assert [each.kind for each in broken.commands] == ["none", "none"]
    assert [each.kind for each in sound.commands] == ["read"]


def test_errors_of_the_only_fences_block_the_file() -> None:
    document = _parse("# T\n\n```bash\nrm )\n```\n")

    assert [each.blocks for each in document.problems] == ["file"]


@pytest.mark.parametrize(("inside", "blocks"), [("df", "fence"), ('```bash {"rollback-of": "a"}\ndf', "file")])
def test_an_open_fence_blocks_the_file_only_if_it_swallowed_another(inside: str, blocks: str) -> None:
    document = _parse(f"# T\n\n```bash\nls\n```\n\n~~~bash\n{inside}\n")

    assert [each.blocks for each in document.problems if each.code == "fence-open"] == [blocks]


def test_a_single_list_among_many_more_fences_is_a_part_of_the_text() -> None:
    fences = "".join(f"## Host {name}\n\n```bash\nls /{name}\n```\n\n" for name in "abcd")
    clients = "## Clients\n\n1. Install it\n2. Check it\n   ```bash\n   uptime\n   ```\n"
    (*parts, last) = _parse(f"# Setup\n\n{fences}{clients}").runbooks

    assert [each.title for each in parts] == ["Host a", "Host b", "Host c", "Host d"]
    assert [command.text for step in last.steps for command in step.commands] == ["uptime"]


def test_a_note_belongs_to_the_text_and_another_quotation_does_not() -> None:
    note = "> [!NOTE]\n> First this:\n>\n> ```bash\n> uptime\n> ```\n"
    text = f"# T\n\n{note}\nand\n\n> said\n>\n> ```bash\n> reboot\n> ```\n"
    (runbook,) = _parse(text).runbooks

    assert [(step.title, [each.text for each in step.commands]) for step in runbook.steps] == [("T", ["uptime"])]


@pytest.mark.parametrize("tag", ["{% include copy.html %}", "{{% note %}}", "{{< tabs >}}"])
def test_a_tag_of_a_site_generator_is_no_text(tag: str) -> None:
    (runbook,) = _parse(f"Look at the pods.\n\n{tag}\n\n```bash\nkubectl get pods\n```\n").runbooks

    assert [step.title for step in runbook.steps] == ["Look at the pods."]
