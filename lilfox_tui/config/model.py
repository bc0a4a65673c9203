"""The configuration as a typed, frozen model. ``config.example.yaml`` documents every key for users.

``loader.py`` makes it from YAML; nothing else does. Durations are seconds here and ``2s``, ``500ms``, ``5m``, ``1h``
in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.log_formats import LogFormatConfig
from lilfox_tui.config.service_probes import CertificateConfig, DeadlineConfig, LogLinesConfig
from lilfox_tui.config.suppression import InhibitConfig, MuteConfig, TimeIntervalConfig
from lilfox_tui.config.values import (
    LanguageName,
    Name,
    Port,
    Recipient,
    Seconds,
    SecretRef,
    TemplateText,
    TextOrSecret,
    Wait,
)
from lilfox_tui.core.errors import NotAllowed
from lilfox_tui.core.i18n import Message, tr

# The sections of the configuration for runbooks, incidents and recovery.


class RunbooksConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where runbooks are, and what no runbook may do."""

    folders: tuple[str, ...] = ()
    """Markdown files and folders of them; relative ones are beside the configuration file."""
    bundled: bool = True
    """Whether the runbooks that LilFox brings are listed too."""
    never_ban: tuple[str, ...] = ()
    """Addresses and ranges that are never banned: load balancers, proxies, offices."""


class ContactConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A contact to call during an incident."""

    name: str
    call: str = ""
    """A phone number, a mail address, a channel: shown as it stands."""
    note: str = ""


class RecoveryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A systemd unit, or a container, that is restarted automatically when it is unhealthy. Listing it here is the
    confirmation."""

    host: str
    unit: str = ""
    container: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")] = ""
    """Its name, in place of ``unit``."""
    service: str | None = None
    """One of ``services`` whose health counts besides the unit's state."""
    every: Seconds = Seconds(10)
    """Between two looks."""
    failures: Annotated[int, Meta(ge=1, le=100)] = 3
    """How many looks in a row find it unhealthy before it is restarted."""
    limit: Annotated[int, Meta(ge=1, le=100)] = 3
    """How many restarts there are ``within`` at most; then it is left alone and an alert is raised."""
    within: Seconds = Seconds(3600)
    back_off: Seconds = Seconds(30)
    """Between the first restart and the second; doubled each time."""
    settle: Seconds = Seconds(10)
    """After a restart before its health is asked."""

    @property
    def subject(self) -> str:
        """The unit, or the container, as texts name it."""
        return self.unit or f"container {self.container}"


class HostConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One host. Its kind is ``ssh`` unless ``local: true``."""

    local: bool = False
    address: str | None = None
    """Address or alias of ``~/.ssh/config``; the host's name when not given."""
    user: str | None = None
    port: Port | None = None
    identity: str | None = None
    """Path of a private key, in front of those of ssh_config and the agent."""
    password: SecretRef | None = None
    passphrase: SecretRef | None = None
    tags: tuple[Name, ...] = ()
    sudo: bool = False
    """Commands that need it may use ``sudo -n``."""
    sudo_password: SecretRef | None = None
    protected: bool = False
    """Allow no change on this host, whoever asks."""
    depends_on: tuple[Name, ...] = ()
    """Names of the hosts without which it cannot be reached: a gateway, the machine that it runs on."""
    containers: tuple[Annotated[str, Meta(pattern=r"^/")], ...] | None = None
    """Sockets of its container engines; found when not given, none for an empty list."""
    series: dict[str, str] = {}
    """Labels of its series (node_exporter's) in the Prometheus of the config; ``instance`` is its name or address, with
    any port, when not given."""


class MetricNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The names of a target's request metrics; those not given are recognised (``scrape/application.py``)."""

    requests: str | None = None
    """The counter of requests."""
    latency: str | None = None
    """The histogram or summary of the time to an answer, without ``_bucket`` or ``_count``."""
    inflight: str | None = None
    """The gauge of requests under way."""
    status_label: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The label of the counter that holds the status: ``503``, ``5xx`` or ``SERVER_ERROR``."""
    latency_unit: Literal["seconds", "milliseconds", "microseconds"] | None = None


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``warn`` makes a host or a service degraded (◐), ``fail`` makes it failing (✖)."""

    warn: float | None = None
    fail: float | None = None

    @property
    def lowest(self) -> float | None:
        """The first limit that a rising value reaches; None if there is none."""
        return min((each for each in (self.warn, self.fail) if each is not None), default=None)


def _levels(warn: float | None, fail: float | None) -> Threshold:
    return Threshold(warn=warn, fail=fail)


class ServiceConfig(MetricNames, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One HTTP service, with a health check and, if it has one, a metrics endpoint. With ``tcp`` or ``icmp`` it is a
    port or a host instead, which only has to answer; with ``deadline`` a job that has to report, with
    ``certificate`` a certificate, with ``lines`` lines of a log."""

    url: str = ""
    tcp: str | None = None
    """``HOST:PORT`` that must accept connections; nothing is sent."""
    icmp: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:_-]*$")] | None = None
    """Host that must answer a ping."""
    deadline: DeadlineConfig | None = None
    """A job that must report in time."""
    certificate: CertificateConfig | None = None
    """A certificate in a file, or of a port that does not speak HTTP."""
    lines: LogLinesConfig | None = None
    """Lines of a log of which there must not be many."""
    health: str = "/health"
    timeout: Seconds = Seconds(5)
    slow: Seconds | None = Seconds(1)
    """Good answers that take longer, ``down_after`` in a row, make it degraded; None for no limit."""
    server_errors_percent: Threshold | None = None
    """As in :class:`Thresholds`, for this service alone."""
    every: Seconds | None = None
    """Period of the question; ``refresh`` but at least 2 s when not given."""
    expect: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = (200,)
    from_: str | None = msgspec.field(default=None, name="from")
    """Name of the host that asks (through its SSH connection); from here when not given."""
    depends_on: tuple[Name, ...] = ()
    """Names of the services, backends and hosts without which its requests fail."""
    tags: tuple[Name, ...] = ()
    down_after: Annotated[int, Meta(ge=1, le=100)] = 2
    """So many failures in a row make it down."""
    up_after: Annotated[int, Meta(ge=1, le=100)] = 2
    """So many good answers in a row make it up again."""
    headers: dict[str, TextOrSecret] = {}
    """Sent with each question; values that name a secret are :class:`SecretRef` after loading."""
    verify_tls: bool = True
    metrics: str | None = "/metrics"
    """Path of its page of metrics; None where it is not asked for one. A service without such a page is well."""
    metrics_every: Seconds = Seconds(5)
    series: dict[str, str] = {}
    """Labels of its series in the Prometheus of the config; when not given, ``job`` is its name, else ``instance`` its
    address."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The thresholds for the values of a host's summary and for the percentage of a service's requests that return 5xx;
    a level applies after ``hold`` samples in a row above it."""

    cpu_percent: Threshold = _levels(80, 95)
    iowait_percent: Threshold = _levels(30, 60)
    steal_percent: Threshold = _levels(10, 30)
    memory_percent: Threshold = _levels(85, 95)
    swap_percent: Threshold = _levels(50, 90)
    disk_percent: Threshold = _levels(85, 95)
    inode_percent: Threshold = _levels(85, 95)
    load_per_cpu: Threshold = _levels(2, 5)
    pressure_cpu: Threshold = _levels(40, 80)
    pressure_memory: Threshold = _levels(10, 40)
    pressure_io: Threshold = _levels(40, 80)
    clock_offset_s: Threshold = _levels(1, 30)
    failed_units: Threshold = _levels(0, None)
    server_errors_percent: Threshold = _levels(5, 20)
    hold: Annotated[int, Meta(ge=1, le=100)] = 3


class SshConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to connect to SSH hosts. ``config_files`` give what ``hosts:`` does not: its ``user`` and ``port`` take
    precedence over them."""

    config_files: tuple[str, ...] = ("~/.ssh/config",)
    known_hosts: tuple[str, ...] = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
    """Files that are read; a newly trusted key is appended to the first."""
    connect_timeout: Seconds = Seconds(10)
    keepalive: Seconds = Seconds(5)
    keepalive_max: Annotated[int, Meta(ge=1, le=20)] = 2
    dial_at_once: Annotated[int, Meta(ge=1, le=64)] = 8
    """So many connections are opened at the same time (measured: 8 never trips MaxStartups)."""
    retry_max: Seconds = Seconds(60)
    """Longest wait between two tries to connect."""


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys common to all kinds of log sources. The Options of each kind add their own."""

    kind: str = "file"
    host: str | None = None
    """Name of the host where it is read; this machine when not given."""
    zone: str = ""
    """IANA name of the time zone of times that tell none (``Europe/Berlin``); this machine's when not given."""
    format: str = ""
    """A kind of ``logs/formats``, or a name under ``log_formats:``; recognised by content when not given."""


ContextName = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")]
"""The name of a context: any text on one line that kubectl does not take for an option."""
NamespaceName = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]


class ClusterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Kubernetes cluster that is watched with kubectl."""

    from_: str | None = msgspec.field(default=None, name="from")
    """Name of the host whose kubectl is asked, as the login user; this machine when not given."""
    kubeconfig: Annotated[str, Meta(pattern=r"^[^-\x00][^\x00]*$")] | None = None
    """Path on that host; kubectl's own choice when not given."""
    context: ContextName | None = None
    """A context of the kubeconfig; the one that is current when LilFox first asks when not given."""
    namespaces: tuple[NamespaceName, ...] = ()
    """Only these; all when not given."""
    production: bool | None = None
    """Whether people depend on it; when not given, whether the name of the context has ``prod`` in it."""
    every: Seconds = Seconds(5)
    """Between two looks; longer where a look takes more than a fifth of it."""


class BackendConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys common to all kinds of backends. The Options of each kind add their own."""

    kind: str
    host: str | None = None
    """Name of the host through which it is asked (its SSH connection); from here when not given."""
    every: Seconds = Seconds(10)
    timeout: Seconds = Seconds(5)
    """For one look at it, the connecting not included."""
    tags: tuple[Name, ...] = ()


class ScrapeConfig(MetricNames, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Metrics endpoints scraped in addition to those of services. The name is the label ``job`` of their series; a
    service of that name shows them on its page."""

    targets: Annotated[tuple[str, ...], Meta(min_length=1)]
    """``HOST:PORT`` as the host that asks sees it; each is the label ``instance`` of its series."""
    scheme: Literal["http", "https"] = "http"
    path: str = "/metrics"
    params: dict[str, str] = {}
    from_: str | None = msgspec.field(default=None, name="from")
    """Name of the host that asks (through its SSH connection); from here when not given."""
    every: Seconds = Seconds(15)
    timeout: Seconds = Seconds(10)
    labels: dict[str, str] = {}
    """Put onto every series."""
    honor_labels: bool = False
    """Where page and target both give a label, the page's is kept; else it gets the name ``exported_…``."""
    honor_timestamps: bool = True
    drop: tuple[str, ...] = ()
    """Patterns (RE2, of the whole name) of metrics that are not kept."""
    headers: dict[str, TextOrSecret] = {}
    user: str | None = None
    password: SecretRef | None = None
    bearer: SecretRef | None = None
    """Sent as ``Authorization: Bearer …``."""
    verify_tls: bool = True
    ca_file: str = ""
    """PEM file of the authorities that are trusted instead of the system's."""
    body_limit_mb: Annotated[int, Meta(ge=1, le=1024)] = 32
    """A page that is longer, unpacked, is refused whole."""
    sample_limit: Annotated[int, Meta(ge=1, le=2_000_000)] = 100_000
    """A page with more samples is refused whole."""


class HistoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much history is kept in memory."""

    hours: Annotated[int, Meta(ge=1, le=168)] = 24
    memory_mb: Annotated[int, Meta(ge=8, le=4096)] = 64


class MonitorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of ``lilfox monitor``."""

    interval: Seconds = Seconds(60)
    output: str = "logs/monitor.log"
    listen: str | None = None
    """Address of its own ``/metrics``, such as ``127.0.0.1:9464``."""
    heartbeat_url: str | None = None
    """Called once an interval while the monitor lives, so that somebody notices its death."""
    heartbeat_every: Seconds = Seconds(60)
    ping_key: SecretRef | None = None
    """A secret with which every job with a deadline may ping: ``/ping/KEY/SLUG``."""
    series_mb: Annotated[int, Meta(ge=0, le=16384)] = 64
    """How much disk its series take at most, so that they outlast a restart; 0 for none."""


class AlertsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How rules are evaluated, and how notifications are sent."""

    every: Seconds | None = None
    """Period of the groups of rules that name none; that of the prometheus.yml, else 15 s when not given."""
    bell: bool = True
    """The screen rings the terminal's bell once for each alert that begins to fire."""
    external_labels: dict[str, str] = {}
    """Put on all alerts that leave; templates see them as ``$externalLabels``."""
    external_url: str = ""
    """An address that leads people to this LilFox or its Prometheus; ``$externalURL`` of templates."""
    outage: Seconds = Seconds(3600)
    """Timers of ``for`` go on after LilFox was away for so long at most; then they begin anew."""
    group_by: tuple[str, ...] = ("alertname",)
    """Alerts with the same values of these labels are told together."""
    group_wait: Wait = Wait(10)
    """From an alert's firing to telling it, so that others of its group are told with it; 0s for at once."""
    group_interval: Seconds = Seconds(300)
    """Between two messages about one group that still fires."""
    remind: Seconds | None = Seconds(4 * 3600)
    """Between two reminders of a group that fires and that nobody has acknowledged; None for no reminders."""
    resend: Seconds = Seconds(60)
    """How often an Alertmanager is told again what fires."""
    time_intervals: tuple[TimeIntervalConfig, ...] = ()
    """Recurring times that ``mute`` names."""
    mute: tuple[MuteConfig, ...] = ()
    """Recurring mute windows."""
    inhibit: tuple[InhibitConfig, ...] = ()
    """Which alerts silence which others while they fire."""
    incident_on: tuple[str, ...] = ()
    """Severities, or names of alerts: when such a one fires and no incident is open, ``lilfox monitor`` opens one."""

    @property
    def every_s(self) -> float:
        """The evaluation interval of rule groups that do not set one."""
        return 15.0 if self.every is None else self.every


class ApiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server with the HTTP API of Prometheus or Alertmanager. The file may give just its address."""

    SHORT: ClassVar[str] = "url"

    url: str
    """With the path that the API lies under, if any: ``https://mimir.example.net/prometheus``."""
    from_: str | None = msgspec.field(default=None, name="from")
    """Name of the host that asks (through its SSH connection); from here when not given."""
    headers: dict[str, TextOrSecret] = {}
    user: str | None = None
    password: SecretRef | None = None
    bearer: SecretRef | None = None
    """Sent as ``Authorization: Bearer …``."""
    verify_tls: bool = True
    ca_file: str = ""
    """PEM file of the authorities that are trusted instead of the system's."""
    timeout: Seconds = Seconds(30)


class NotifierConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys common to all kinds of notifiers. The Options of each kind add their own."""

    kind: str
    only: tuple[str, ...] = ()
    """Matchers as Alertmanager writes them (``severity="critical"``); alerts that all of them take are told."""
    receiver: str = ""
    """The receiver of ``alertmanager_config`` that it stands for; the one of its name when not given."""
    resolved: bool = True
    """Also tell that it is over."""
    timeout: Seconds = Seconds(30)
    """One try takes no longer."""
    title: TemplateText = TemplateText("")
    """Template of the title or subject, as Alertmanager has them (``{{ .CommonLabels.alertname }}``)."""
    message: TemplateText = TemplateText("")
    """Template of the text."""

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Return what makes these options unusable, apart from the types: the path of the key, and a sentence."""
        yield from ()


class KeepConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which sets of a plan are kept: those that any of these keys selects. Only sets that are at least intact count,
    and the newest of those is always kept. At least one key is required."""

    last: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    daily: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """The newest of each of so many days on which there is one; local days."""
    weekly: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    monthly: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """All that are younger."""
    tagged: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """The newest set of each of so many newest tags, beside what the others ask for; of every tag when not given."""


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys common to all kinds of stores. The Options of each kind add their own."""

    kind: str = "local"


class SourceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys common to all kinds of backup sources. The Options of each kind add their own."""

    kind: str
    host: str | None = None
    """Name of the host where it is read (through its SSH connection); this machine when not given."""


class EncryptConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Encryption with age. Only ``identity`` can decrypt what is encrypted for ``recipients``."""

    recipients: Annotated[tuple[Recipient, ...], Meta(min_length=1)]
    identity: SecretRef | None = None
    """The key (``AGE-SECRET-KEY-1…``) for verifying and restoring; never kept in a store."""


class SigningConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The key with which sets are signed. Whoever has it can sign."""

    key: SecretRef
    """At least 32 characters; it signs each manifest and proof."""
    others: tuple[SecretRef, ...] = ()
    """Keys whose signatures are accepted too: older ones, those of other machines."""
    required: bool = False
    """A set that none of the keys has signed is not trusted: not verified, not restored, not counted."""


class PlanConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One backup plan: the sources, the stores, the schedule, and the retention."""

    sources: dict[Name, Any]
    """Name → what is backed up. After loading, values are the Options of the kinds, each a :class:`SourceConfig`."""
    store: Name
    copies: tuple[Name, ...] = ()
    """Stores that each set is copied to."""
    schedule: str | None = None
    """As cron has it (``0 2 * * *``), in local time."""
    late_after: Seconds | None = None
    """So long after a scheduled run without a good set the plan is late; an hour when not given."""
    keep: KeepConfig | None = None
    """Nothing is removed when not given."""
    format: Literal["zstd", "manual"] = "zstd"
    """``manual``: gzip under the exact names of the manual, which its restore.sh reads."""
    encrypt: EncryptConfig | None = None
    drill: bool = False
    """After each run the set is restored into a scratch database or folder and compared."""
    window: Seconds | None = None
    """The backup window: reading the sources should take no longer."""


class BackupConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Backups: stores and plans."""

    stores: dict[Name, Any] = {}
    """Name → store. After loading, values are the Options of the kinds, each a :class:`StoreConfig`."""
    plans: dict[Name, Any] = {}
    """Name → plan. After loading, values are each a :class:`PlanConfig`, of another ``kind`` what
    ``PLANS_BY_KIND`` of :mod:`lilfox_tui.config.foreign` has for it."""
    signing: SigningConfig | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration."""

    name: Annotated[str, Meta(max_length=32)] = ""
    """Shown in the header: which installation this is (``prod``)."""
    language: LanguageName = "auto"
    theme: str = "fox-dark"
    refresh: Seconds = Seconds(2)
    read_only: bool = False
    slow_link: bool = False
    hosts: dict[Name, HostConfig] = {}
    services: dict[Name, ServiceConfig] = {}
    collectors: dict[str, Any] = {}
    """Kind → its Options; every kind runs with its defaults when it is not named, ``false`` switches it off.
    After loading, values are the Options structs of the kinds, or False."""
    logs: dict[Name, Any] = {}
    """Name → source. After loading, values are the Options structs of the kinds, each a :class:`LogConfig`."""
    log_formats: dict[Name, LogFormatConfig] = {}
    """Name → a format of one's own, tried before the kinds that LilFox has."""
    backends: dict[Name, Any] = {}
    """Name → database, cache, queue or breakers. After loading, values are the Options of the kinds, each a
    :class:`BackendConfig`."""
    clusters: dict[Name, ClusterConfig] = {}
    """Name → Kubernetes cluster that is watched with kubectl."""
    scrape: dict[Name, ScrapeConfig] = {}
    prometheus_config: str | None = None
    """Path of a prometheus.yml whose targets are scraped and whose rules are evaluated here too; a relative one is
    beside the configuration file."""
    alertmanager_config: str | None = None
    """Path of an alertmanager.yml whose routes, time intervals and inhibition rules count here too; a relative one is
    beside the configuration file."""
    alertmanager_receivers: bool = False
    """Whether the receivers of that file are notifiers here too."""
    rules: tuple[str, ...] = ()
    """Paths and globs of Prometheus' rule files; those that are relative are beside the configuration file."""
    alerts: AlertsConfig = AlertsConfig()
    prometheus: ApiConfig | None = None
    """A Prometheus, or what speaks like one, that answers queries and whose alerts are shown."""
    alertmanager: ApiConfig | None = None
    """An Alertmanager whose alerts and silences are shown and changed."""
    notifiers: dict[Name, Any] = {}
    """Name → who is told. After loading, values are the Options of the kinds, each a :class:`NotifierConfig`."""
    backup: BackupConfig = BackupConfig()
    runbooks: RunbooksConfig = RunbooksConfig()
    contacts: dict[Name, ContactConfig] = {}
    """Whom to call during an incident."""
    recovery: dict[Name, RecoveryConfig] = {}
    """Units that are restarted by themselves."""
    audit: AuditConfig = AuditConfig()
    thresholds: Thresholds = Thresholds()
    ssh: SshConfig = SshConfig()
    history: HistoryConfig = HistoryConfig()
    monitor: MonitorConfig = MonitorConfig()
    keys: dict[str, str] = {}
    """Action id → key, as the help screen names them."""
    theme_dirs: tuple[str, ...] = ()


def depends_on_itself(name: str, hosts: Mapping[str, HostConfig]) -> bool:
    """Whether a host depends on itself, also by way of others."""
    above = list(hosts[name].depends_on)
    for other in above:  # which grows
        above += [each for each in hosts[other].depends_on if each not in above] if other in hosts else []
    return name in above


# Where nothing is changed: everywhere with ``--read-only`` or ``read_only: true``, else on ``protected`` hosts.


def allows_no_change(config: Config, host: str | None) -> bool:
    """Whether changes on the host of that name are forbidden. None and unconfigured names mean this machine, to which
    the settings of all its names apply."""
    found = None if host is None else config.hosts.get(host)
    if config.read_only or (found is not None and found.protected):
        return True
    here = found is None or found.local
    return here and any(each.local and each.protected for each in config.hosts.values())


def refuse_change(config: Config, hosts: Iterable[str | None], why: Message | str = "") -> None:
    """Raises NotAllowed if changes are forbidden on one of these hosts; ``why`` says what the change would be."""
    for host in hosts:
        if not allows_no_change(config, host):
            continue
        name = host or tr("this machine")
        what = (
            tr("read-only mode: changes on {host} are not allowed", host=name)
            if config.read_only
            else tr("{host} is protected: changes on it are not allowed", host=name)
        )
        raise NotAllowed(
            tr("{what}; {why}", what=what, why=why) if why else what,
            tr("start without --read-only, or remove read_only from the configuration")
            if config.read_only
            else tr("remove protected from this host in the configuration"),
        )
