from __future__ import annotations

import gettext
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.core.i18n import DOMAIN, LANGUAGES, LOCALE_DIR, _, in_language
from lilfox_tui.redact import MASK, redact

ROOT = Path(__file__).parents[3]


@pytest.mark.fault("S21")
@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("postgresql://joe:S3CRET@db:5432/app", "postgresql://joe:***@db:5432/app"),
        ("Authorization: Bearer S3CRET", "Authorization: ***"),
        ("authorization=Basic S3CRET, x", "authorization=***, x"),
        ("curl -H 'bearer S3CRETS3CRET=='", "curl -H 'bearer ***'"),
        ("PGPASSWORD=S3CRET psql", "PGPASSWORD=*** psql"),
        ('{"api_key": "S3CRET two"}', '{"api_key": ***}'),
        ("db-password: 'S3CRET two' end", "db-password: *** end"),
        ("lilfoxpassword=S3CRET", "lilfoxpassword=***"),
        ("mysqldump --password=S3CRET", "mysqldump --password=***"),
        ("?token=S3CRET&page=2", "?token=***&page=2"),
        ("--password=x,S3CRET --user=joe", "--password=*** --user=joe"),
        ("PASSWORD=x<S3CRET>y psql", "PASSWORD=*** psql"),
        ("password=x'S3CRET, user=joe", "password=***, user=joe"),
        ("password=S3CRET,user=joe", "password=***,user=joe"),
        ("['--password=S3CRET','-x']", "['--password=***','-x']"),
        ("<p>password=S3CRET</p>", "<p>password=***</p>"),
        ("AKIA" + "S3CRETS3CRETS3CR", MASK),
        ("eyJhbGciOi.eyJzdWIi.S3CRET-x", MASK),
        ("-----BEGIN RSA PRIVATE KEY-----\nS3CRET\n-----END RSA PRIVATE KEY-----!", "***!"),
        ("-----BEGIN PRIVATE KEY-----\nS3CRET cut off", MASK),
        ("\x1b[32mgood\x1b[0m DB_\x1b[01;31m\x1b[Kpassword\x1b[m\x1b[K=S3CRET", "good DB_password=***"),
        ('\x1b[34;1m"token"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m"S3CRET"\x1b[0m', '"token": ***'),
        ("to\x1b(B\x1b[mken\x1b]8;;x\x1b\\=S3CRET", "token=***"),
        ("\x1b[31mtoken=S3CRET\x1b[0m", "\x1b[31mtoken=***"),
        ("\x1b[31m?token=S3CRET&x\x1b[0m", "\x1b[31m?token=***&x\x1b[0m"),
        ("\x1b[\x1b[0m1m to\x1b[0mken=S3CRET\x1b[0m", "[1m token=***"),
    ],
)
def test_secrets_go_and_the_rest_stays(raw: str, kept: str) -> None:
    assert redact(raw) == kept
    assert "S3CRET" not in redact(raw)


@pytest.mark.fault("S21")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://web-1:8080/health",
        "passwordless login",
        "the token bucket is empty",
        "mailto:joe@example.net",
        "a: b",
        "set password: env:NAME or file:PATH",
        "UPDATE users SET token = %s, password = %s WHERE id = %s",
        "\x1b[31mtoken\x1b[0m bucket",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.fault("S21")
def test_what_people_write_of_secrets_keeps_its_words() -> None:
    """Of the documents, and of the manual that ``LILFOX_MANUAL`` names, hardly a line looks as if it had one."""
    papers = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("lilfox_tui/runbook/library/**/*.md")]
    papers += [Path(os.environ["LILFOX_MANUAL"])] if "LILFOX_MANUAL" in os.environ else []
    lines = [line for paper in papers for line in paper.read_text(encoding="utf-8").splitlines()]
    masked = [line for line in lines if redact(line) != line]
    assert len(lines) > 1500
    assert len(masked) <= len(lines) / 200, masked


def _texts() -> list[str]:
    """Every text of the package."""
    catalog: dict[object, str] = vars(gettext.translation(DOMAIN, LOCALE_DIR, ["zh_CN"]))["_catalog"]
    return [text for text in catalog if isinstance(text, str) and text]


@pytest.mark.fault("S21")
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_we_say_ourselves_is_no_secret(language: str) -> None:
    """A text of our own that looks like one would lose a word where it is needed: in a hint."""
    with in_language(language):
        shown = [_(text) for text in _texts()]
    assert len(shown) > 1000
    assert [text for text in shown if redact(text) != text] == []


@pytest.mark.fault("S21")
@given(st.text("abXY019,;&()<>!@#%^*+-./~[]{}|?_", min_size=4))
def test_no_sign_in_a_password_ends_it(rest: str) -> None:
    """A name that follows at once is its own: see above."""
    password = f"S3{rest}"
    if not re.search(r"[,;&()<>]{9}|</", password):
        assert redact(f"mysql --password={password} -h db") in (
            f"mysql --password={MASK} -h db",
            *(f"mysql --password={MASK}{end} -h db" for end in _ends(password)),
        )


def _ends(password: str) -> Iterator[str]:
    """The signs at the end of a password, which may close what it is in."""
    signs = re.search(r"[,;&()<>]*\Z", password)
    assert signs is not None
    yield signs[0]


@given(st.text() | st.text("\x1b[]01;m\\ token=x"))
def test_twice_is_as_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def test_long_words_take_no_longer_than_their_length() -> None:
    assert redact("a_" * 200_000 + " password=S3CRET").endswith(" password=***")
    colours = "\x1b[" * 100_000 + "m" * 100_000 + "\x1b]" * 100_000
    assert redact(f"{colours} password=S3CRET").endswith(" password=***")
