"""``lilfox runbook list``, ``show`` and ``lint``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.main import parse, run_command
from lilfox_tui.cli.schemas import schema
from lilfox_tui.core.errors import LilFoxError, UsageError

PAGE = """\
# Database

1. **Look**
   ```bash
   psql -h <host> -c 'SELECT 1'
   tail -f /var/log/x.log
   ```
2. Switch
   ```bash {"host": "db-2"}
   export URL="postgresql://shop:hunter2@db/shop"
   systemctl restart shop
   ```
3. Call
   - who is on duty
"""
BROKEN = '# A\n\n1. x\n   ```bash {"name": }\n   ls\n   ```\n'


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "broken.md").write_text(BROKEN)
    (tmp_path / "good.md").write_text("# Good\n\n1. Look\n   ```bash\n   df -h\n   ```\n")
    return tmp_path


def _run(*words: str) -> int:
    return run_command(parse(["runbook", *words]))


def _config(folder: Path, *folders: str) -> str:
    path = folder / "config.yaml"
    path.write_text(json.dumps({"runbooks": {"folders": list(folders), "bundled": False}}))
    path.chmod(0o600)
    return str(path)


def _json(capsys: pytest.CaptureFixture[str], name: str) -> Any:
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schema(name))
    return found


def test_a_file_is_shown_as_it_is_read(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("show", str(pages / "page.md"), "--json") == 0

    (runbook,) = _json(capsys, "runbook-show")
    assert (runbook["title"], runbook["path"]) == ("Database", str(pages / "page.md"))
    assert [step["title"] for step in runbook["steps"]] == ["Look", "Switch", "Call"]
    assert runbook["steps"][0]["commands"] == [
        {"text": "psql -h <host> -c 'SELECT 1'", "kind": "read", "language": "bash", "placeholders": ["host"]},
        {"text": "tail -f /var/log/x.log", "kind": "follow", "language": "bash", "placeholders": []},
    ]
    assert runbook["steps"][2]["commands"] == [
        {"text": "who is on duty", "kind": "none", "language": "", "placeholders": []}
    ]


@pytest.mark.fault("S21")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_secrets_of_the_text_are_not_printed(more: list[str], pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("show", str(pages / "page.md"), *more)

    printed = capsys.readouterr()
    assert "hunter2" not in printed.out + printed.err
    assert "postgresql://shop:***@db/shop" in printed.out


def test_what_a_person_sees(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("show", str(pages / "page.md"))

    printed = capsys.readouterr().out
    assert (
        "1. Look\n   reads           psql -h <host> -c 'SELECT 1'\n   follows output  tail -f /var/log/x.log\n"
        in printed
    )
    assert "   makes changes (db-2)  systemctl restart shop\n" in printed
    assert "   - who is on duty\n" in printed


@pytest.mark.fault("S1")
def test_escapes_of_a_file_are_shown_and_not_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.md"
    path.write_text("# \x1b]0;title\x07\n\n1. \x1b[31mred\n   ```bash\n   echo \x1b[2J\n   ```\n")

    _run("show", str(path))

    assert "\x1b" not in capsys.readouterr().out


def test_a_file_that_is_broken_is_shown_with_what_is_wrong(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("show", str(pages / "broken.md")) == 1

    printed = capsys.readouterr()
    assert "display only  ls" in printed.out
    assert f"{pages / 'broken.md'}:4: error: the attributes are not a JSON object" in printed.err


def test_nothing_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or runbook id"):
        _run("show", "no-such-runbook")
    with pytest.raises(LilFoxError, match=r"x\.md: cannot be read"):
        _run("show", str(tmp_path / "x.md"))
    with pytest.raises(UsageError, match="no runbook given"):
        _run("show")


@pytest.mark.parametrize("words", ["lint", "list"])
def test_a_file_that_cannot_be_read_is_named_once(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone.md"
    assert _run(words, "--config", _config(tmp_path, "gone.md")) == {"lint": 1, "list": 3}[words]
    assert _run("lint", str(gone)) == 1
    printed = capsys.readouterr()
    told = [line for line in (printed.out + printed.err).splitlines() if "unreadable" in line]
    assert told == [f"{gone}:1: error: cannot be read: No such file or directory [unreadable]"] * 2


def test_those_of_the_configuration_are_listed(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pages / "sub").mkdir()
    (pages / "sub" / "alert.md").write_text("---\nlilfox: {id: first, on_alert: [Down]}\n---\n# Z\n\n1. x\n")
    config = _config(pages, "good.md", ".")

    assert _run("list", "--config", config, "--alert", "Down", "--json") == 3

    found = _json(capsys, "runbook-list")
    assert [runbook["id"] for runbook in found["runbooks"]] == ["first", "good-good", "broken-a", "page-database"]
    assert [(Path(each["path"]).name, each["line"], each["code"]) for each in found["problems"]] == [
        ("broken.md", 4, "attributes")
    ]


def test_a_folder_that_is_gone_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("list", "--config", _config(tmp_path, "gone")) == 3

    printed = capsys.readouterr()
    assert printed.out == "no runbooks\n"
    assert "gone:1: error: " in printed.err


def test_a_runbook_is_found_by_its_id(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("show", "page-database", "--config", _config(pages, ".")) == 0

    assert capsys.readouterr().out.startswith("Database  ")


def test_a_configuration_that_is_broken_stands_in_nobodys_way(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pages / "config.yaml").write_text("nonsense: [")
    (pages / "config.yaml").chmod(0o600)

    assert _run("show", str(pages / "page.md"), "--config", str(pages / "config.yaml")) == 0
    assert "config.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["good.md"], 0),
        (["good.md", "--strict"], 0),
        (["page.md"], 0),
        (["page.md", "--strict"], 1),
        (["page.md", "broken.md"], 1),
        (["none.md"], 1),
    ],
)
def test_exit_codes_of_lint(
    words: list[str], code: int, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pages)

    assert _run("lint", *words) == code
    assert capsys.readouterr().out


def test_lint_for_programs(pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(pages)

    _run("lint", "page.md", "broken.md", "--json")

    found = _json(capsys, "runbook-lint")
    assert not found["good"]
    assert [(each["file"], each["runbooks"]) for each in found["files"]] == [("page.md", 1), ("broken.md", 1)]
    assert {"secret-in-text", "export-no-effect"} <= {each["code"] for each in found["files"][0]["problems"]}
    assert found["files"][1]["problems"][0]["line"] == 4


def test_lint_for_persons(pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(pages)

    _run("lint", "good.md", "broken.md")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "good.md: 1 runbook: good"
    assert lines[1].startswith("broken.md:4: error: ")
    assert lines[1].endswith(" [attributes]")
    assert lines[2] == "broken.md: 1 runbook: 1 error"


@pytest.mark.parametrize("action", ["list", "show", "lint"])
def test_each_has_its_schema(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(action, "--json-schema") == 0

    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--recorded"], "--recorded works only with --resume"),
        (["--resume", "RUN", "--dry-run"], "--dry-run does not work with --resume"),
        (["--resume", "RUN", "--recorded", "--dry-run"], "--dry-run does not work with --resume"),
        ([], "no runbook given"),
    ],
)
def test_options_that_do_not_go_together_are_named(words: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        run_command(parse(["--config", _config(tmp_path), "runbook", "run", *words]))
    assert str(caught.value) == told


PAGE_OF_FENCES = """\
# Pods

## Diagnosis

See [the other](Other.md) and [none](None.md).

```bash
$ uptime
 up 3 days
```

## Mitigation

```bash
reboot )
```
"""


def _of_fences(folder: Path) -> Path:
    (folder / "pods").mkdir()
    (folder / "pods" / "Other.md").write_text("# Other\n\n1. call\n")
    path = folder / "pods" / "PodsDown.md"
    path.write_text(PAGE_OF_FENCES)
    return path


def test_a_document_of_fences_is_shown_with_its_groups_output_and_links(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _of_fences(tmp_path)
    _run("show", str(path))

    printed = capsys.readouterr().out
    assert "\nDiagnosis\n\n1. Diagnosis\n" in printed
    assert "   reads   uptime\n   output   up 3 days\n" in printed
    assert "   not run" in printed
    assert f"see also:\n   the other  {tmp_path}/pods/Other.md\n   none  (no local copy)\n" in printed

    _run("show", str(path), "--json")
    (runbook,) = _json(capsys, "runbook-show")
    assert [step["group"] for step in runbook["steps"]] == ["Diagnosis", "Mitigation"]
    assert runbook["steps"][0]["commands"][1]["output"] == " up 3 days"
    assert "refused" in runbook["steps"][1]["commands"][0]
    assert [(each["text"], each["exists"]) for each in runbook["links"]] == [("the other", True), ("none", False)]


def test_a_page_is_shown_by_its_local_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _of_fences(tmp_path)
    config = _config(tmp_path, str(path.parent))

    _run("show", "https://runbooks.example/runbooks/pods/podsdown", "--config", config)
    assert f"Pods  {path}:1\n" in capsys.readouterr().out
    with pytest.raises(LilFoxError, match="no local copy of this page"):
        _run("show", "https://runbooks.example/elsewhere", "--config", config)


def test_with_yes_a_runbook_with_a_blocked_fence_is_not_run(tmp_path: Path) -> None:
    path = _of_fences(tmp_path)
    config = _config(tmp_path, str(path))

    with pytest.raises(LilFoxError, match="line 15: bash cannot parse this"):
        _run("run", str(path), "--yes", "--config", config)
