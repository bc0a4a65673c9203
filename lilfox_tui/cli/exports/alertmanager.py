"""alertmanager.yml of the notifiers: for an Alertmanager that takes over telling, 0.27 or later.

https://prometheus.io/docs/alerting/latest/configuration/"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lilfox_tui.alerts.notifiers.smtp import Options as Mail
from lilfox_tui.alerts.notifiers.webhook import Options as Webhook
from lilfox_tui.alerts.silences import format_matchers, parse_matchers
from lilfox_tui.cli.exports.formatting import comment, secret_file, yaml_block, yaml_item
from lilfox_tui.cli.exports.prometheus import http_access, seconds
from lilfox_tui.config.model import Config, NotifierConfig, SecretRef
from lilfox_tui.core.i18n import _
from lilfox_tui.hosts.http import Tls

SECRETS = "/etc/alertmanager/secrets"
_NOBODY = "nobody"
_NEVER = "8760h"
_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


def alertmanager_yml(config: Config) -> str:
    """The file. Secrets stay where they are or become the name of a file and a comment."""
    alerts = config.alerts
    text = comment(_("Made by lilfox export alertmanager from LilFox's configuration."))
    receivers = yaml_item({"name": _nobody(config)})
    routes: list[dict[str, Any]] = []
    for name, options in config.notifiers.items():
        notes: list[str] = []
        receiver = _receiver(name, options, notes)
        if receiver is None:
            receivers += "".join(comment(note, 2) for note in notes)
            continue
        receivers += yaml_item({"name": name, **receiver}, notes)
        routes.append({"receiver": name, **_matchers(options), "continue": True})
    route: dict[str, Any] = {
        "receiver": _nobody(config),
        "group_by": list(alerts.group_by),
        "group_wait": seconds(alerts.group_wait),
        "group_interval": seconds(alerts.group_interval),
        "repeat_interval": _NEVER if alerts.remind is None else seconds(alerts.remind),
    }
    if not alerts.group_by:
        del route["group_by"]
    if routes:
        route["routes"] = routes
    return f"{text}{yaml_block({'route': route})}\nreceivers:\n{receivers}"


def _nobody(config: Config) -> str:
    name = _NOBODY
    while name in config.notifiers:
        name += "_"
    return name


def _matchers(options: NotifierConfig) -> dict[str, list[str]]:
    found = [format_matchers([matcher]) for text in options.only for matcher in parse_matchers(text)]
    return {"matchers": found} if found else {}


def _receiver(name: str, options: NotifierConfig, notes: list[str]) -> dict[str, Any] | None:
    if isinstance(options, Mail):
        return {"email_configs": list(_mails(name, options, notes))}
    if isinstance(options, Webhook):
        return {"webhook_configs": [_webhook(name, options, notes)]}
    if options.kind == "alertmanager":
        notes.append(_("{name}: that is an Alertmanager itself; see lilfox export prometheus", name=name))
    else:
        notes.append(
            _(
                "{name}: Alertmanager has no {kind}; send a webhook to something that does it",
                name=name,
                kind=options.kind,
            )
        )
    return None


def _mails(name: str, options: Mail, notes: list[str]) -> Iterator[dict[str, Any]]:
    mail: dict[str, Any] = {
        "to": ", ".join(options.to),
        "from": options.from_,
        "smarthost": f"{options.server}:{options.port or _PORTS[options.tls]}",
        "require_tls": options.tls == "starttls",
        "send_resolved": options.resolved,
    }
    if options.tls == "implicit" and options.port not in (None, 465):
        notes.append(_("{name}: Alertmanager takes implicit TLS at port 465 only", name=name))
    if options.user is not None and options.tls != "none":
        mail["auth_username"] = options.user
        if options.password is not None:
            mail["auth_password_file"] = _file(options.password, f"{name}-password", notes)
    if options.ca is not None:
        mail["tls_config"] = {"ca_file": str(Path(options.ca).expanduser())}
    yield mail


def _webhook(name: str, options: Webhook, notes: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"send_resolved": options.resolved}
    if isinstance(options.url, SecretRef):
        made["url_file"] = _file(options.url, f"{name}-url", notes)
    else:
        made["url"] = options.url
    ca = str(Path(options.ca).expanduser()) if options.ca is not None else ""
    access = http_access(
        name, SECRETS, notes, headers=options.headers, user=options.user, password=options.password,
        tls=Tls(verify=options.verify_tls, ca_file=ca),
    )  # fmt: skip
    return made | ({"http_config": access} if access else {})


def _file(ref: SecretRef, name: str, notes: list[str]) -> str:
    found = secret_file(ref, SECRETS, name)
    if found.note:
        notes.append(found.note)
    return found.path
