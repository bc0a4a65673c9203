"""How many of the shapes in which secrets stand are known, what is taken for one that is none, and what it costs."""

from __future__ import annotations

import string
import time

import pytest

from lilfox_tui.redact import MASK, named, names_a_secret, redact, shapes, spoken
from tests.pumped import texts
from tests.unit.redact.secret_shapes import secret_texts

SECRET_TEXTS = [*secret_texts(1), *secret_texts(2)]
INNOCENT = """
commit 9fceb02d0ae598e95dc970b74767f19372d61af8 by joe
request_id=7b1f6c1e-2f53-4f9e-9d0a-1f1e2d3c4b5a took 12 ms
trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7
token_count=5 tokens=512 max_tokens: 4096
password_resets_total 3
http_requests_total{handler="/login",code="200"} 1027
pwd=/srv/app
PWD=/root
OLDPWD=/var/log
cwd=/tmp key=value primary_key=5 foreign_key=order_id
order_key=A-1093 cache_key=user:5 sort_key=name
select * from secret where id = 3
INSERT INTO tokens (id) VALUES (7)
Error: secret "db-credentials" not found
secretName: db-credentials
MYSQL_PASSWORD_FILE=/run/secrets/db
password: env:DB_PASSWORD
password: file:/etc/lilfox/pw
password=$DB_PASSWORD
password=${DB_PASSWORD}
password: {{ vault_password }}
--password is required
Failed password for root from 10.0.0.7 port 22 ssh2
Accepted publickey for joe from 10.0.0.7 port 50022 ssh2: ED25519 SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg
pam_unix(sshd:auth): authentication failure; logname= uid=0
unexpected token: '}'
Unexpected token: comma
password: must not be empty
token: expired
token=null
password=
password: ""
authorized_keys: 3 lines
the session was closed: timeout
sessions: 12 active
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
image: registry.example.net/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
http://web-1:8080/health
https://example.net/a/b?page=2&sort=name
ssh://git.example.net:22/a.git
joe@example.net: mail delivered
GET /api/v1/users/1234567890 200 15ms
bypass=true compass=north passed: 12, failed: 3
passing=4 author=joe authority=ca
monkey=5 turkey: 7 hotkey=ctrl-x
keyboard=us signal=9 design: flat significant=2
key_id=12 keyspace=app keys=5
Tokenizer: fast
AUTH LOGIN
AUTH TLS
login successful for joe
mysql -u root -p shop
mysqldump --protocol=tcp shop
docker login registry.example.net
cp -p a b
2026-11-28T10:00:00Z web-1 app[12]: key=5 done
disk sda: 5432:10:20 sectors
10.0.0.7:5432: connection refused
skip-networking sk-1
AKIA is the prefix of a key
eyJ is how a token begins
basic authentication is off
Basic settings are here
bearer of news
cookie: disabled
Secret service is running
kind: ConfigMap
data: 5 rows
状态：正常，密码：未设置
pass: 12
otp=5
sid=3
""".strip().split("\n")


@pytest.mark.fault("4.33")
@pytest.mark.parametrize("part", range(0, len(SECRET_TEXTS), 50))
def test_every_shape_of_a_secret_is_known(part: int) -> None:
    """95 in a hundred is what is promised; of these it is all."""
    left = [
        (text, redact(text))
        for text, secrets in SECRET_TEXTS[part : part + 50]
        if not secrets or any(secret in redact(text) for secret in secrets)
    ]
    assert left == []


def test_there_are_enough_of_them() -> None:
    assert len(SECRET_TEXTS) > 500
    assert all(secrets for _text, secrets in SECRET_TEXTS)


@pytest.mark.fault("4.34")
@pytest.mark.parametrize("line", INNOCENT)
def test_what_stands_in_logs_every_day_stays(line: str) -> None:
    assert redact(line) == line


@pytest.mark.parametrize("text", [text for text, _secrets in secret_texts(3)])
def test_masked_once_it_stays_as_it_is(text: str) -> None:
    once = redact(text)
    assert MASK in once
    assert redact(once) == once


@pytest.mark.fault("4.34")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("password", True), ("DB_PASS", True), ("apiKey", True), ("token", True), ("pwd", False), ("PWD", False),
     ("OLDPWD", False), ("db_pwd", True), ("key", False), ("token_count", False), ("host", False)],
)  # fmt: skip
def test_a_name_says_it(name: str, expected: bool) -> None:
    assert names_a_secret(name) is expected


def spent(text: str) -> float:
    best = 60.0
    for _try in range(3):
        begun = time.thread_time()
        redact(text)
        best = min(best, time.thread_time() - begun)
        if best < 0.03:
            break
    return best


def grows(unit: str, before: str = "") -> bool:
    """Whether four times the length takes much more than four times as long."""
    short = spent(before + (unit * (8000 // len(unit) + 1))[:8000])
    return short > 0.03 and spent(before + (unit * (32000 // len(unit) + 1))[:32000]) / short > 9


MARKS = sorted({*named._CORES, *shapes._rules().words, *spoken._rules().words})
ENDS = ("", "=", "= ", '="', "='", '\\":\\"', "://", "@", " ", ">", "\n", "\\", "-", ".", " -p", " -u a:", " login ")
KINDS = [*string.punctuation, " ", "\t", "\n", "a", "A", "0", "é", "密"]


@pytest.mark.fault("4.28")
@pytest.mark.parametrize("end", ENDS)
def test_the_time_grows_with_the_length_whatever_is_said_again_and_again(end: str) -> None:
    assert [mark + end for mark in MARKS if grows(mark + end)] == []


@pytest.mark.fault("4.28")
@pytest.mark.parametrize("before", ["", "password=", "curl -u ", "mysql ", "eyJ", "-----BEGIN ", "x://", 'token="'])
def test_the_time_grows_with_the_length_of_a_run_of_anything(before: str) -> None:
    units = [*KINDS, *(one + other for one in KINDS[::2] for other in KINDS[1::3])]
    assert [unit for unit in units if grows(unit, before)] == []


@pytest.mark.fault("4.28")
@pytest.mark.parametrize("part", range(8))
def test_no_expression_is_made_to_read_twice(part: int) -> None:
    """Each with the texts that make it work most."""
    slow = []
    for pattern in shapes._rules().patterns()[part::8] + spoken._rules().patterns()[part::8]:
        for make in texts(pattern):
            short = make(2000)
            if spent(short) > 0.03 and spent(make(8000)) / spent(short) > 9:
                slow.append((pattern.pattern, short[:60]))
    assert slow == []


def test_a_line_of_80_kb_is_no_reason_to_wait() -> None:
    assert spent('{"a": "' + "b c=d " * 14_000 + '"}') < 2
    assert spent("a-" * 40_000) < 2
