"""The second look at ``backup``: the Options of its stores and sources, and what does not fit together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from lilfox_tui.config.checks import check_host_name, options_by_name
from lilfox_tui.config.cron import read_cron
from lilfox_tui.config.model import BackupConfig, EncryptConfig, PlanConfig, StoreConfig
from lilfox_tui.config.problems import Findings, KeyPath, quoted, rather
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _

SOURCES = "lilfox_tui.backup.sources"
STORES = "lilfox_tui.backup.stores"


def with_options(config: BackupConfig, host_names: Collection[str], findings: Findings) -> BackupConfig:
    """``config`` with the Options of the kinds instead of nodes. The kinds that are named are imported here."""
    section: KeyPath = ("backup", "stores")
    unknown = _("there is no such kind of store")
    stores = options_by_name(section, config.stores, STORES, unknown, findings, default=StoreConfig().kind)
    for name, made in stores.items():
        _check_place(made, (*section, name), host_names, findings)
    plans = {
        name: _plan(plan, ("backup", "plans", name), config.stores, host_names, findings)
        for name, plan in config.plans.items()
    }
    return BackupConfig(stores=stores, plans=plans, signing=config.signing)


def _plan(
    plan: PlanConfig, path: KeyPath, stores: Mapping[str, Any], host_names: Collection[str], findings: Findings
) -> PlanConfig:
    unknown = _("there is no such kind of source")
    sources = options_by_name((*path, "sources"), plan.sources, SOURCES, unknown, findings)
    for name, made in sources.items():
        _check_place(made, (*path, "sources", name), host_names, findings)
    if not plan.sources:
        findings.add_at((*path, "sources"), _("nothing is backed up; name a source"))
    _check_stores(plan, path, stores, findings)
    _check_schedule(plan, path, findings)
    if plan.keep is not None and not any(msgspec.structs.astuple(msgspec.structs.replace(plan.keep, tagged=None))):
        findings.add_at((*path, "keep"), _("nothing is asked for; write last: 7, or leave keep out to keep all"))
    if plan.encrypt is not None:
        _check_encrypt(plan, plan.encrypt, path, findings)
    return msgspec.structs.replace(plan, sources=sources)


def _check_place(made: Any, path: KeyPath, host_names: Collection[str], findings: Findings) -> None:
    """``host``, ``path`` and ``url`` mean the same in every kind that has them."""
    check_host_name(getattr(made, "host", None), (*path, "host"), host_names, findings)
    folder = getattr(made, "path", None)
    if isinstance(folder, str) and not folder.startswith("/"):
        what = _("{value} is not an absolute path; from cron the folder at hand is another one", value=quoted(folder))
        findings.add_at((*path, "path"), what)
    if _holds_password(getattr(made, "url", "")):
        what = _("a password stands in the address; take it out, write password: env:NAME or file:PATH")
        findings.add_at((*path, "url"), what)


def _holds_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:  # what opens it says what is wrong
        return "@" in url


def _check_stores(plan: PlanConfig, path: KeyPath, stores: Mapping[str, Any], findings: Findings) -> None:
    wanted = [("store", plan.store, (*path, "store"))]
    wanted += [("copies", name, (*path, "copies", str(at))) for at, name in enumerate(plan.copies, 1)]
    seen: set[str] = set()
    for _key, name, here in wanted:
        if name not in stores:
            what = _("no store is named {value}", value=quoted(name))
            findings.add_at(here, f"{what}; {rather(name, stores)}")
        elif name in seen:
            findings.add_at(here, _("{value} is named twice; a copy lies elsewhere", value=quoted(name)))
        seen.add(name)


def _check_schedule(plan: PlanConfig, path: KeyPath, findings: Findings) -> None:
    if plan.schedule is None:
        if plan.late_after is not None:
            findings.add_at((*path, "late_after"), _("without a schedule nothing is late; add schedule: 0 2 * * *"))
        return
    try:
        read_cron(plan.schedule)
    except UsageError as error:
        findings.add_at((*path, "schedule"), f"{error.message}; {error.hint}")


def _check_encrypt(plan: PlanConfig, encrypt: EncryptConfig, path: KeyPath, findings: Findings) -> None:
    from pyrage import RecipientError, x25519  # only where something is encrypted

    for at, recipient in enumerate(encrypt.recipients, 1):
        try:
            x25519.Recipient.from_str(recipient)
        except RecipientError:
            what = _("{value} is no key of age; age-keygen prints one: age1…", value=quoted(recipient))
            findings.add_at((*path, "encrypt", "recipients", str(at)), what)
    if plan.format == "manual":
        what = _("the manual's restore.sh reads nothing that is encrypted; leave one of the two out")
        findings.add_at((*path, "encrypt"), what)
    if plan.drill and encrypt.identity is None:
        what = _("a drill restores, which needs the key: add identity: file:PATH, or leave drill out")
        findings.add_at((*path, "encrypt", "identity"), what)
