"""The section ``backup``: its kinds, their keys, and what does not fit together."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from lilfox_tui.backup.options import ConfigOptions, FilesOptions, LocalOptions, PostgresqlOptions, SftpOptions
from lilfox_tui.config.loader import from_text, secret_refs
from lilfox_tui.config.model import BackupConfig, EncryptConfig, KeepConfig, PlanConfig
from lilfox_tui.config.schema import schema, show
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import ConfigError

RECIPIENT = "age14llms38gywpzf72zhv4f2sh6d569pyx9w7fx20ah9v3c4xqxkv4qugyu0z"
GOOD = f"""
hosts: {{nas-1: {{}}, web-1: {{}}}}
backup:
  stores:
    here: {{path: /backup, require_mount: true}}
    usb: {{path: /mnt/usb/backup, require_mount: /mnt/usb}}
    nas: {{kind: sftp, host: nas-1, path: /srv/backup}}
  plans:
    lilfox:
      sources:
        uploads: {{kind: files, host: web-1, path: /srv/lilfox/public/uploads, root: /srv/lilfox}}
        settings: {{kind: config, root: /srv/lilfox}}
        database: {{kind: postgresql, url: "postgresql://fox@h/db", password: "env:PW", as: postgres, lock_timeout: 9s}}
      store: here
      copies: [nas]
      schedule: "*/15 8-18 * * mon-fri"
      late_after: 30m
      keep: {{last: 3, days: 30}}
      encrypt: {{recipients: [{RECIPIENT}], identity: "env:KEY"}}
      drill: true
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        from_text(text, "c.yaml")
    return refused.value.problems


def test_stores_and_sources_are_the_options_of_their_kinds() -> None:
    config = from_text(GOOD, "c.yaml")
    assert config.backup == BackupConfig(
        stores={
            "here": LocalOptions(path="/backup", require_mount=True),
            "usb": LocalOptions(path="/mnt/usb/backup", require_mount="/mnt/usb"),
            "nas": SftpOptions(host="nas-1", path="/srv/backup"),
        },
        plans={
            "lilfox": PlanConfig(
                sources={
                    "uploads": FilesOptions(host="web-1", path="/srv/lilfox/public/uploads", root="/srv/lilfox"),
                    "settings": ConfigOptions(root="/srv/lilfox"),
                    "database": PostgresqlOptions(
                        url="postgresql://fox@h/db",
                        password=SecretRef("env:PW"),
                        as_="postgres",
                        lock_timeout=Seconds(9),
                    ),
                },
                store="here",
                copies=("nas",),
                schedule="*/15 8-18 * * mon-fri",
                late_after=Seconds(1800),
                keep=KeepConfig(last=3, days=30),
                encrypt=EncryptConfig(recipients=(RECIPIENT,), identity=SecretRef("env:KEY")),
                drill=True,
            )
        },
    )
    assert set(secret_refs(config)) == {"env:KEY", "env:PW"}
    assert from_text(show(config), "shown.yaml") == config
    assert jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(GOOD))


@pytest.mark.fault("1.23", "2.11")
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: sftp", "kind: ftps", "7: backup.stores.nas.kind: no such kind of store; did you mean sftp"),
        ("host: nas-1", "host: nas-2", "7: backup.stores.nas.host: no host named “nas-2”; did you mean nas-1?"),
        ("path: /backup", "path: backup", "5: backup.stores.here.path: “backup” is not an absolute path"),
        ("require_mount: true", "mount: true", "5: backup.stores.here.mount: no such key; "),
        ("kind: files", "kind: file", "11: backup.plans.lilfox.sources.uploads.kind: no such kind of source"),
        ("host: web-1", "host: web", "11: backup.plans.lilfox.sources.uploads.host: no host named"),
        ("config, root: /srv/lilfox", "config, root: lilfox", "settings.root: “lilfox” is not an absolute path"),
        ("store: here", "store: her", "14: backup.plans.lilfox.store: no store named “her”; did you mean here?"),
        ("copies: [nas]", "copies: [nas, usbb]", "backup.plans.lilfox.copies.2: no store named “usbb”"),
        ("copies: [nas]", "copies: [here]", "backup.plans.lilfox.copies.1: “here” is listed twice"),
        ("8-18", "18-8", "16: backup.plans.lilfox.schedule: “18-8” ends before it begins; write 18-23,0-8"),
        ("keep: {last: 3, days: 30}", "keep: {}", "18: backup.plans.lilfox.keep: keep sets no retention"),
        (
            "//fox@h/",
            "//fox:hunter2@h/",
            "13: backup.plans.lilfox.sources.database.url: the address contains a password",
        ),
        ("last: 3", "last: 0", "18: backup.plans.lilfox.keep.last: 0 is out of range"),
        (RECIPIENT, "age1xyz", "backup.plans.lilfox.encrypt.recipients.1: “age1xyz” is not an age public key"),
        (RECIPIENT, "hunter2", "backup.plans.lilfox.encrypt.recipients.1: “hunter2” is not an age public key (age1…)"),
        (f"[{RECIPIENT}]", "[]", "backup.plans.lilfox.encrypt.recipients: fewer than 1 items"),
        (', identity: "env:KEY"', "", "backup.plans.lilfox.encrypt.identity: a drill needs the private key"),
        ("drill: true", "format: manual", "backup.plans.lilfox.encrypt: the restore.sh of format: manual cannot read"),
        ('schedule: "*/15 8-18 * * mon-fri"', "drill: true", "late_after: late_after needs a schedule"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_where_it_stands(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    text = text.replace("      drill: true\n", "", 1) if new == "drill: true" else text
    found = problems(text)
    assert len(found) == 1, found
    assert problem in found[0]
    assert "hunter2@" not in found[0]


def test_a_key_in_the_file_is_refused_and_not_repeated() -> None:
    found = problems(GOOD.replace("env:KEY", "AGE-SECRET-KEY-1ABC").replace("drill: true", "drill: false"))
    assert len(found) == 1
    assert "backup.plans.lilfox.encrypt.identity: a secret must not be in this file" in found[0]
    assert "AGE-SECRET" not in found[0]


def test_a_plan_without_sources_is_refused() -> None:
    text = "backup: {stores: {s: {path: /b}}, plans: {p: {sources: {}, store: s}}}"
    assert problems(text) == ("c.yaml:1: backup.plans.p.sources: nothing to back up; add a source",)


def test_all_problems_come_at_once() -> None:
    plan = "    p:\n      sources:\n        d: {kind: files}\n      store: x\n      schedule: 61 * * * *\n"
    text = f"backup:\n  plans:\n{plan}"
    assert [each.partition(": ")[0] for each in problems(text)] == ["c.yaml:5", "c.yaml:6", "c.yaml:7"]


@pytest.mark.parametrize(
    "backup",
    [
        "{stores: {a: {}}}",
        "{stores: {a: {kind: nfs, path: /b}}}",
        "{stores: {a: {path: /b, require_mount: 3}}}",
        "{plans: {p: {store: s}}}",
        "{plans: {p: {sources: {u: {path: /b}}, store: s}}}",
        "{plans: {p: {sources: {u: {kind: files, path: b}}, store: s}}}",
        "{plans: {p: {sources: {u: {kind: files, path: /b}}, store: s, keep: {last: 0}}}}",
        "{plans: {p: {sources: {u: {kind: files, path: /b}}, store: s, format: gzip}}}",
    ],
)
def test_schema_and_loader_refuse_the_same(backup: str) -> None:
    read: Any = yaml.safe_load(f"backup: {backup}")
    assert not jsonschema.Draft202012Validator(schema()).is_valid(read)
    assert problems(f"backup: {backup}")
