"""Backup plans: whether their sets are new, proven, elsewhere and encrypted. Nothing is restored for it: what LilFox
proved before is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.plans import PlanAnswer
from lilfox_tui.backup.plan import late
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_duration


def parse_plan(answer: PlanAnswer) -> PlanAnswer:
    """The answer itself."""
    return answer


PLAN = Fact("plan", "plan", parse_plan)


def judge_rpo(facts: Facts) -> Iterator[AuditFinding]:
    """A plan whose newest intact set is older than the RPO; without an RPO, older than its schedule allows."""
    plan = facts[PLAN]
    sets = plan.all_sets()
    newest = next((each for each in sets if each.good), None)
    fix = Fix(
        tr("Find out why there is no newer one, then run the plan."), commands=(f"lilfox backup run {plan.name}",)
    )
    if newest is None:
        yield AuditFinding("rpo", tr("no set of the plan is intact") if sets else tr("the plan has no set"), fix)
        return
    age = (plan.at - newest.created).total_seconds()
    told = {"set": newest.id, "age": human_duration(age)}
    if plan.goals.rpo is not None:
        if age > plan.goals.rpo:
            goal = human_duration(plan.goals.rpo)
            text = tr("the newest intact set, {set}, is {age} old; the RPO is {goal}", **told, goal=goal)
            yield AuditFinding("rpo", text, fix)
    elif late(plan.plan, sets, plan.at, plan.zone) is not None:
        text = tr("the newest intact set, {set}, is {age} old, and the schedule wants a newer one", **told)
        yield AuditFinding("rpo", text, fix)


def judge_drill(facts: Facts) -> Iterator[AuditFinding]:
    """A plan of which no set was restored for a test lately."""
    plan = facts[PLAN]
    newest = _restored(plan)
    goal = human_duration(plan.goals.drill_every)
    fix = Fix(
        tr("Restore a set for a test now; with drill: true in the plan, every run does."),
        commands=(f"lilfox backup drill --plan {plan.name}",),
    )
    if newest is None:
        yield AuditFinding("drill", tr("no set of the plan was restored for a test"), fix)
    elif (age := (plan.at - newest.tested_since).total_seconds()) > plan.goals.drill_every:
        told = {"set": newest.id, "age": human_duration(age), "goal": goal}
        evidence = tr("the last restore test, of {set}, was {age} ago; the goal is {goal}", **told)
        if newest.tested_at is None:
            evidence = tr("the time of the last restore test, of {set}, is not recorded; it may be {age} ago, and the "
                          "goal is {goal}", **told)  # fmt: skip
        yield AuditFinding("drill", evidence, fix)


def judge_rto(facts: Facts) -> Iterator[AuditFinding]:
    """A plan whose last restore test took longer than the RTO."""
    plan = facts[PLAN]
    if plan.goals.rto is None:
        raise Absent
    newest = _restored(plan)
    if newest is None or newest.proof is None or newest.proof.took_s is None:
        raise Absent  # the check of drills tells that
    if newest.proof.took_s > plan.goals.rto:
        evidence = tr("restoring {set} took {time}; the RTO is {goal}", set=newest.id,
                      time=human_duration(newest.proof.took_s), goal=human_duration(plan.goals.rto))  # fmt: skip
        fix = Fix(tr("Restore to a faster disk, divide the plan, or agree on a longer RTO."))
        yield AuditFinding("rto", evidence, fix)


def _restored(plan: PlanAnswer) -> BackupSet | None:
    """The set that was restored for a test last."""
    tested = [each for each in plan.all_sets() if each.proof is not None and each.proof.took_s is not None]
    return max(tested, key=lambda each: each.tested_since, default=None)


def judge_place(facts: Facts) -> Iterator[AuditFinding]:
    """A source whose sets all lie on its own host."""
    plan = facts[PLAN]
    places = {name: _store_host(options, plan) for name, options in plan.stores.items()}
    for name, source in plan.plan.sources.items():
        host = _host(source.host, plan)
        if all(place == host for place in places.values()):
            evidence = tr("source {source} and its stores ({stores}) are on {host}",
                          source=name, stores=listed(places), host=_named(host))  # fmt: skip
            text = tr("Add a store on another host, and name it under copies: of the plan.")
            yield AuditFinding(f"source {name}", evidence, Fix(text))


def _host(name: str | None, plan: PlanAnswer) -> str:
    """The host's name; empty for this machine, whatever the configuration calls it."""
    return "" if name is None or name in plan.here else name


def _store_host(options: Any, plan: PlanAnswer) -> str:
    """The host of a store; of a bucket its address, which is no host of a source unless it is on this machine."""
    if options.kind == "s3":
        server = urlsplit(options.endpoint).hostname
        return "" if server in ("localhost", "127.0.0.1", "::1") else f"s3://{options.bucket}"
    return _host(getattr(options, "host", None), plan)


def _named(host: str) -> Message | str:
    return host or tr("this machine")


def judge_encryption(facts: Facts) -> Iterator[AuditFinding]:
    """A plan that sends what it backs up to another host in clear text."""
    plan = facts[PLAN]
    if plan.plan.encrypt is not None:
        return
    away = [
        name
        for name, options in plan.stores.items()
        if any(_store_host(options, plan) != _host(each.host, plan) for each in _sources(plan))
    ]
    if away:
        evidence = tr("the plan has no encrypt:, and {stores} are on other hosts than its sources", stores=listed(away))
        yield AuditFinding("encrypt", evidence, _encrypt_fix(plan))


def _sources(plan: PlanAnswer) -> list[Any]:
    return list(plan.plan.sources.values())


def _encrypt_fix(plan: PlanAnswer) -> Fix:
    text = tr("Make a key with age-keygen, keep it away from the stores, and name its recipient in the plan.")
    lines = ("    encrypt:", "      recipients: [age1…]")
    return Fix(text, f"config.yaml: backup.plans.{plan.name}", lines)


def judge_key(facts: Facts) -> Iterator[AuditFinding]:
    """A key that lies in the folder of the sets that it decrypts."""
    plan = facts[PLAN]
    encrypt = plan.plan.encrypt
    if encrypt is None or encrypt.identity is None or not encrypt.identity.startswith("file:"):
        raise Absent
    key = Path(encrypt.identity.removeprefix("file:")).expanduser()
    for name, folder in _local_folders(plan.stores).items():
        if key.resolve().is_relative_to(folder.resolve()):
            text = tr("Move the key to another machine, and make a new one: whoever has copied the store has this one.")
            evidence = tr("{key} lies in the folder of store {store}", key=key, store=name)
            yield AuditFinding(f"store {name}", evidence, Fix(text))


def _local_folders(stores: Mapping[str, Any]) -> dict[str, Path]:
    return {name: Path(options.path).expanduser() for name, options in stores.items() if options.kind == "local"}


_LINK = "https://www.postgresql.org/docs/current/backup.html"
_AGE = "https://age-encryption.org/v1"
CHECKS = (
    AuditCheck(
        "backup-rpo",
        AuditSeverity.HIGH,
        tr("no backup that can be trusted is recent enough"),
        tr("Everything that no backup has is lost when the data is."),
        (PLAN,),
        judge_rpo,
        _LINK,
    ),
    AuditCheck(
        "backup-drill",
        AuditSeverity.HIGH,
        tr("no backup was restored for a test lately"),
        tr("A backup that was never restored may not be one; reading it back proves only its bytes."),
        (PLAN,),
        judge_drill,
        _LINK,
    ),
    AuditCheck(
        "backup-rto",
        AuditSeverity.HIGH,
        tr("a restore takes longer than agreed"),
        tr("The service is down for so long at least."),
        (PLAN,),
        judge_rto,
        _LINK,
    ),
    AuditCheck(
        "backup-same-host",
        AuditSeverity.HIGH,
        tr("all backups of a source are on its own host"),
        tr("Whatever destroys the host, or whoever gets root on it, takes the backups too."),
        (PLAN,),
        judge_place,
        _LINK,
    ),
    AuditCheck(
        "backup-not-encrypted",
        AuditSeverity.MEDIUM,
        tr("backups are stored elsewhere without encryption"),
        tr("Everyone who can read the store can read the database."),
        (PLAN,),
        judge_encryption,
        _AGE,
    ),
    AuditCheck(
        "backup-key-in-store",
        AuditSeverity.HIGH,
        tr("the key of the backups lies among them"),
        tr("Encryption that brings its key along protects nothing."),
        (PLAN,),
        judge_key,
        _AGE,
    ),
)
