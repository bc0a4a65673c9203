"""Which files are asked before their first run, and how that is remembered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lilfox_tui.app.panes.runbook.dialogs import first_run_rows
from lilfox_tui.cli import runbook_console
from lilfox_tui.cli.runbook_console import allow_first_run
from lilfox_tui.config.model import RunbooksConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.runbook.library import FirstRun, NotAllowedYet, allow, bundled, first_run, refuse_first_run
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.parse.document import read

NONE = RunbooksConfig()
TEXT = """# Made

1. Look

   ```bash
   uptime
   df -h
   ```

# Other

1. Change

   ```bash
   touch /tmp/made
   ```

   ```python
   print()
   ```
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is remembered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/lilfox/runbooks/allowed.json"


def runbook(path: Path, text: str = TEXT) -> Runbook:
    path.write_text(text)
    return read(path).runbooks[0]


def asked(made: Runbook, config: RunbooksConfig = NONE) -> FirstRun:
    first = first_run(made, config)
    assert first is not None
    return first


@pytest.mark.fault("S30")
def test_a_file_that_nobody_chose_is_asked_once_for_all_of_its_runbooks(tmp_path: Path, state: Path) -> None:
    made = runbook(tmp_path / "made.md")
    first = asked(made)
    assert (first.changed, first.commands) == (False, {"read": 2, "change": 1})
    said = str(first.question)
    assert said == (
        f"first run of {tmp_path}/made.md here (sha256 {made.sha256[:12]}…); its commands: 2 read-only, 1 makes changes"
    )
    with pytest.raises(NotAllowedYet, match="first run of"):
        refuse_first_run(made, NONE)
    allow(first)
    assert [first_run(each, NONE) for each in read(tmp_path / "made.md").runbooks] == [None, None]
    assert state.stat().st_mode & 0o777 == 0o600
    assert state.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.fault("S30")
def test_another_text_is_asked_again_and_the_one_before_is_not(tmp_path: Path) -> None:
    before = runbook(tmp_path / "made.md")
    allow(asked(before))
    after = runbook(tmp_path / "made.md", TEXT + "\nMore.\n")
    assert asked(after).changed
    assert "has changed since it was approved" in str(asked(after).question)
    allow(asked(after))
    assert first_run(after, NONE) is None
    assert first_run(before, NONE) is None, "a run that began with it goes on with it"


@pytest.mark.fault("S30")
def test_the_same_text_elsewhere_is_another_file(tmp_path: Path) -> None:
    allow(asked(runbook(tmp_path / "made.md")))
    assert not asked(runbook(tmp_path / "copy.md")).changed


@pytest.mark.fault("S30")
def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    allow(asked(runbook(tmp_path / "made.md")))
    (tmp_path / "link.md").symlink_to(tmp_path / "made.md")
    assert first_run(read(tmp_path / "link.md").runbooks[0], NONE) is None


@pytest.mark.fault("S30")
def test_what_is_bundled_or_named_by_the_configuration_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "folder/below").mkdir(parents=True)
    made = runbook(tmp_path / "folder/below/made.md")
    beside = runbook(tmp_path / "beside.md")
    config = RunbooksConfig(folders=(str(tmp_path / "folder"),))
    assert first_run(made, config) is None
    assert first_run(beside, config) is not None
    assert first_run(beside, RunbooksConfig(folders=(str(tmp_path / "beside.md"),))) is None
    assert first_run(bundled()[0].runbooks[0], NONE) is None
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert first_run(made, RunbooksConfig(folders=(str(tmp_path / "link"),))) is None
    out = tmp_path / "folder/../beside.md"
    assert first_run(read(out).runbooks[0], config) is not None


@pytest.mark.fault("S30")
@pytest.mark.parametrize("broken", [b"", b"{", b'{"/a": "b"}', b"\xff\xfe", b"[]"])
def test_what_was_remembered_and_cannot_be_read_is_asked_again(tmp_path: Path, state: Path, broken: bytes) -> None:
    made = runbook(tmp_path / "made.md")
    allow(asked(made))
    state.write_bytes(broken)
    allow(asked(made))
    assert json.loads(state.read_bytes()) == {str(tmp_path / "made.md"): [made.sha256]}


@pytest.mark.fault("S30")
def test_what_cannot_be_remembered_is_told(tmp_path: Path, state: Path) -> None:
    first = asked(runbook(tmp_path / "made.md"))
    state.mkdir()
    with pytest.raises(LilFoxError, match="cannot save the approval of"):
        allow(first)
    assert asked(runbook(tmp_path / "made.md")) == first


@pytest.mark.fault("S30")
def test_of_a_file_that_has_another_text_by_now_only_what_was_read_is_counted(tmp_path: Path) -> None:
    made = runbook(tmp_path / "made.md")
    (tmp_path / "made.md").write_text(TEXT.replace("df -h", "df -h\n   free"))
    assert asked(made).commands == {"read": 2}


def test_of_very_many_files_those_that_were_allowed_last_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilfox_tui.runbook.library._MOST_FILES", 2)
    first, second, third = (runbook(tmp_path / f"{name}.md") for name in ("first", "second", "third"))
    allow(asked(first))
    allow(asked(second))
    first = runbook(tmp_path / "first.md", TEXT + "\nMore.\n")
    allow(asked(first))
    allow(asked(third))
    assert [first_run(each, NONE) is None for each in (first, second, third)] == [True, False, True]


STRANGER = 4711
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.fault("4.13")
@needs_root
@pytest.mark.root
def test_a_configured_file_that_others_may_write_is_asked_and_yes_alone_is_no_answer(tmp_path: Path) -> None:
    """A stranger's file with ``confirm: none`` in a folder of the configuration is nobody's choice."""
    folder = tmp_path / "runbooks"
    folder.mkdir()
    made, config = runbook(folder / "made.md"), RunbooksConfig(folders=(str(folder),))
    assert first_run(made, config) is None
    file = folder / "made.md"
    for place, mode, owner in (
        (folder, 0o777, 0),
        (file, 0o666, 0),
        (folder, 0o755, STRANGER),
        (file, 0o644, STRANGER),
    ):
        before = place.stat().st_mode
        place.chmod(mode)
        os.chown(place, owner, -1)
        first = asked(made, config)
        assert first.others is not None
        assert f"{place} is owned by " in str(first.question)
        with pytest.raises(NotAllowedYet, match="because others can change it") as caught:
            allow_first_run(made, config, yes=True)
        assert str(place) in str(caught.value.hint)
        os.chown(place, 0, -1)
        place.chmod(before)
        assert first_run(made, config) is None


@pytest.mark.fault("4.13")
def test_who_is_asked_about_a_file_that_others_may_write_reads_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = runbook(tmp_path / "made.md")
    (tmp_path / "made.md").chmod(0o666)
    first = asked(made)
    assert first.others is not None
    hint = str(first.others.hint)
    assert f"chmod go-w {tmp_path}/made.md" in hint
    monkeypatch.setattr(runbook_console, "ask_line", lambda _question: "n")
    with pytest.raises(LilFoxError, match="nothing was run"):
        allow_first_run(made, NONE, yes=False)
    assert f"hint: {hint}" in capsys.readouterr().err
    assert hint in ["".join(piece.text for piece in row).strip() for row in first_run_rows(first)]


@pytest.mark.fault("4.13")
@needs_root
@pytest.mark.root
def test_a_link_that_a_stranger_has_put_into_a_folder_chooses_nothing(tmp_path: Path) -> None:
    """Neither for what it leads to, where that is the administrator's own."""
    folder, own = tmp_path / "runbooks", tmp_path / "own.md"
    folder.mkdir()
    own.write_text(TEXT)
    (folder / "made.md").symlink_to(own)
    config = RunbooksConfig(folders=(str(folder),))
    assert first_run(read(folder / "made.md").runbooks[0], config) is None
    folder.chmod(0o1777)
    os.chown(folder / "made.md", STRANGER, -1, follow_symlinks=False)
    assert asked(read(folder / "made.md").runbooks[0], config).others is not None
    assert asked(read(own).runbooks[0], config).others is None


@pytest.mark.fault("4.13")
def test_a_person_who_has_seen_it_may_allow_what_others_may_write_until_they_write(tmp_path: Path) -> None:
    folder = tmp_path / "runbooks"
    folder.mkdir()
    folder.chmod(0o777)
    config = RunbooksConfig(folders=(str(folder),))
    allow(asked(runbook(folder / "made.md"), config))
    assert first_run(runbook(folder / "made.md"), config) is None
    assert asked(runbook(folder / "made.md", TEXT.replace("uptime", "reboot")), config).others is not None
