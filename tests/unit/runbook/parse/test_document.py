"""Files into runbooks: what is one, its steps, ids and variables; and what is said of what is wrong, with its line."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.runbook.model import Document, Step
from lilfox_tui.runbook.parse.document import parse, read

PAGE = """\
# Manual

1. [a](#a)

## Database

Some words.

1. **Look at it**
   ```bash
   sudo systemctl status postgresql
   ```

2. *Restart* it

   Then wait.

   ```bash
   # as root
   sudo systemctl restart postgresql
   pg_isready
   ```
   - is it back?
   - tell them

3. Call somebody

## No runbook

- a
  1. nested

### Web

1) One step
"""


def _parse(text: str | bytes, path: str = "/books/page.md") -> Document:
    return parse(text if isinstance(text, bytes) else text.encode(), path)


def _step(text: str) -> Step:
    (runbook,) = _parse(f"# T\n\n{text}").runbooks
    (step,) = runbook.steps
    return step


def _said(text: str | bytes) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.severity, problem.code) for problem in _parse(text).problems]


def test_headings_that_own_numbered_lists_are_runbooks() -> None:
    document = _parse(PAGE)

    assert [(each.title, each.line, len(each.steps)) for each in document.runbooks] == [
        ("Manual", 1, 1),
        ("Database", 5, 3),
        ("Web", 33, 1),
    ]
    assert [each.id for each in document.runbooks] == ["page-manual", "page-database", "page-web"]
    assert {each.sha256 for each in document.runbooks} == {hashlib.sha256(PAGE.encode()).hexdigest()}


def test_a_step_has_its_title_words_commands_and_checklist() -> None:
    first, second, third = _parse(PAGE).runbooks[1].steps

    assert (first.title, first.line) == ("Look at it", 9)
    assert (second.title, second.prose, second.checklist) == (
        "Restart it",
        ("Then wait.",),
        ("is it back?", "tell them"),
    )
    assert [(each.text, each.kind, each.line, each.comment) for each in second.commands] == [
        ("sudo systemctl restart postgresql", "change", 20, "# as root"),
        ("pg_isready", "read", 21, ""),
    ]
    assert third.commands == ()


def test_fences_count_from_the_first_of_the_runbook() -> None:
    text = "# T\n1. a\n   ```bash\n   ls\n   df\n   ```\n   ```bash\n   du\n   ```\n2. b\n   ```bash\n   ps\n   ```\n"
    (runbook,) = _parse(text).runbooks

    assert [command.fence for step in runbook.steps for command in step.commands] == [0, 0, 1, 2]


def test_a_fence_that_is_not_indented_belongs_to_the_step_above() -> None:
    (runbook,) = _parse("# T\n\n1. One\n\n```bash\nls\n```\n\n2. Two\n\n```bash\ndf\n```\n").runbooks

    assert [[command.text for command in step.commands] for step in runbook.steps] == [["ls"], ["df"]]


def test_comments_of_html_hold_no_steps() -> None:
    (runbook,) = _parse("# T\n\n<!--\n1. no\n   ```bash\n   reboot\n   ```\n-->\n\n1. yes\n").runbooks

    assert [step.title for step in runbook.steps] == ["yes"]


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_ends_of_lines_and_a_byte_order_mark_change_nothing(ends: str, mark: str) -> None:
    document = _parse((mark + PAGE.replace("\n", ends)).encode())

    assert [runbook.steps for runbook in document.runbooks] == [runbook.steps for runbook in _parse(PAGE).runbooks]
    assert document.problems == ()


def test_titles_that_are_there_twice_get_ids_of_their_own() -> None:
    document = _parse("# A\n1. x\n# A\n1. x\n# A!\n1. x\n")

    assert [runbook.id for runbook in document.runbooks] == ["page-a", "page-a-2", "page-a-3"]


def test_placeholders_that_nothing_declares_are_asked_for() -> None:
    (runbook,) = _parse("# T\n1. a\n   ```bash\n   ping -c 1 <ip> <x> # <no>\n   ```\n").runbooks

    assert [(each.name, each.type) for each in runbook.variables] == [("ip", "host"), ("x", "text")]
    assert [each.name for each in runbook.steps[0].commands[0].placeholders] == ["ip", "x"]


def test_front_matter_gives_one_runbook_its_words() -> None:
    text = """\
---
lilfox:
  version: 1
  id: ban
  title: Ban an address
  severity: SEV-2
  hosts: web*
  on_alert: [HighErrorRate]
vars:
  attack-ip: {type: ip, title: Who, deny: [self, private]}
  minutes: {type: int, min: 1, max: 60, default: 10}
  how: {type: enum, choices: [drop, reject]}
  unit: unit
---
# Heading

1. Ban
   ```bash {"name": "ban", "host": "<edge>"}
   sudo nft add element inet f banned '{' <attack-ip> timeout <minutes>m '}'
   ```
"""
    document = _parse(text)
    (runbook,) = document.runbooks

    assert document.problems == ()
    assert (runbook.id, runbook.title, runbook.severity, runbook.hosts) == ("ban", "Ban an address", "SEV-2", "web*")
    assert runbook.on_alert == ("HighErrorRate",)
    assert runbook.line == 15
    found = {variable.name: variable for variable in runbook.variables}
    assert list(found) == ["attack-ip", "minutes", "how", "unit", "edge"]
    assert found["attack-ip"].deny == ("self", "private")
    assert (found["minutes"].minimum, found["minutes"].maximum, found["minutes"].default) == (1, 60, "10")
    assert found["how"].choices == ("drop", "reject")
    assert (found["unit"].type, found["edge"].type) == ("unit", "host")
    assert document.declared == ("attack-ip", "minutes", "how", "unit")


def test_front_matter_of_other_programs_is_passed_over() -> None:
    document = _parse("---\ntitle: x\ntags: [a, a]\n---\n# T\n1. a\n")

    assert document.problems == ()
    assert document.runbooks[0].line == 5


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert [runbook.title for runbook in _parse("---\n\n# T\n1. a\n").runbooks] == ["T"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", [(1, "warning", "no-steps")]),
        ("# Heading\n\nwords\n", [(1, "warning", "no-steps")]),
        ("---\nlilfox: {id: x}\n---\n# Heading\n", [(1, "error", "no-steps")]),
        ("# T\n1. a\n   ```bash {\"name\": }\n   ls\n   ```\n", [(3, "error", "attributes")]),
        ("# T\n1. a\n   ```bash {\"name\": \"a\", \"name\": \"b\"}\n   ls\n   ```\n", [(3, "error", "attributes")]),
        ("# T\n1. a\n   ```bash {\"timeout\": \"soon\"}\n   ls\n   ```\n", [(3, "error", "attribute-value")]),
        ("# T\n1. a\n   ```bash {\"confirm\": \"twice\"}\n   ls\n   ```\n", [(3, "error", "attribute-value")]),
        ("# T\n1. a\n   ```bash {\"expect\": \"/(/\"}\n   ls\n   ```\n", [(3, "error", "attribute-value")]),
        ("# T\n1. a\n   ```bash {\"unchanged\": \"/(/\"}\n   ls\n   ```\n", [(3, "error", "attribute-value")]),
        ("# T\n1. a\n   ```bash {\"unchanged\": \"there\"}\n   ls\n   ```\n", [(3, "error", "attribute-value")]),
        ("# T\n1. a\n   ```bash {\"capture\": {\"x\": \"a\"}}\n   ls\n   ```\n", [(3, "error", "attribute-value")]),
        ("# T\n1. a\n   ```bash {\"color\": \"red\"}\n   ls\n   ```\n", [(3, "warning", "attribute-unknown")]),
        ("# T\n1. a\n   ```bash {\"risk\": \"read\"}\n   reboot\n   ```\n", [(4, "error", "risk-too-low")]),
        ("# T\n1. a\n   ```bash\n   ls )\n   ```\n", [(4, "error", "syntax")]),
        ("# T\n1. a\n   ```bash\n   ls\n", [(3, "error", "fence-open")]),
        ("# T\n```bash\nls\n```\n1. a\n   ```bash\n   df\n   ```\n", [(2, "warning", "fence-outside")]),
        (b"# T\n1. a\n\xff\n", [(3, "error", "encoding")]),
        (b"# T\r\n1. a\r\n\xff\r\n", [(3, "error", "encoding")]),
        ("# T\n1. a\0\n", [(2, "error", "encoding")]),
        ("---\nlilfox: {id: x}\n", [(1, "error", "front-matter"), (1, "warning", "no-steps")]),
        ("---\nlilfox: {idd: x}\n---\n# T\n1. a\n", [(2, "error", "front-matter")]),
        ("---\nlilfox: {version: 2}\n---\n# T\n1. a\n", [(2, "error", "front-matter")]),
        ("---\nlilfox: [\n---\n# T\n1. a\n", [(3, "error", "front-matter")]),
        ("---\nvars:\n  a: {type: enum}\n---\n# T\n1. a\n", [(3, "error", "front-matter")]),
        ("---\nvars:\n  a: ip\n  a: ip\n---\n# T\n1. a\n", [(4, "error", "front-matter")]),
        ("---\nvars:\n  a: {type: secret, default: x}\n---\n# T\n1. a\n", [(3, "error", "front-matter")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(text: str | bytes, said: list[tuple[int, str, str]]) -> None:
    assert _said(text) == said


def _fence(attributes: str) -> str:
    return f"   ```bash {attributes}\n   ls\n   ```\n"


@pytest.mark.parametrize(
    ("fences", "said"),
    [
        (['{"name": "a"}', '{"name": "a"}'], [(6, "name-twice")]),
        (['{"name": "a", "rollback-of": "b"}'], [(3, "rollback-unknown")]),
        (['{"name": "a", "rollback-of": "a"}'], [(3, "rollback-circle")]),
        (
            [
                '{"name": "a", "rollback-of": "c"}',
                '{"name": "b", "rollback-of": "a"}',
                '{"name": "c", "rollback-of": "b"}',
            ],
            [(3, "rollback-circle")],
        ),
        (['{"name": "a"}', '{"name": "undo", "rollback-of": "a"}'], []),
    ],
)
def test_names_and_rollbacks(fences: list[str], said: list[tuple[int, str]]) -> None:
    document = _parse("# T\n1. a\n" + "".join(map(_fence, fences)))

    assert [(problem.line, problem.code) for problem in document.problems] == said


@pytest.mark.parametrize(("name", "refused"), [("tok", True), ("api_token", True), ("port", False)])
def test_a_secret_is_not_captured(name: str, refused: bool) -> None:
    """What is printed would be on the disk before it is known to be one."""
    front = "---\nlilfox: {version: 1}\nvars:\n  tok: secret\n  port: port\n---\n"
    document = _parse(front + "# T\n1. a\n" + _fence(f'{{"capture": {{"{name}": "(.*)"}}}}'))
    said = [(problem.line, problem.code) for problem in document.problems]
    assert said == ([(9, "attribute-value")] if refused else [])


def test_what_a_circle_goes_through_is_named() -> None:
    document = _parse(
        "# T\n1. a\n" + _fence('{"name": "a", "rollback-of": "b"}') + _fence('{"name": "b", "rollback-of": "a"}')
    )

    assert document.problems[0].text == "circular rollbacks: a → b → a"


@pytest.mark.parametrize(
    "fence",
    [
        '```bash {"name": }\n   rm x\n   ```',
        '```bash {"confirm": "twice"}\n   rm x\n   ```',
        "```bash\n   rm )\n   ```",
        "```bash\n   rm x",
    ],
)
def test_a_fence_that_cannot_be_read_as_it_is_meant_is_not_run(fence: str) -> None:
    step = _step(f"1. a\n   {fence}\n")

    assert [command.kind for command in step.commands] == ["none"]


def test_attributes_of_runme_are_read() -> None:
    step = _step(
        '1. a\n   ```sh {"name":"x","cwd":"/srv","interactive":"false","background":"true","interpreter":"bash",'
        '"tag":"t","excludeFromRunAll":"true"}\n   ls\n   ```\n'
    )

    attributes = step.commands[0].attributes
    assert (attributes.name, attributes.cwd, attributes.interactive, attributes.background) == (
        "x",
        "/srv",
        False,
        True,
    )
    assert (attributes.interpreter, attributes.tag, attributes.exclude_from_run_all) == ("bash", "t", True)


def test_our_attributes_are_read() -> None:
    step = _step(
        '1. a\n   ```bash {"host":"web*","sudo":true,"confirm":"typed","timeout":"2m","expect":"/ready (now)?/",'
        '"check":true,"capture":{"pid":"pid=(\\\\d+)"},"risk":"destroy","follow":false}\n   ls\n   ```\n'
    )

    attributes = step.commands[0].attributes
    assert (attributes.host, attributes.sudo, attributes.confirm, attributes.timeout_s) == (
        "web*",
        True,
        "typed",
        120.0,
    )
    assert (attributes.expect, attributes.check, attributes.capture) == ("ready (now)?", True, {"pid": r"pid=(\d+)"})
    assert (attributes.risk, attributes.follow) == ("destroy", False)
    step = _step('1. a\n   ```bash {"unchanged": "/is already (up|there)/"}\n   ls\n   ```\n')
    assert step.commands[0].attributes.unchanged == "is already (up|there)"


def test_the_older_form_of_runme_is_read() -> None:
    assert (
        _step("1. a\n   ```sh { name=hello interactive=false }\n   ls\n   ```\n").commands[0].attributes.name == "hello"
    )


def test_lines_that_a_site_highlights_are_no_attributes() -> None:
    document = _parse('# T\n1. a\n   ```bash {1,3-4}\n   ls\n   ```\n   ```bash title="x"\n   df\n   ```\n')

    assert document.problems == ()
    assert [command.text for command in document.runbooks[0].steps[0].commands] == ["ls", "df"]


def test_ten_thousand_steps() -> None:
    text = "# T\n\n" + "".join(
        f"{number}. step {number}\n   ```bash\n   ls {number}\n   ```\n" for number in range(10_000)
    )

    (runbook,) = _parse(text).runbooks

    assert len(runbook.steps) == 10_000
    assert runbook.steps[-1].commands[0].text == "ls 9999"


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "> " * 20_000, "- " * 5_000, "`" * 50_000, "*a " * 20_000, "1. " * 3_000]
)
def test_hostile_nesting_is_read_in_time(text: str) -> None:
    _parse(f"# {text}\n\n1. {text}\n   ```bash\n   echo {text}\n   ```\n")


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "no right", "large"])
def test_a_file_that_cannot_be_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.md"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        monkeypatch.setattr("lilfox_tui.runbook.parse.document.LARGEST", 3)
        path.write_text("# Heading")
    elif kind == "no right":
        if os.geteuid() == 0:
            path.symlink_to(path)  # root may read everything; a link to itself nobody can
        else:
            path.touch(0o000)

    with pytest.raises(LilFoxError, match=r"x\.md: "):
        read(path)
