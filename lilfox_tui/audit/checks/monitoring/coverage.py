"""What the alert rules watch: services, hosts and backends that no rule selects, rules that can select nothing, and
targets that are down."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import starmap
from typing import Any
from urllib.parse import SplitResult, urlsplit

from lilfox_tui.alerts.lint.model import MADE_BY_ALERTS, name_of
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.rule_selection import (
    Answer,
    HostLabels,
    Matchers,
    Mention,
    PageIndex,
    RuleSelection,
    of_host,
    of_mentions,
    why_empty,
)
from lilfox_tui.audit.targets.configuration import PAGES_QUESTION, RULES, Page, PagesAnswer, RulesAnswer
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.scrape.labels import NAME, selector_text

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST_METRICS = ("node_", "windows_", "cpu_usage_idle")
"""Beginnings of the metrics of node_exporter, windows_exporter and Telegraf."""
_HOST_LABELS = frozenset({"about", "host", "hostname", "node", "nodename"})
"""Labels whose value is a host; others, such as that of a load balancer's server, may be an application on it."""
_EXPORTERS = {
    "postgresql": ("pg_",), "redis": ("redis_",), "rabbitmq": ("rabbitmq_",), "celery": ("celery_",),
    "rq": ("rq_",), "arq": ("arq_",),
}  # fmt: skip
"""Beginnings of the metrics that exporters give of a kind of backend."""


class IndexedPages:
    """The pages of all targets, the services without one, and which targets are not scraped."""

    def __init__(self, answer: PagesAnswer) -> None:
        self.pages = [PageIndex(page) for page in answer.pages]
        self.missing, self.problems = answer.missing, answer.problems


PAGES = Fact("pages", PAGES_QUESTION, IndexedPages)


class _Judge:
    """Whether rules select things of the configuration, as far as it can be known."""

    def __init__(self, rules: RulesAnswer, found: IndexedPages) -> None:
        self.rules, self.pages, self.problems = rules, found.pages, found.problems
        self.selection = RuleSelection((rule for _file, rule in rules.alerts()), rules.records())
        self._answers: dict[PageIndex, Answer] = {}

    def _answer(self, page: PageIndex) -> Answer:
        """Whether a rule selects something on the page."""
        if page not in self._answers:
            self._answers[page] = self.selection.answer(page.answer, page.labels)
        return self._answers[page]

    def selects(self, mention: Mention, own: Callable[[PageIndex], Answer]) -> bool:
        """Whether a rule selects a page that is the thing's ``own`` (UNKNOWN: may be), or a series that mentions it.
        Raises NotKnown."""
        unsure: Page | None = None
        for page in self.pages:
            belongs = own(page)
            answer = self._answer(page)
            if belongs is Answer.YES and answer is Answer.YES:
                return True
            mentions = page.mentions(mention)
            if mentions and self.selection.answer(partial(of_mentions, mentions=mentions), page.labels) is Answer.YES:
                return True
            if answer is not Answer.NO and (belongs is Answer.UNKNOWN or answer is Answer.UNKNOWN):
                unsure = unsure or page.page
        if unsure is not None:
            raise NotKnown(_unsure(mention.name, unsure))
        self.rules.refuse_unread()
        return False

    def unwatched(self, names: Iterable[str], selects: Callable[[str], bool]) -> Iterator[str]:
        """The names of things that no rule selects. Raises NotKnown if there is none, and one is not known."""
        unsure: NotKnown | None = None
        found = False
        for name in names:
            try:
                selected = selects(name)
            except NotKnown as error:
                unsure = unsure or error
                continue
            if not selected:
                found = True
                yield name
        if unsure is not None and not found:
            raise unsure


def _unsure(name: str, page: Page) -> Message:
    if page.problem is not None:
        return tr("{name}: the page of {target} could not be read: {reason}",
                  name=name, target=page, reason=page.problem)  # fmt: skip
    return tr("{name}: a rule selects {target}, and nothing says what that target is about; if it is about {name}, "
              "put it under labels: of the target (about: {name})",
              name=name, target=page)  # fmt: skip


def _without_rules(rules: RulesAnswer, things: Collection[str], fix: Fix) -> AuditFinding | None:
    """One finding for all ``things``, if there is no alert rule at all. Raises NotKnown, and Absent without things."""
    if not things:
        raise Absent
    if any(True for _each in rules.alerts()):
        return None
    rules.refuse_unread()
    evidence = tr("the configuration has no alert rule; nobody is told of {names}", names=listed(sorted(things)))
    return AuditFinding("rules", evidence, fix)


def _rule_fix(rules: RulesAnswer, alert: str, expression: str, label: str, more: Message | None = None) -> Fix:
    """A rule file with one rule, about what ``label`` names."""
    file = rules.file.parent / f"{alert}-{label}.yml"
    lines = (
        "groups:",
        f"- name: {alert}-{label}",
        "  rules:",
        f"  - alert: {alert}",
        f"    expr: {expression}",
        "    for: 2m",
        "    labels: {severity: critical}",
        f"    annotations: {{summary: '{{{{ $labels.{label} }}}} is down'}}",
    )
    text = tr("Write these lines to {file}, and name it under rules: of {config}.", file=file.name, config=rules.file)
    if more is not None:
        text = tr("{first} {then}", first=text, then=more)
    return Fix(text, str(file), lines, (f"lilfox alerts lint {shlex.quote(str(file))}",))


def judge_hosts(facts: Facts) -> Iterator[AuditFinding]:
    """A host of which no rule selects a series, neither of LilFox nor of an exporter of the host."""
    rules = facts[RULES]
    hosts = rules.config.hosts
    fix = _rule_fix(rules, "InstanceDown", "lilfox_host_up == 0", "host")
    if (whole := _without_rules(rules, hosts, fix)) is not None:
        yield whole
        return
    judge = _Judge(rules, facts[PAGES])

    def selects(name: str) -> bool:
        options = hosts[name]
        labels = HostLabels(name, options.address or name)
        own = {"host": name, "instance": labels.instance}
        if judge.selection.answer(partial(of_host, host=labels), own) is Answer.YES:
            return True
        return judge.selects(Mention(name, labels=_HOST_LABELS), lambda page: _of_host(page, name, options))

    for name in judge.unwatched(hosts, selects):
        evidence = tr("none of the {count} selectors of the alert rules selects a series of the host",
                      count=len(judge.selection.selectors))  # fmt: skip
        yield AuditFinding(name, evidence, fix)


def _of_host(index: PageIndex, name: str, options: Any) -> Answer:
    """Whether a page is that of an exporter on the host; UNKNOWN where its address does not tell."""
    page, labels = index.page, index.labels
    if page.problem is None and not index.begins(*_HOST_METRICS):
        return Answer.NO
    address = _address(page)
    words = {name, options.address or name}
    here = page.host == name or (page.host is None and options.local)
    if address in words or (address in _LOOPBACK and here) or labels.get("instance", "").partition(":")[0] in words:
        return Answer.YES
    if options.series and options.series.items() <= labels.items():
        return Answer.YES
    if index.nodes:
        known = any(node in words or node.partition(".")[0] in words for node in index.nodes)
        return Answer.YES if known else Answer.NO
    return Answer.NO if address in _LOOPBACK else Answer.UNKNOWN


def _address(page: Page) -> str:
    return urlsplit(page.url).hostname or ""


_OWN_PAGE = tr(
    "Let LilFox scrape the page of its own monitor, too: listen: 127.0.0.1:9464 under monitor:, and lilfox: with "
    "targets: [127.0.0.1:9464] under scrape:."
)


def judge_services(facts: Facts) -> Iterator[AuditFinding]:
    """A service of which no rule selects a series, neither on its page nor on that of an exporter or gateway."""
    rules, pages = facts[RULES], facts[PAGES]
    services = rules.config.services
    own_page = _rule_fix(rules, "ServiceDown", "lilfox_service_up == 0", "service", _OWN_PAGE)
    jobs = "|".join(name for name in services if name not in pages.missing)
    up = _rule_fix(rules, "ServiceDown", f'up{{job=~"{jobs}"}} == 0', "job")
    if (whole := _without_rules(rules, services, own_page if pages.missing else up)) is not None:
        yield whole
        return
    judge = _Judge(rules, pages)

    def selects(name: str) -> bool:
        options = services[name]
        mention = Mention(name, _place(options.url))

        def own(page: PageIndex) -> Answer:
            labels = page.labels
            same = name in (page.page.service, labels.get("job")) or any(starmap(mention.is_in, labels.items()))
            return Answer.YES if same or (options.series and options.series.items() <= labels.items()) else Answer.NO

        return judge.selects(mention, own)

    for name in judge.unwatched(services, selects):
        count = len(judge.selection.selectors)
        if name in pages.missing:
            evidence = tr("the service has no page of metrics, and none of the {count} selectors of the alert rules "
                          "selects a series that mentions it", count=count)  # fmt: skip
        else:
            evidence = tr("none of the {count} selectors of the alert rules selects a series of the service",
                          count=count)  # fmt: skip
        yield AuditFinding(name, evidence, own_page if name in pages.missing else up)


def _url(address: str, port: int) -> str:
    return f"//[{address}]:{port}" if ":" in address else f"//{address}:{port}"


def _place(url: str) -> frozenset[str]:
    """``HOST:PORT`` of a URL, where that is one place for everybody."""
    parts = urlsplit(url)
    return frozenset() if parts.hostname in _LOOPBACK else frozenset({parts.netloc.rpartition("@")[2]})


def judge_backends(facts: Facts) -> Iterator[AuditFinding]:
    """A backend that no rule selects, neither on LilFox's own page nor on that of an exporter."""
    rules = facts[RULES]
    backends = rules.config.backends
    fix = _rule_fix(rules, "DatabaseDown", "lilfox_backend_up == 0", "backend", _OWN_PAGE)
    if (whole := _without_rules(rules, backends, fix)) is not None:
        yield whole
        return
    judge = _Judge(rules, facts[PAGES])

    def selects(name: str) -> bool:
        options = backends[name]
        url = getattr(options, "url", "") or _url(options.address, options.port)
        return judge.selects(Mention(name, _place(url)), lambda page: _of_backend(page, options, urlsplit(url)))

    for name in judge.unwatched(backends, selects):
        evidence = tr("none of the {count} selectors of the alert rules selects a series that mentions the backend",
                      count=len(judge.selection.selectors))  # fmt: skip
        yield AuditFinding(name, evidence, fix)


def _of_backend(index: PageIndex, options: Any, place: SplitResult) -> Answer:
    """Whether a page is the backend's own or that of its exporter; UNKNOWN for an exporter of its kind elsewhere."""
    page = index.page
    asked = urlsplit(page.url)
    same_view = page.host == options.host or place.hostname not in _LOOPBACK
    if place.netloc.rpartition("@")[2] == asked.netloc and same_view:
        return Answer.YES
    prefixes = _EXPORTERS.get(options.kind, ())
    if page.problem is None and not (prefixes and index.begins(*prefixes)):
        return Answer.NO
    return Answer.YES if page.problem is None and place.hostname == asked.hostname and same_view else Answer.UNKNOWN


def judge_rules(facts: Facts) -> Iterator[AuditFinding]:
    """An alert rule that never has a result: the labels of its selector fit no target and no host, no page has a metric
    of its kind, or no series of its metric has the label."""
    rules, pages = facts[RULES], facts[PAGES]
    judge = _Judge(rules, pages)
    if not judge.selection.alerts:
        raise Absent
    hosts = [HostLabels(name, each.address or name) for name, each in rules.config.hosts.items()]
    unsure: NotKnown | None = None
    told: set[str] = set()
    for file, rule in rules.alerts():
        try:
            reason = why_empty(rule.query.tree, partial(_why_nothing, judge, hosts))
        except NotKnown as error:
            unsure = unsure or error
            continue
        if reason is not None and rule.name not in told:
            told.add(rule.name)
            text = tr("Correct the selector, scrape the target that has the series, or remove the rule.")
            yield AuditFinding(
                rule.name, tr("{file}: {reason}", file=file, reason=reason),
                Fix(text, file, commands=(f"lilfox alerts lint {shlex.quote(str(file))}",)),
            )  # fmt: skip
    if unsure is not None and not told:
        raise unsure


_MADE_HERE = ("lilfox_recovery_", "lilfox_audit_", "lilfox_service_certificate_")
"""Beginnings of the names of series, not of hosts, that LilFox makes itself."""


def _why_nothing(judge: _Judge, hosts: Sequence[HostLabels], matchers: Matchers) -> Message | None:
    """Why a selector selects nothing; None if it selects something or may do so later. Raises NotKnown."""
    name, shown = name_of(matchers), selector_text(matchers)
    if not name or judge.selection.records(name) or name in MADE_BY_ALERTS or name.startswith(_MADE_HERE):
        return None
    if any(of_host(matchers, each) is Answer.YES for each in hosts):
        return None
    answers = [page.answer(matchers) for page in judge.pages]
    if Answer.YES in answers:
        return None
    if Answer.UNKNOWN in answers:
        raise NotKnown(_unsure(name, judge.pages[answers.index(Answer.UNKNOWN)].page))
    if judge.problems:
        raise NotKnown(tr("{reason}", reason=judge.problems[0]))
    alone = tuple(each for each in matchers if each.name == NAME)
    if any(of_host(alone, each) for each in hosts) or any(each.answer(alone) for each in judge.pages):
        return tr("{selector}: there are series of that name, but none can have these labels", selector=shown)
    kind = name.partition("_")[0] + "_"
    if any(page.begins(kind) for page in judge.pages):
        return None  # an exporter that is there: it may have no such device, or nothing of the kind has happened yet
    return ntr("{selector}: no series of the {count} target begins with {kind}",
               "{selector}: no series of the {count} targets begins with {kind}",
               len(judge.pages), selector=shown, kind=kind)  # fmt: skip


def judge_targets(facts: Facts) -> Iterator[AuditFinding]:
    """A target of ``scrape:`` or of the prometheus.yml that gives no metrics."""
    pages = [index.page for index in facts[PAGES].pages if not index.page.service]
    if not pages:
        raise Absent
    down = [page for page in pages if page.problem is not None]
    for page in down:
        if page.asked:
            asking = page.host or tr("this machine")
            evidence = tr("{url}, asked from {host}: {reason}", url=page.url, host=asking, reason=page.problem)
            text = tr("Start the exporter and let {host} reach it, or remove the target.", host=asking)
            yield AuditFinding(str(page), evidence, Fix(text))
    if down and not any(page.asked for page in down):
        raise NotKnown(tr("{target}: {reason}", target=down[0], reason=down[0].problem))


_RULE_LINK = "https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/"
_PRACTICE_LINK = "https://prometheus.io/docs/practices/alerting/"
CHECKS = (
    AuditCheck(
        "service-without-rule",
        AuditSeverity.HIGH,
        tr("no alert rule watches a service"),
        tr("Nobody is told when it is down."),
        (RULES, PAGES),
        judge_services,
        _PRACTICE_LINK,
    ),
    AuditCheck(
        "host-without-rule",
        AuditSeverity.HIGH,
        tr("no alert rule watches a host"),
        tr("Nobody is told when it is unreachable or overloaded."),
        (RULES, PAGES),
        judge_hosts,
        _PRACTICE_LINK,
    ),
    AuditCheck(
        "backend-without-rule",
        AuditSeverity.HIGH,
        tr("no alert rule watches a backend"),
        tr("Nobody is told when the database, cache or queue is down."),
        (RULES, PAGES),
        judge_backends,
        _PRACTICE_LINK,
    ),
    AuditCheck(
        "rule-without-series",
        AuditSeverity.MEDIUM,
        tr("an alert rule selects no series"),
        tr("It never fires, and looks as if all were well."),
        (RULES, PAGES),
        judge_rules,
        _RULE_LINK,
    ),
    AuditCheck(
        "scrape-target-down",
        AuditSeverity.MEDIUM,
        tr("a scrape target gives no metrics"),
        tr("Rules about its series find nothing, so they do not fire."),
        (PAGES,),
        judge_targets,
        "https://prometheus.io/docs/concepts/jobs_instances/",
    ),
)
