"""Whether SQL only reads: one statement, taken apart as PostgreSQL does it, that calls nothing but known readers."""

from __future__ import annotations

import re

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


class _Unclear(Exception):
    pass


def only_reads(statement: str) -> bool:
    """False also where it is not known."""
    try:
        tokens = _tokens(statement)
    except _Unclear:
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
    """Without blanks and comments. Raises _Unclear for what depends on how a server is set, as ``\\`` in a string."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(statement):
        match = _TOKEN.match(statement, at)
        if match is None or (match.lastgroup == "name" and statement[match.end() : match.end() + 1] in ("'", "&")
                             and match[0].lower() in ("u", "b", "x", "e", "n")):  # fmt: skip
            raise _Unclear
        kind, at = match.lastgroup or "", match.end()
        if match.group("comment"):
            at = _behind_comment(statement, at)
            continue
        if match.group("dollar"):
            if re.match(r"[A-Za-z0-9_$\x80-\U0010ffff]", statement[match.start() - 1 : match.start()]):
                raise _Unclear  # it is in a name
            end = statement.find(match[0], at)
            if end < 0:
                raise _Unclear
            found.append(("string", ""))
            at = end + len(match[0])
            continue
        if match.group("blank"):
            continue
        if match.group("operator") and re.search(r"--|/\*", match[0]):
            raise _Unclear
        found.append((kind, match[0]))
    return found


def _behind_comment(statement: str, at: int) -> int:
    depth = 1
    while depth:
        match = re.compile(r"/\*|\*/").search(statement, at)
        if match is None:
            raise _Unclear
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
    return at


def _behind_explain(tokens: list[tuple[str, str]], words: list[str]) -> int:
    """Where what is explained begins; -1 where that is not a statement that reads."""
    at = 1
    while at < len(words) and (words[at] in _EXPLAIN or tokens[at][1] in ("(", ")", ",")):
        at += 1
    return at if at < len(words) and words[at] in ("select", "with", "values", "table") else -1


def _may_be_called(tokens: list[tuple[str, str]], words: list[str], place: int) -> bool:
    """Whether what stands before a ``(`` is no function, or one that is known to read."""
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
    """``with name (columns) as`` and ``… as name (columns)``."""
    before = words[place - 2] if place > 1 else ""
    return before in ("with", "recursive", "as")
