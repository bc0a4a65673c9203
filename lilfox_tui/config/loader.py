"""Reads the configuration file into the model, in two passes: first the types of its keys, then the plug-ins' options
and the checks across keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.config.model import Config
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core import files, paths
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import _, tr

# The text of the configuration file, read only where nobody else can have written it (``core/files.py``).


MAX_BYTES = 1024 * 1024


class ConfigText(Struct, frozen=True):
    """The file's text, and whether users other than its owner may read it."""

    text: str
    readable_by_others: bool


def read_config_file(path: Path) -> ConfigText:
    """The text of ``path`` (UTF-8, up to 1 MiB). Raises ConfigError when it is missing, not trusted or not text."""
    try:
        with files.opened(path) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError(tr("{path}: not a regular file; specify the file itself", path=path))
            raw = files.content(descriptor, MAX_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(tr("{path}: larger than 1 MiB; not a LilFox configuration", path=path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(tr("{path}:{line}: not UTF-8 text; save it as UTF-8", path=path, line=line)) from None
    return ConfigText(text, bool(found.st_mode & 0o044))


def _unreadable(path: Path, error: OSError) -> ConfigError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(
            tr("{path}: no such file", path=path),
            hint=tr("specify a file with --config, or copy the example configuration"),
        )
    return ConfigError(tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or type(error).__name__))


class LoadedConfig(Struct, frozen=True):
    """A configuration and its file; ``path`` is None if there is no file.

    ``warnings`` are sentences about what works but is better changed.
    """

    config: Config
    path: Path | None = None
    warnings: tuple[str, ...] = ()


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Loads ``path``; without it, the file in the XDG folder, or if there is none, the defaults without hosts.

    ``environ`` (the process's own when not given) is where ``env:`` references are looked for, to warn early. Raises
    ConfigError with every problem of the file at once.
    """
    if path is None:
        path = paths.config_file()
        if not path.exists():
            return LoadedConfig(Config())
    source = read_config_file(path)
    config = _beside(path, from_text(source.text, str(path)))
    warnings = _warnings(config, path, source.readable_by_others, os.environ if environ is None else environ)
    return LoadedConfig(config, path, tuple(warnings))


def _beside(path: Path, config: Config) -> Config:
    """Resolves the file names in the configuration relative to its folder."""

    def whole(name: str) -> str:
        return str(path.absolute().parent / Path(name).expanduser())

    files = {key: getattr(config, key) for key in ("prometheus_config", "alertmanager_config")}
    named = {key: None if name is None else whole(name) for key, name in files.items()}
    rules = tuple(whole(each) for each in config.rules)
    runbooks = msgspec.structs.replace(config.runbooks, folders=tuple(whole(each) for each in config.runbooks.folders))
    folders = {key: getattr(config.audit, key) for key in ("source", "manifests")}
    audit = msgspec.structs.replace(
        config.audit, **{key: whole(folder) for key, folder in folders.items() if folder is not None}
    )
    formats = {
        name: msgspec.structs.replace(each, lnav=whole(each.lnav)) if each.lnav else each
        for name, each in config.log_formats.items()
    }
    return msgspec.structs.replace(config, rules=rules, runbooks=runbooks, audit=audit, log_formats=formats, **named)


def from_text(text: str, name: str) -> Config:
    """Parses the configuration in ``text``; error messages call the file ``name``. Raises ConfigError."""
    from lilfox_tui.config import checks
    from lilfox_tui.config.convert import to_struct
    from lilfox_tui.config.yaml_nodes import Findings, keys_of, parse, quoted, rather

    findings = Findings(name)
    root = parse(text, findings)
    config = to_struct(Config, root, findings)
    options = checks.collector_options(config.collectors, findings)
    hosts = keys_of(root, "hosts")
    logs = checks.log_options(config.logs, hosts, findings, config.log_formats)
    for log, made in logs.items():
        if (wanted := getattr(made, "cluster", "")) and wanted not in config.clusters:
            what = _("no cluster named {cluster}", cluster=quoted(wanted))
            findings.add_at(("logs", log, "cluster"), f"{what}; {rather(wanted, config.clusters)}")
    notifiers = checks.notifier_options(config.notifiers, findings)
    backends = checks.backend_options(config.backends, hosts, findings)
    backup = checks.with_backup_options(config.backup, hosts, findings)
    checks.check(config, hosts, findings)
    if findings:
        problems = findings.sorted()
        raise ConfigError(tr("the configuration cannot be used:\n{problems}", problems="\n".join(problems)), problems)
    return msgspec.structs.replace(
        config,
        collectors=options,
        logs=logs,
        notifiers=notifiers,
        backends=backends,
        backup=backup,
        services=checks.services_with_addresses(config.services, logs),
    )


def _warnings(config: Config, path: Path, readable: bool, environ: Mapping[str, str]) -> Iterator[str]:
    refs = set(secret_refs(config))
    if refs and readable:
        yield _("{path} refers to secrets, and others may read it; run: chmod 600 {path}", path=path)
    for ref in sorted(refs):
        kind, _colon, name = ref.partition(":")
        if kind == "env" and name not in environ:
            yield _("{path} refers to {ref}, but the environment variable is not set", ref=ref, path=path)


def secret_refs(value: Any) -> Iterator[SecretRef]:
    """Every reference to a secret in a configuration, or in a part of one."""
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secret_refs(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secret_refs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_refs(item)
