"""Queues and streams."""

from __future__ import annotations

from lilfox_tui.runbook.readers.spec import Spec

_KAFKA = "--bootstrap-server=text --zookeeper=text --command-config=host-config"
_TOPICS = Spec(
    reads=f"{_KAFKA} --list --describe --topic=text --under-replicated-partitions --unavailable-partitions "
    "--under-min-isr-partitions --at-min-isr-partitions --topics-with-overrides --exclude-internal",
    needs="--list --describe", single=True,
)  # fmt: skip
_GROUPS = Spec(
    reads=f"{_KAFKA} --list --describe --group=text --all-groups --members --offsets --state[=text] --verbose "
        f"--timeout=number",
    needs="--list --describe", single=True,
)  # fmt: skip
_LISTS = Spec(
    reads="-p=word --vhost=word -q --quiet --formatter=word --online --offline --local -s --silent --no-table-headers",
    operands="word*",
)
_RABBIT = Spec(
    reads="-n=node --node=node -q --quiet -t=number --timeout=number -l --longnames --formatter=word -p=word "
        "--vhost=word -s "
    "--silent",
    inherits=True,
    subs=dict.fromkeys(
        ("status", "cluster_status", "list_queues", "list_exchanges", "list_bindings", "list_connections",
            "list_channels",
         "list_consumers", "list_users", "list_vhosts", "list_permissions", "list_policies", "list_parameters",
             "list_operator_policies",
         "list_feature_flags", "list_unresponsive_queues", "environment", "report", "node_health_check", "ping",
             "version",
         "list_user_permissions", "list_global_parameters", "memory_breakdown", "check_running", "check_alarms",
         "check_local_alarms", "check_port_connectivity", "check_virtual_hosts", "alarms", "listeners",
             "cluster_status",
         "check_if_node_is_quorum_critical", "check_if_node_is_mirror_sync_critical", "server_version"),
        _LISTS,
    ),
)  # fmt: skip

TABLE: dict[str, Spec] = {
    "kafka-topics": _TOPICS, "kafka-topics.sh": _TOPICS,
    "kafka-consumer-groups": _GROUPS, "kafka-consumer-groups.sh": _GROUPS,
    "kafka-broker-api-versions": Spec(reads=_KAFKA, single=True), "kafka-broker-api-versions.sh": Spec(reads=_KAFKA,
        single=True),
    "rabbitmqctl": _RABBIT, "rabbitmq-diagnostics": _RABBIT,
    "rabbitmq-plugins": Spec(subs={"list": Spec(reads="-e -E -m -v", operands="word")}),
}  # fmt: skip
