"""Clients of databases and queues, and the SQL that only reads."""

from __future__ import annotations

import re

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import Context, ProgramCall, Spec, Verdict, worst

# Whether SQL only reads: one statement, taken apart as PostgreSQL does it, that calls nothing but known readers.


_TOKEN = re.compile(
    r"(?P<blank>[ "
    r"\t\n\r\f]+|--[^\n\r]*)|(?P<string>[eEnN]?'(?:[^'\\]|'')*')|(?P<name>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-"
    r"\U0010ffff]*)|(?P<quoted>\"(?:[^\"\\]|\"\")+\")|(?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)"
    r"|(?P<dollar>\$([A-Za-z_][A-Za-z0-9_]*)?\$)|(?P<comment>/\*)|(?P<operator>::|[-+*/<>=~!@#%^&|?]+|[(),.;:\[\]])"
)
_BEGINS = frozenset("select show table values with explain".split())
_ACTS = frozenset({"into", "insert", "update", "delete", "merge", "share"})
"""What makes something else of a SELECT, wherever it stands."""
_EXPLAIN = frozenset(
    "analyze analyse verbose buffers costs settings wal timing summary format on off true false text json yaml".split()
)
_WORDS = frozenset(
    "in and or not from where on select values any all some exists as using union when then else case with distinct "
    "limit "
    "array row having between except intersect offset returning lateral only end".split()
)
"""Words before ``(`` that are no functions, and cannot be the names of any."""
_TYPES = frozenset(
    "numeric decimal varchar char character bit time timestamp timestamptz interval float bpchar".split()
)
_MAY_BE_CALLED = frozenset({"join", "like", "ilike"})
"""Words of the language that may also name a function; what one is called with is no SELECT."""
_FUNCTIONS = frozenset(
    "abs age array_agg array_length array_position array_to_string avg bit_length bool_and bool_or btrim cardinality "
    "cast ceil "
    "ceiling char_length chr clock_timestamp coalesce col_description concat concat_ws count current_database "
    "current_schema "
    "current_schemas current_setting current_user date_bin date_part date_trunc dense_rank encode every exp extract "
    "first_value floor format format_type generate_series generate_subscripts greatest host inet_client_addr "
    "inet_client_port inet_server_addr inet_server_port initcap isfinite json_agg json_array_elements "
    "json_build_object "
    "json_extract_path_text json_object_agg json_object_keys json_typeof jsonb_agg jsonb_array_elements "
    "jsonb_array_length "
    "jsonb_build_object jsonb_each jsonb_each_text jsonb_object_keys jsonb_pretty jsonb_typeof justify_hours "
    "justify_interval lag last_value lead least left length ln localtimestamp log lower lpad ltrim make_date "
    "make_interval "
    "make_timestamp max md5 min mod mode now ntile nullif obj_description octet_length overlay percentile_cont "
    "percentile_disc position power pg_backend_pid pg_blocking_pids pg_client_encoding pg_column_size "
    "pg_conf_load_time "
    "pg_control_checkpoint pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn "
    "pg_current_xact_id_if_assigned pg_database_size pg_describe_object pg_encoding_to_char "
    "pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_partkeydef "
    "pg_get_replication_slots pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid pg_get_viewdef "
    "pg_get_wal_replay_pause_state pg_has_role pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused "
    "pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn "
    "pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_listening_channels pg_lock_status pg_ls_archive_statusdir "
    "pg_ls_dir pg_ls_logdir pg_ls_tmpdir pg_ls_waldir pg_my_temp_schema pg_postmaster_start_time pg_prepared_statement "
    "pg_read_file pg_relation_filepath pg_relation_size pg_safe_snapshot_blocking_pids pg_show_all_settings "
    "pg_size_bytes "
    "pg_size_pretty pg_stat_file pg_table_is_visible pg_table_size pg_tablespace_location pg_tablespace_size "
    "pg_total_relation_size pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_walfile_name pg_sleep pgstatindex "
    "pgstattuple pgstattuple_approx quote_ident quote_literal quote_nullable random rank regexp_match regexp_matches "
    "regexp_replace regexp_split_to_table repeat replace reverse right round row_number rpad rtrim row_to_json "
    "session_user "
    "sign split_part sqrt starts_with statement_timestamp stddev string_agg string_to_array strpos substr substring "
    "sum "
    "timeofday to_char to_date to_json to_jsonb to_number to_regclass to_timestamp transaction_timestamp translate "
    "trim trunc "
    "txid_current_if_assigned unnest upper user variance version width_bucket xpath has_database_privilege "
    "has_schema_privilege has_table_privilege".split()
)
_FAMILY = re.compile(r"pg_stat_get_[a-z0-9_]+")
_AFTER_CALL = frozenset({"over", "filter"})


class _UnclearSql(Exception):
    pass


def sql_only_reads(statement: str) -> bool:
    """Return whether a script or statement only reads; False also if unknown."""
    try:
        tokens = _tokens(statement)
    except _UnclearSql:
        return False
    while tokens and tokens[-1] == ("operator", ";"):
        tokens.pop()
    words = [text.lower() if kind == "name" else "" for kind, text in tokens]
    if not words or words[0] not in _BEGINS or ("operator", ";") in tokens:
        return False
    if words[0] == "show":
        return all(kind in ("name", "quoted") or text == "." for kind, text in tokens)
    at = _behind_explain(tokens, words) if words[0] == "explain" else 0
    if at < 0 or any(word in _ACTS for word in words[at:]):
        return False
    return all(
        _may_be_called(tokens, words, place)
        for place, (kind, text) in enumerate(tokens)
        if place >= at and (kind, text) == ("operator", "(")
    )


def _tokens(statement: str) -> list[tuple[str, str]]:
    """Return the tokens without blanks and comments. Raises _UnclearSql for what depends on the server's settings, such
    as ``\\`` in a string."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(statement):
        match = _TOKEN.match(statement, at)
        if match is None or (match.lastgroup == "name" and statement[match.end() : match.end() + 1] in ("'", "&")
                             and match[0].lower() in ("u", "b", "x", "e", "n")):  # fmt: skip
            raise _UnclearSql
        kind, at = match.lastgroup or "", match.end()
        if match.group("comment"):
            at = _behind_comment(statement, at)
            continue
        if match.group("dollar"):
            if re.match(r"[A-Za-z0-9_$\x80-\U0010ffff]", statement[match.start() - 1 : match.start()]):
                raise _UnclearSql  # it is in a name
            end = statement.find(match[0], at)
            if end < 0:
                raise _UnclearSql
            found.append(("string", ""))
            at = end + len(match[0])
            continue
        if match.group("blank"):
            continue
        if match.group("operator") and re.search(r"--|/\*", match[0]):
            raise _UnclearSql
        found.append((kind, match[0]))
    return found


def _behind_comment(statement: str, at: int) -> int:
    depth = 1
    while depth:
        match = re.compile(r"/\*|\*/").search(statement, at)
        if match is None:
            raise _UnclearSql
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
    return at


def _behind_explain(tokens: list[tuple[str, str]], words: list[str]) -> int:
    """Return where the explained statement begins; -1 if it does not only read."""
    at = 1
    while at < len(words) and (words[at] in _EXPLAIN or tokens[at][1] in ("(", ")", ",")):
        at += 1
    return at if at < len(words) and words[at] in ("select", "with", "values", "table") else -1


def _may_be_called(tokens: list[tuple[str, str]], words: list[str], place: int) -> bool:
    """Return whether a ``(`` may follow the word before it: the word is not a function, or is one that is known to only
    read."""
    if place == 0:
        return True
    kind = tokens[place - 1][0]
    if kind == "quoted" or kind == "string":
        return False
    if kind != "name":
        return True
    word, before = words[place - 1], tokens[place - 2][1] if place > 1 else ""
    if before == ".":
        qualifier = words[place - 3] if place > 2 else ""
        return qualifier == "pg_catalog" and _is_known(word)
    if word in _AFTER_CALL:
        return before == ")"
    if word == "by":
        return before.lower() in ("group", "order", "partition")
    if word == "group":
        return before.lower() == "within"
    if word in _MAY_BE_CALLED:
        return words[place + 1 : place + 2] in (["select"], ["values"], ["with"])
    if word == "varying":
        return before.lower() in ("bit", "char", "character")
    return word in _WORDS or word in _TYPES or _is_known(word) or _is_alias(words, place)


def _is_known(word: str) -> bool:
    return word in _FUNCTIONS or _FAMILY.fullmatch(word) is not None


def _is_alias(words: list[str], place: int) -> bool:
    """Return whether a ``(`` follows an alias: ``with name (columns) as`` or ``… as name (columns)``."""
    before = words[place - 2] if place > 1 else ""
    return before in ("with", "recursive", "as")


# Clients of databases: what they ask is judged as what it is.


_META = re.compile(
    r"\s*\\(?:l|list|conninfo|encoding|copyright|d(?:a|A|b|c|C|d|D|p|E|et|eu|es|ew|f|F|g|i|l|L|m|n|o|O|p|P|rds|Rp|Rs"
    r"|s|t|T|u|v|x"
    r"|X|y)?)[S+]*(?:\s+[A-Za-z0-9_.*?\"]+)?\s*"
)
"""Commands of psql itself that list; a backquote in their arguments would run a program."""
_PLAIN_DATABASE = re.compile(r"[A-Za-z0-9_.@-]+")
_DATABASE_URL = re.compile(
    r"postgres(?:ql)?://[^\s?=\x00-\x1f]*(?:\?(?:sslmode|connect_timeout|application_name"
    r"|target_session_attrs)=[A-Za-z0-9_-]+"
    r"(?:&(?:sslmode|connect_timeout|application_name|target_session_attrs)=[A-Za-z0-9_-]+)*)?"
)
_PAIRS = re.compile(
    r"(?:(?:host|hostaddr|port|dbname|user|password|sslmode|connect_timeout|application_name|target_session_attrs)"
    r"=[A-Za-z0-9_./:@-]*\s*)+"
)


def _psql(call: ProgramCall, _context: Context) -> Verdict:
    found: set[Verdict] = set()
    around = [(name, value) for name, value in call.options if name not in ("-c", "--command")]
    if ProgramCall(around, call.operands).has_control:
        return "unknown"  # where nobody but another protocol listens, it would be a line of that
    for value in call.values("-c", "--command"):
        text = value.text
        found.add("read" if text is not None and (_META.fullmatch(text) or sql_only_reads(text)) else "unknown")
    for value in (*call.values("-d", "--dbname"), *call.operands[:1]):
        found.add(_database(value))
    return worst(found)


def _database(value: Argument) -> Verdict:
    """Judge which database a client connects to: only a name, or an address with nothing but the location, is known to
    read; others may also choose settings and libraries."""
    text = value.text
    if text is None:
        return "unknown"
    return "read" if any(each.fullmatch(text) for each in (_PLAIN_DATABASE, _DATABASE_URL, _PAIRS)) else "unknown"


_MYSQL_BEGINS = re.compile(r"\s*(?:show|select|desc|describe|explain\s+select|use\s+[A-Za-z0-9_]+)\b", re.IGNORECASE)
_MYSQL_ACTS = re.compile(  # around a dot a blank makes two names of one that would be looked at as a whole
    r"\b(?:into|outfile|dumpfile|update|share|lock|procedure|benchmark|analyze|handler|next)\b|:=|\s\.|\.\s",
    re.IGNORECASE,
)
_MYSQL_CALL = re.compile(r"(?<![A-Za-z0-9_`.$])([A-Za-z0-9_`.$]++)(\s*+)\(")
_MYSQL_FUNCTIONS = frozenset(
    "count sum min max avg round concat concat_ws now version user current_user database schema length lower upper "
    "left right "
    "substring substr ifnull if coalesce nullif in and or not from where on select exists as using values over "
    "row_number "
    "group_concat date_format date_sub date_add timestampdiff from_unixtime unix_timestamp format truncate floor ceil "
    "abs "
    "cast convert distinct replace trim greatest least json_extract json_unquote hex".split()
) - {"truncate", "replace"}
_MYSQL_WORDS = frozenset("if in and or not from where on select exists as using values over distinct".split())
"""Behind others a blank may make a call of somebody's function of the same name."""


def mysql_only_reads(statement: str) -> bool:
    """Return whether a MySQL statement only reads; False also if unknown, such as the client's own commands or comment
    marks."""
    text = statement.rstrip().removesuffix(";").removesuffix("\\G").rstrip()
    if not _MYSQL_BEGINS.match(text) or any(
        mark in text for mark in (";", "\\", "#", "--", "/*", "@@global.", "\n", '"', "$")
    ):
        return False
    if text.count("'") % 2 or text.count("`") % 2:
        return False
    bare = re.sub(r"'[^']*'", "''", text)
    if _MYSQL_ACTS.search(bare) or not bare.isascii():
        return False
    return all(
        name.lower() in (_MYSQL_WORDS if blank else _MYSQL_FUNCTIONS) for name, blank in _MYSQL_CALL.findall(bare)
    )


def _mysql(call: ProgramCall, _context: Context) -> Verdict:
    if call.has_control:
        return "unknown"
    texts = [each.text for each in call.values("-e", "--execute")]
    return "read" if all(text is not None and mysql_only_reads(text) for text in texts) else "unknown"


_REDIS = frozenset(
    "PING INFO GET MGET LLEN LRANGE LINDEX DBSIZE TTL PTTL KEYS SCAN HSCAN SSCAN ZSCAN ROLE TYPE EXISTS XLEN XINFO "
    "XRANGE "
    "XREVRANGE XPENDING HGET HGETALL HMGET HKEYS HVALS HLEN HEXISTS SCARD SMEMBERS SISMEMBER SRANDMEMBER ZCARD ZCOUNT "
    "ZRANGE "
    "ZREVRANGE ZRANGEBYSCORE ZSCORE ZRANK STRLEN GETRANGE RANDOMKEY LASTSAVE TIME ECHO".split()
)
_REDIS_PAIRS = frozenset(
    (first, second)
    for first, seconds in {
        "SLOWLOG": "GET LEN", "CLIENT": "LIST INFO ID GETNAME", "CONFIG": "GET", "MEMORY": "USAGE STATS DOCTOR",
        "OBJECT": "ENCODING FREQ IDLETIME REFCOUNT", "LATENCY": "LATEST DOCTOR HISTORY", "MODULE": "LIST",
        "CLUSTER": "INFO NODES SLOTS SHARDS MYID KEYSLOT COUNTKEYSINSLOT", "ACL": "LIST WHOAMI GETUSER USERS CAT",
        "PUBSUB": "CHANNELS NUMSUB NUMPAT", "COMMAND": "COUNT INFO DOCS",
        "SENTINEL": "MASTERS MASTER SLAVES REPLICAS SENTINELS GET-MASTER-ADDR-BY-NAME CKQUORUM",
    }.items()
    for second in seconds.split()
)  # fmt: skip


def _redis(call: ProgramCall, context: Context) -> Verdict:
    if call.has_control or call.sends_printed:
        return "unknown"
    if any(not re.fullmatch("[0-9]+", each.text or "0") for each in call.values("-r")):
        return worst({"follow", _redis_command(call, context)})  # -1 has no end
    return _redis_command(call, context)


def _redis_command(call: ProgramCall, context: Context) -> Verdict:
    if call.has("--cluster"):  # what stands behind its operand is an option again
        return "read" if len(call.operands) == 1 and not call.operands[0].may_be_option else "unknown"
    if call.has("--bigkeys", "--memkeys", "--hotkeys", "--scan"):
        return "read" if not call.operands else "unknown"
    if call.has("--stat", "--latency", "--latency-history", "--latency-dist", "--intrinsic-latency"):
        return "read" if not call.operands else "unknown"
    if not call.operands:
        return "unknown" if context.fed else "interactive"
    words = [(text or "").upper() for text in call.texts[:2]]
    if words[0] in ("MONITOR", "SUBSCRIBE", "PSUBSCRIBE"):
        return "follow"
    if words[0] in _REDIS or tuple(words) in _REDIS_PAIRS:
        return "read"
    return "unknown" if call.operands[0].text is None else "change"


_CONNECTS = "-h=host -p=port -U=user -d=text -w -W --host=host --port=port --username=user --dbname=text --no-password"
_MYSQL = (
    "-h=host -P=port -u=user -p[=text] -S=path -N -B -s -t -E -A -r -v -C -D=word --host=host --port=port --user=user "
    "--password[=text] --socket=path --batch --skip-column-names --silent --table --vertical --raw --database=word "
    "--connect-timeout=number --protocol=word --no-auto-rehash --ssl-mode=word --ssl-ca=path --compress --verbose"
)

_DATABASES_PROGRAMS: dict[str, Spec] = {
    "psql": Spec(
        reads=f"{_CONNECTS} -X -A -t -q -x -a -b -e -1 -E -n -l -V -z -0 -c=text -v=/[A-Za-z_]+=[A-Za-z0-9_.:-]*/ "
        "-P=/[a-z_]+(?:=[A-Za-z0-9_.,:+|-]*)?/ -F=text -R=text --csv --html --no-psqlrc --tuples-only --no-align "
        "--expanded "
        "--quiet --list --version --no-readline --single-transaction --field-separator=text --record-separator=text "
        "--command=text --set=/[A-Za-z_]+=[A-Za-z0-9_.:-]*/ --variable=/[A-Za-z_]+=[A-Za-z0-9_.:-]*/ "
        "--pset=/[a-z_]+(?:=[A-Za-z0-9_.,:+|-]*)?/ --field-separator-zero --record-separator-zero --echo-all "
        "--echo-errors",
        needs="-c --command -l --list -V --version", otherwise="interactive", operands="text word", check=_psql,
    ),
    "pg_isready": Spec(reads="-d=text -h=host -p=port -q -t=number -U=user --dbname=text --host=host --port=port "
        "--quiet "
                       "--timeout=number --username=user"),
    "pg_lsclusters": Spec(reads="-h -j -s --no-header --json"),
    "pg_controldata": Spec(reads="-D=path --pgdata=path", operands="path"),
    "pg_config": Spec(reads="--version --bindir --libdir --sharedir"),
    "patronictl": Spec(
        reads="-c=host-config --config-file=host-config -k", inherits=True,
        subs={"list": Spec(reads="-e -t -f=word --extended --timestamp --format=word", operands="word*"),
              "topology": Spec(operands="word*"), "history": Spec(reads="-f=word --format=word", operands="word*"),
              "show-config": Spec(operands="word*"), "version": Spec(operands="word*")},
    ),
    "repmgr": Spec(
        reads="-f=host-config", permutes=True, inherits=True,
        subs={"cluster": Spec(subs={"show": Spec(reads="--compact"), "event": Spec(), "matrix": Spec()}),
              "node": Spec(subs={"status": Spec(), "check": Spec()}), "service": Spec(subs={"status": Spec()})},
    ),
    "pgbackrest": Spec(reads="--stanza=word --output=word --set=word --repo=number", inherits=True,
                       subs={"info": Spec(), "version": Spec()}),
    "barman": Spec(subs={"list-backups": Spec(operands="word"), "list-backup": Spec(operands="word"),
                         "list-servers": Spec(), "status": Spec(operands="word"), "show-server": Spec(
                             operands="word")}),
    "mysql": Spec(reads=f"{_MYSQL} -e=text --execute=text", needs="-e --execute", otherwise="interactive", operands=
        "word",
                  check=_mysql),
    "mariadb": Spec(reads=f"{_MYSQL} -e=text --execute=text", needs="-e --execute", otherwise="interactive", operands=
        "word",
                    check=_mysql),
    "mysqladmin": Spec(reads=f"{_MYSQL} -i=number -c=number",
                       operands="{status|ping|extended-status|processlist|variables|version}*"),
    "redis-cli": Spec(
        reads="-h=host -p=port -n=number -a=text -u=text -s=path -c -i=number -r=number -2 -3 --user=text --pass=text "
            "--tls "
        "--cacert=path --cert=path --key=path --sni=host --insecure --raw --no-raw --csv --json --no-auth-warning "
        "--bigkeys "
        "--memkeys --hotkeys --scan --pattern=text --count=number --cluster={check|info} --intrinsic-latency=number",
        follows="--stat --latency --latency-history --latency-dist", operands="text*", permutes=False, check=_redis,
    ),
    "memcached-tool": Spec(operands="text {display|stats|settings|sizes}"),
    "mongostat": Spec(
        reads="--host=text --port=number -n=/[1-9][0-9]*/ --rowcount=/[1-9][0-9]*/", needs="-n --rowcount",
        otherwise="follow", operands="number",
    ),
}  # fmt: skip


# Queues and streams.


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

_QUEUES_PROGRAMS: dict[str, Spec] = {
    "kafka-topics": _TOPICS, "kafka-topics.sh": _TOPICS,
    "kafka-consumer-groups": _GROUPS, "kafka-consumer-groups.sh": _GROUPS,
    "kafka-broker-api-versions": Spec(reads=_KAFKA, single=True), "kafka-broker-api-versions.sh": Spec(reads=_KAFKA,
        single=True),
    "rabbitmqctl": _RABBIT, "rabbitmq-diagnostics": _RABBIT,
    "rabbitmq-plugins": Spec(subs={"list": Spec(reads="-e -E -m -v", operands="word")}),
}  # fmt: skip

TABLES = (_DATABASES_PROGRAMS, _QUEUES_PROGRAMS)
