from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.config.loader import from_text, load, secret_refs
from lilfox_tui.config.model import Config, HostConfig, ServiceConfig, Threshold
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core import i18n
from lilfox_tui.core.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"


def problems(text: str) -> list[str]:
    """The findings in ``text`` without the file's name."""
    with pytest.raises(ConfigError) as caught:
        from_text(text, "c.yaml")
    assert caught.value.exit_code == 2
    assert all(found.startswith("c.yaml:") for found in caught.value.problems)
    return [found.removeprefix("c.yaml:") for found in caught.value.problems]


def outcome(text: str) -> Config | tuple[str, ...]:
    """The configuration, or at least one finding; any other error is the caller's failure."""
    try:
        return from_text(text, "c.yaml")
    except ConfigError as error:
        return error.problems or pytest.fail("refused without a reason")


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_no_file_is_the_defaults_with_no_hosts() -> None:
    loaded = load()
    assert loaded.config == Config()
    assert loaded.path is None


def test_the_file_in_the_xdg_folder_is_found(own_folders: Path) -> None:
    folder = own_folders / "config" / "lilfox"
    folder.mkdir(parents=True)
    path = written(folder, "name: here")
    loaded = load()
    assert (loaded.path, loaded.config.name) == (path, "here")


def test_every_kind_of_value_arrives_typed() -> None:
    config = from_text(
        """
        refresh: 500ms
        hosts:
          db: {address: 10.0.0.2, port: 2222, tags: [a, b], password: "env:DB_PASSWORD", sudo: true}
          web:
        services:
          api: {url: "https://api:8000", from: db, timeout: 1.5, every: 1m, expect: [200, 204],
                headers: {X: file:/x, Y: z}}
        thresholds: {cpu_percent: {warn: 50}, memory_percent: {fail: null}, hold: 5}
        collectors: {disk: {ignore: [sr]}, clock: false, cpu: true}
        """,
        "c.yaml",
    )
    assert config.refresh == 0.5
    assert config.hosts["db"] == HostConfig(
        address="10.0.0.2", port=2222, tags=("a", "b"), password=SecretRef("env:DB_PASSWORD"), sudo=True
    )
    assert config.hosts["web"] == HostConfig()
    api = config.services["api"]
    assert (api.from_, api.timeout, api.every, api.expect) == ("db", Seconds(1.5), Seconds(60), (200, 204))
    assert {name: type(value) for name, value in api.headers.items()} == {"X": SecretRef, "Y": str}
    assert config.thresholds.cpu_percent == Threshold(warn=50, fail=95)
    assert config.thresholds.memory_percent == Threshold(warn=85, fail=None)
    assert config.collectors["disk"].ignore == ("sr",)
    assert config.collectors["clock"] is False
    assert config.collectors["cpu"] == type(config.collectors["cpu"])()


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff", "hosts:\nservices: ~\nssh: null\n"])
def test_nothing_written_is_the_defaults(text: str) -> None:
    assert from_text(text.removeprefix("\ufeff"), "c.yaml") == Config()


def test_all_errors_are_told_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "refrsh: 2\nhosts:\n  a: {port: 0}\n  b: {local: true, user: me}\nservices:\n  s: {url: ftp://x, from: c}\n"
        "collectors:\n  cpus: {}\n  disk: {ignor: []}\ntheme: [x]\nname: !!str x\n"
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["1", "refrsh"],
        ["3", "hosts.a.port"],
        ["4", "hosts.b.user"],
        ["6", "services.s.url"],
        ["6", "services.s.from"],
        ["8", "collectors.cpus"],
        ["9", "collectors.disk.ignor"],
        ["10", "theme"],
        ["11", "YAML tag “tag:yaml.org,2002:str” is not allowed; write the plain value"],
    ]


@pytest.mark.fault("S27")
@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("refrsh: 2", 1, "refrsh: no such key; did you mean refresh?"),
        ("hosts: {a: {adress: x}}", 1, "hosts.a.adress: no such key; did you mean address?"),
        ("history: {zzz: 1}", 1, "history.zzz: no such key; one of: hours, memory_mb"),
        ("name: a\n\nname: b", 3, "name: this key is already on line 1"),
        ("hosts:\n  a: {}\n  a: {}", 3, "a: this key is already on line 2"),
        ("refresh: 2x", 1, "write 500ms, 2s, 5m, 1h, 1d or a number of seconds"),
        ("refresh: 0", 1, "above zero"),
        ("refresh: 400d", 1, "a duration must be at most one year"),
        ("refresh: -1s", 1, "is not a duration"),
        ("refresh: 9999d", 1, "out of range"),
        ("refresh: 1ms", 1, "refresh: shorter than 100ms"),
        ("hosts: {a: {port: 65536}}", 1, "hosts.a.port: 65536 is out of range; it must be from 1 to 65535"),
        ("hosts: {a: {port: 022}}", 1, "is not a whole number"),
        ("hosts: {a: {port: '22'}}", 1, "is not a whole number"),
        ("hosts: {a: {port: 1e3}}", 1, "is not a whole number"),
        ("read_only: yes", 1, "write true without quotes"),
        ("read_only: 'true'", 1, "write true without quotes"),
        ("read_only: 1", 1, "write true or false"),
        ("hosts: {no: {}}", 1, 'hosts.no: “no” without quotes is a boolean in YAML; write it as "no"'),
        ("hosts: {a: {address: on}}", 1, 'write it as "on"'),
        ("hosts: {a: {user: 12}}", 1, 'is a number or a date in YAML; write it as "12"'),
        ("hosts: {a: {tags: [2026-01-01]}}", 1, "number or a date"),
        ("name: 12:30", 1, "number or a date"),
        ("name: ~", 1, "no value; write text"),
        ('name: "a\\nb"', 1, "write it on one line"),
        ("name: " + "x" * 33, 1, "longer than 32 characters"),
        ("hosts: {-a: {}}", 1, "is not a valid name"),
        ("hosts: {'a b': {}}", 1, "is not a valid name"),
        ("language: de", 1, "“de” is not a valid value; one of: auto, en, zh_CN"),
        ("hosts: [a]", 1, "hosts: expected a mapping"),
        ("[a]", 1, "expected a mapping"),
        ("hosts: {a: {tags: web}}", 1, "expected a list"),
        ("name: {a: b}", 1, "name: a mapping is not allowed here; write one value"),
        ("hosts: {a: {local: true, identity: ~/.ssh/x}}", 1, "hosts.a.identity: this host is local"),
        ("services: {s: {}}", 1, "services.s.url: this key is missing"),
        ("services: {s: {url: localhost}}", 1, "write http://HOST:PORT"),
        ("services: {s: {url: 'http://h:99999'}}", 1, "write http://HOST:PORT"),
        ("services: {s: {url: 'http://[::1'}}", 1, "write http://HOST:PORT"),
        (
            "services: {s: {url: 'http://h', health: ok}}",
            1,
            "services.s.health: the path must start with /",
        ),
        ("services: {s: {url: 'http://h', expect: []}}", 1, "no status counts as good"),
        ("services: {s: {url: 'http://h', expect: [99]}}", 1, "services.s.expect.1: 99 is out of range"),
        (
            "services: {s: {url: 'http://h', headers: {'a b': c}}}",
            1,
            "not a header name",
        ),
        ("hosts: {web-1: {}}\nservices: {s: {url: 'http://h', from: web1}}", 2, "did you mean web-1?"),
        ("services: {s: {url: 'http://h', from: web1}}", 1, "none is defined"),
        ("thresholds: {cpu_percent: {warn: 96}}", 1, "thresholds.cpu_percent: warn 96 is above fail 95"),
        ("thresholds: {cpu_percent: {warn: .nan}}", 1, "is not a number"),
        ("collectors: {mem: {}}", 1, "collectors.mem: no such collector; did you mean memory?"),
        ("collectors: {cpu: 3}", 1, "collectors.cpu: expected a mapping"),
        ("monitor: {listen: '9464'}", 1, "ADDRESS:PORT"),
        ("monitor: {heartbeat_url: 'hc.io/x'}", 1, "monitor.heartbeat_url: not an address"),
        ("hosts:\n\ta: {}", 2, "a tab in the indentation"),
        ("name: a\nhosts: {a: [}", 2, "not valid YAML"),
        ("name: a\x01", 1, "not valid YAML"),
        ("name: a\n---\nname: b", 2, "a second document"),
        ("name: !!str a", 1, "YAML tag"),
        ("theme_dirs: !!python/object/apply:os.system [id]", 1, "YAML tag"),
        ("name: ! a", 1, "YAML tag"),
        ("? [a, b]\n: c", 1, "a key must be a single word"),
        (
            "hosts: {a: &a {}, b: {<<: *a}}",
            1,
            "merge keys are not supported",
        ),
        ("hosts: &h {a: *h}", 1, "alias *h does not refer to a complete value above it"),
        ("name: *x", 1, "alias *x does not refer to a complete value"),
        ("name: " + "[" * 40, 1, "nested deeper than"),
    ],
)
def test_each_error_says_where_what_and_what_would_be_right(text: str, line: int, says: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(f"{line}: ")
    assert says in found[0]


def test_an_alias_is_the_value_it_names() -> None:
    config = from_text("hosts: {a: &same {user: ops, tags: [x]}, b: *same}", "c.yaml")
    assert config.hosts["a"] == config.hosts["b"] == HostConfig(user="ops", tags=("x",))


@pytest.mark.fault("S27")
def test_a_bomb_of_aliases_is_refused_before_it_is_written_out() -> None:
    levels = [f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = problems("x0: &a0 [a, a, a, a, a, a, a, a, a, a]\n" + "\n".join(levels))
    assert any("after all aliases are expanded; refused" in line for line in found)


@pytest.mark.fault("S28")
@pytest.mark.parametrize(
    "text",
    [
        "hosts: {a: {password: hunter2}}",
        "hosts: {a: {password: 'env:'}}",
        "hosts: {a: {sudo_password: [hunter2]}}",
        "services: {s: {url: 'http://joe:hunter2@h'}}",
        "services: {s: {url: 'http://h', headers: {Authorization: Bearer hunter2}}}",
        "services: {s: {url: 'http://h', headers: {X-Api-Key: hunter2}}}",
        "monitor: {heartbeat_url: 'https://joe:hunter2@h'}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(text: str) -> None:
    found = problems(text)
    assert found
    assert "hunter2" not in "".join(found)


def test_errors_follow_the_language() -> None:
    i18n.set_language("zh_CN")
    (found,) = problems("refrsh: 2")
    assert re.search(r"[\u4e00-\u9fff]", found)
    assert "refresh" in found


@pytest.mark.fault("S1")
def test_control_characters_of_the_file_never_reach_the_terminal() -> None:
    found = problems('"\\e]0;x\\a": 1\nlanguage: "\\e[31m"\n')
    assert not any(char < " " for line in found for char in line)


@pytest.mark.fault("S27")
@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_findings(text: str) -> None:
    assert isinstance(outcome(text), Config | tuple)


_WORDS = st.one_of(
    st.sampled_from(
        ["true", "no", "~", "2s", "env:A", "-1", "[]", "{}", "[a, b]", "{a: 1}", "'x'", "!!int 3", "*a", "&a b"]
    )
)


@given(st.dictionaries(st.sampled_from([f.encode_name for f in msgspec.structs.fields(Config)]), _WORDS))
def test_wrong_kinds_of_values_are_findings_and_not_crashes(values: dict[str, str]) -> None:
    text = "\n".join(f"{key}: {value}" for key, value in values.items())
    assert isinstance(outcome(text), Config | tuple)


@pytest.mark.fault("S26")
def test_warnings_name_what_is_not_there_and_who_may_read(tmp_path: Path) -> None:
    path = written(tmp_path, "hosts: {a: {password: 'env:NOT_SET'}, b: {password: 'env:SET'}}", 0o644)
    warnings = load(path, environ={"SET": "x"}).warnings
    assert [("chmod 600" in text, "env:NOT_SET" in text) for text in warnings] == [(True, False), (False, True)]
    path.chmod(0o600)
    assert load(path, environ={"SET": "x", "NOT_SET": "y"}).warnings == ()


def test_a_readable_file_without_secrets_is_fine(tmp_path: Path) -> None:
    assert load(written(tmp_path, "name: x", 0o644)).warnings == ()


def test_references_are_found_wherever_they_stand() -> None:
    config = Config(
        hosts={"a": HostConfig(password=SecretRef("env:A"))},
        services={"s": ServiceConfig(url="http://h", headers={"X": SecretRef("env:B"), "Y": "plain"})},
    )
    assert set(secret_refs(config)) == {"env:A", "env:B"}


def _all_keys(struct: type[msgspec.Struct]) -> set[str]:
    keys: set[str] = set()
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        keys.add(field.encode_name)
        kind = getattr(field.type, "value_type", field.type)
        if isinstance(kind, msgspec.inspect.StructType):
            keys |= _all_keys(kind.cls)
    return keys


def test_the_example_explains_every_key_and_loads(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    keys = _all_keys(Config)
    assert {"hosts", "sudo_password", "heartbeat_every", "warn"} <= keys
    missing = [key for key in keys if not re.search(rf"(?m)(^ *|[{{ ]){key}:", text)]
    assert not missing
    config = load(written(tmp_path, text), environ={}).config
    assert config.thresholds == Config().thresholds
    assert config.ssh == Config().ssh
    assert config.history == Config().history


def test_an_unknown_theme_is_found_with_its_line() -> None:
    (problem,) = problems("name: x\ntheme: fox-drak\n")
    assert problem.startswith("2: theme:")
    assert "fox-dark" in problem


# The sections for runbooks and recovery: what does not fit together is said with its line.


SERVICES = "services: {gateway: {url: 'http://h', depends_on: [%s]}, backend: {url: 'http://h:1'}}\n"
UNIT = "recovery: {backend: {host: web, unit: backend.service%s}}\n"
HOSTS = "hosts: {web: {local: true}}\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (UNIT % "", "recovery.backend.host"),
        (HOSTS + UNIT % ", service: backend", "recovery.backend.service"),
        (HOSTS + UNIT.replace("backend.service", '"-x;reboot"') % "", "recovery.backend.unit"),
        (HOSTS + UNIT % ", container: shop-api-1", "recovery.backend"),
        (HOSTS + "recovery: {backend: {host: web}}\n", "recovery.backend"),
        (HOSTS + "recovery: {backend: {host: web, container: '--all'}}\n", "recovery.backend.container"),
        (HOSTS + UNIT % ", limit: 0", "recovery.backend.limit"),
        ("runbooks: {never_ban: [10.0.0.0/8, 10.0.0.1.2]}\n", "10.0.0.1.2"),
        ("contacts: {security: {call: 1}}\n", "contacts.security"),
        (
            SERVICES % "backnd",
            "gateway.depends_on.0: no other service, backend or host named “backnd”; did you mean backend?",
        ),
        (SERVICES % "gateway", "depends_on"),
        ("hosts: {web: {depends_on: [gate]}}\n", "hosts.web.depends_on.0: no host named “gate”"),
        ("hosts: {web: {depends_on: [web]}}\n", "hosts.web.depends_on: the host depends on itself"),
        (
            "hosts: {web: {depends_on: [gate]}, gate: {depends_on: [far]}, far: {depends_on: [web]}}\n",
            "hosts.gate.depends_on: the host depends on itself",
        ),
    ],
)
def test_what_does_not_fit_is_named(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_text(text, "config.yaml")
    assert any(what in problem for problem in error.value.problems), error.value.problems


def test_folders_of_runbooks_are_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("runbooks: {folders: [runbooks, /srv/ops/manual.md]}\n")
    path.chmod(0o600)
    assert load(path).config.runbooks.folders == (str(tmp_path / "runbooks"), "/srv/ops/manual.md")
