from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from lilfox_tui.core import paths
from lilfox_tui.jobs import reader
from lilfox_tui.jobs.model import JobError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_users_jobs_lie_in_the_state_folder_for_the_user_alone(jobs: Path) -> None:
    before = os.umask(0)
    try:
        assert reader.own_folder() == jobs
    finally:
        os.umask(before)
    assert mode(jobs) == 0o700


def test_those_of_root_and_of_service_users_lie_in_the_systems(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    account = pwd.getpwuid(os.geteuid()).pw_dir
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("HOME", account)
    assert paths.own_path("jobs") == paths.system_folder("jobs")
    monkeypatch.delenv("HOME")
    assert paths.own_path("jobs") == paths.system_folder("jobs")


def test_root_with_a_home_of_its_own_choice_uses_that(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(jobs.parent / "home"))
    assert paths.own_path("jobs") == jobs.parent / "home/.local/state/lilfox/jobs"


def test_systemd_names_the_folder_of_a_service(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = tmp_path / "service"
    service.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", f"{service}:/var/lib/other")
    assert reader.own_folder() == service / "jobs"
    assert reader.all_folders() == [jobs, service / "jobs"]


def test_a_group_may_read_the_systems_jobs_where_their_folder_lets_it(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    made = reader.own_folder()
    assert paths.modes(made) == (0o700, 0o600)
    made.chmod(0o2750)
    assert paths.modes(made) == (0o2750, 0o640)
    made.chmod(0o755)
    assert paths.modes(made) == (0o750, 0o640)


def test_a_state_folder_that_others_can_read_shows_them_no_job(jobs: Path) -> None:
    jobs.mkdir(parents=True)
    jobs.chmod(0o755)
    jobs.parent.chmod(0o755)
    assert reader.own_folder() == jobs
    assert paths.modes(jobs) == (0o700, 0o600)


@pytest.mark.parametrize("bits", [0o770, 0o757, 0o777])
def test_a_folder_that_others_can_write_is_refused(jobs: Path, bits: int) -> None:
    jobs.mkdir(parents=True)
    jobs.chmod(bits)
    with pytest.raises(JobError, match=r"other users can write to this folder|others can change it") as caught:
        reader.own_folder()
    assert f"chmod go-w {jobs}" in f"{caught.value} {caught.value.hint}"


def test_where_no_folder_can_be_made_nothing_is_begun(jobs: Path) -> None:
    jobs.parent.parent.mkdir(parents=True, exist_ok=True)
    jobs.parent.write_text("a file")
    with pytest.raises(JobError, match="lilfox: cannot store jobs: File exists"):
        reader.own_folder()


@pytest.mark.parametrize("name", ["20231230-020000-3f9a"])
def test_ids(name: str) -> None:
    assert reader.is_id(name)
    for other in (f".{name}", name + "\n", name.upper(), name[:-1], "../" + name, name.replace("2", "٢")):
        assert not reader.is_id(other)
