"""Which metrics of a page are taken for a service's requests: pages as the libraries write them."""

from __future__ import annotations

import textwrap

from lilfox_tui.config.model import MetricNames
from lilfox_tui.scrape.application import Application, Counter, Latency, recognise
from lilfox_tui.scrape.exposition import Exposition
from lilfox_tui.scrape.target import ScrapeTarget

TARGET = ScrapeTarget(url="http://127.0.0.1:1/metrics", labels=(("instance", "a:1"), ("job", "api")))


def taken(page: str, *, openmetrics: bool = False, names: MetricNames | None = None) -> Application:
    reader = Exposition(TARGET.series)
    read = reader.read(textwrap.dedent(page).lstrip().encode(), openmetrics=openmetrics)
    return recognise(reader.families, read.labels, names or MetricNames())


def histogram(name: str, labels: str, *bounds: str) -> str:
    lines = [f"# TYPE {name} histogram"]
    lines += [f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} 1' for bound in (*bounds, "+Inf")]
    around = f"{{{labels}}}" if labels else ""
    return "\n".join([*lines, f"{name}_sum{around} 1", f"{name}_count{around} 1"]) + "\n"


FASTAPI = (
    """\
# TYPE http_requests_total counter
http_requests_total{handler="/items/{id}",method="GET",status="2xx"} 4.0
http_requests_total{handler="/items/{id}",method="GET",status="5xx"} 1.0
# TYPE http_requests_created gauge
http_requests_created{handler="/items/{id}",method="GET",status="2xx"} 1.7e+09
# TYPE http_request_size_bytes summary
http_request_size_bytes_count{handler="/items/{id}"} 5.0
http_request_size_bytes_sum{handler="/items/{id}"} 0.0
# TYPE http_response_size_bytes summary
http_response_size_bytes_count{handler="/items/{id}"} 5.0
http_response_size_bytes_sum{handler="/items/{id}"} 90.0
# TYPE http_requests_inprogress gauge
http_requests_inprogress{handler="/items/{id}",method="GET"} 0.0
"""
    + histogram("http_request_duration_highr_seconds", "", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "60")
    + histogram("http_request_duration_seconds", 'handler="/items/{id}",method="GET"', "0.1", "0.5", "1.0")
)


def test_fastapi_instrumentator_percentiles_come_from_the_fine_histogram_and_routes_from_the_coarse_one() -> None:
    found = taken(FASTAPI)
    assert found.requests == Counter("http_requests_total", "status", "handler")
    assert found.requests_by_route == found.requests
    assert found.latency == Latency(
        "http_request_duration_highr_seconds", 1.0, (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 60.0)
    )
    assert found.latency_by_route == Latency("http_request_duration_seconds", 1.0, (0.1, 0.5, 1.0), "handler")
    assert found.in_flight == "http_requests_inprogress"
    assert found.missing == {}


def test_starlette_exporter() -> None:
    labels = 'app_name="api",method="GET",path="/",status_code="200"'
    found = taken(
        f"""\
# TYPE starlette_requests_total counter
starlette_requests_total{{{labels}}} 4.0
# TYPE starlette_requests_in_progress gauge
starlette_requests_in_progress{{app_name="api",method="GET"}} 1.0
"""
        + histogram("starlette_request_duration_seconds", labels, "0.005", "0.01")
    )
    assert found.requests == Counter("starlette_requests_total", "status_code", "path")
    assert found.latency == Latency("starlette_request_duration_seconds", 1.0, (0.005, 0.01), "path")
    assert found.in_flight == "starlette_requests_in_progress"


def test_flask_exporter_does_not_count_its_exceptions_as_requests() -> None:
    found = taken(
        """\
# TYPE flask_exporter_info gauge
flask_exporter_info{version="0.23.2"} 1.0
# TYPE flask_http_request_total counter
flask_http_request_total{method="GET",status="200"} 4.0
# TYPE flask_http_request_exceptions_total counter
flask_http_request_exceptions_total{method="GET",status="500"} 1.0
"""
        + histogram("flask_http_request_duration_seconds", 'method="GET",path="/",status="200"', "0.005", "0.01")
    )
    assert found.requests == Counter("flask_http_request_total", "status")
    assert found.requests_by_route == Counter("flask_http_request_duration_seconds_count", "status", "path")
    assert found.latency == Latency("flask_http_request_duration_seconds", 1.0, (0.005, 0.01), "path")
    assert set(found.missing) == {"in_flight"}


def test_django_counts_what_is_answered_by_status() -> None:
    found = taken(
        """\
# TYPE django_http_requests_before_middlewares_total counter
django_http_requests_before_middlewares_total 3.0
# TYPE django_http_responses_before_middlewares_total counter
django_http_responses_before_middlewares_total 2.0
# TYPE django_http_requests_total_by_method_total counter
django_http_requests_total_by_method_total{method="GET"} 3.0
# TYPE django_http_requests_total_by_view_transport_method_total counter
django_http_requests_total_by_view_transport_method_total{method="GET",transport="http",view="index"} 3.0
# TYPE django_http_responses_total_by_status_total counter
django_http_responses_total_by_status_total{status="200"} 2.0
# TYPE django_http_requests_unknown_latency_total counter
django_http_requests_unknown_latency_total 0.0
"""
        + histogram("django_http_requests_body_total_bytes", "", "1", "2")
        + histogram("django_http_requests_latency_seconds_by_view_method", 'method="GET",view="index"', "0.1", "0.2")
        + histogram("django_http_requests_latency_including_middlewares_seconds", "", "0.1", "0.2")
    )
    assert found.requests == Counter("django_http_responses_total_by_status_total", "status")
    assert found.latency == Latency("django_http_requests_latency_including_middlewares_seconds", 1.0, (0.1, 0.2))
    assert found.latency_by_route == Latency(
        "django_http_requests_latency_seconds_by_view_method", 1.0, (0.1, 0.2), "view"
    )
    assert found.requests_by_route is not None
    assert found.requests_by_route.route == "view"


def test_express_prom_bundle_has_no_counter_but_the_histograms() -> None:
    labels = 'status_code="200",method="GET",path="/"'
    page = "# TYPE up gauge\nup 1\n" + histogram("http_request_duration_seconds", labels, "0.003", "0.03", "0.1")
    found = taken(page)
    assert found.requests == Counter("http_request_duration_seconds_count", "status_code", "path")
    assert found.latency == Latency("http_request_duration_seconds", 1.0, (0.003, 0.03, 0.1), "path")


def test_nginx_exporter_has_neither_status_nor_latency() -> None:
    found = taken("""\
        # TYPE nginx_connections_accepted counter
        nginx_connections_accepted 10
        # TYPE nginx_connections_active gauge
        nginx_connections_active 3
        # TYPE nginx_http_requests_total counter
        nginx_http_requests_total 123
        """)
    assert found.requests == Counter("nginx_http_requests_total")
    assert found.in_flight == "nginx_connections_active"
    assert found.latency is None
    assert set(found.missing) == {"status", "latency"}


def test_node_exporters_requests_to_disks_and_nfs_are_none_of_a_service() -> None:
    found = taken("""\
        # TYPE node_disk_flush_requests_total counter
        node_disk_flush_requests_total{device="sda"} 7
        # TYPE node_nfs_requests_total counter
        node_nfs_requests_total{method="Read",proto="3"} 5
        # TYPE node_nfsd_requests_total counter
        node_nfsd_requests_total{method="Read",proto="3"} 5
        # TYPE node_mountstats_nfs_operations_requests_total counter
        node_mountstats_nfs_operations_requests_total{export="a",operation="READ"} 5
        """)
    assert found.requests is None
    assert str(found.missing["requests"]) == "no request counter was found"
    of_a_service = "# TYPE node_app_requests_total counter\nnode_app_requests_total 3\n"
    assert taken(of_a_service).requests == Counter("node_app_requests_total")


def test_a_counter_of_failed_requests_is_no_promise_of_a_counter_of_requests() -> None:
    found = taken(
        "# TYPE redis_target_scrape_request_errors_total counter\nredis_target_scrape_request_errors_total 0\n"
    )
    assert str(found.missing["requests"]) == "no request counter was found"
    assert str(taken("# TYPE http_requests_total counter\n").missing["requests"]) == "no request has been counted yet"
    timed = taken("# TYPE http_request_duration_seconds histogram\n")
    assert str(timed.missing["requests"]) == "no request has been counted yet"


SPRING = """\
# TYPE http_server_requests_seconds summary
http_server_requests_seconds_count{exception="none",method="GET",outcome="SUCCESS",status="200",uri="/x"} 4
http_server_requests_seconds_sum{exception="none",method="GET",outcome="SUCCESS",status="200",uri="/x"} 0.5
# TYPE http_server_requests_seconds_max gauge
http_server_requests_seconds_max{exception="none",method="GET",outcome="SUCCESS",status="200",uri="/x"} 0.2
# TYPE http_server_requests_active_seconds summary
http_server_requests_active_seconds_active_count{method="GET",outcome="SUCCESS",status="200",uri="UNKNOWN"} 1
http_server_requests_active_seconds_duration_sum{method="GET",outcome="SUCCESS",status="200",uri="UNKNOWN"} 0.01
# TYPE http_client_requests_seconds summary
http_client_requests_seconds_count{client_name="db",outcome="SUCCESS",status="200",uri="/y"} 40
http_client_requests_seconds_sum{client_name="db",outcome="SUCCESS",status="200",uri="/y"} 4
"""


def test_micrometer_has_no_buckets_unless_asked_and_its_outgoing_requests_are_not_taken() -> None:
    found = taken(SPRING)
    assert found.requests == Counter("http_server_requests_seconds_count", "status", "uri")
    assert found.latency == Latency(
        "http_server_requests_seconds", 1.0, (), "uri", maximum="http_server_requests_seconds_max"
    )
    assert found.in_flight == "http_server_requests_active_seconds_active_count"


def test_a_plain_client_library_and_not_the_pages_own_requests() -> None:
    found = taken(
        """\
# TYPE promhttp_metric_handler_requests_total counter
promhttp_metric_handler_requests_total{code="200"} 900
# TYPE promhttp_metric_handler_requests_in_flight gauge
promhttp_metric_handler_requests_in_flight 1
# TYPE prometheus_http_requests_total counter
prometheus_http_requests_total{code="200",handler="/metrics"} 77
# TYPE shop_requests_total counter
shop_requests_total{code="200"} 5
# TYPE shop_requests_in_flight gauge
shop_requests_in_flight 2
"""
        + histogram("shop_request_latency_milliseconds", "", "5", "10")
    )
    assert found.requests == Counter("shop_requests_total", "code")
    assert found.latency == Latency("shop_request_latency_milliseconds", 1e-3, (5.0, 10.0))
    assert found.in_flight == "shop_requests_in_flight"
    assert taken("# TYPE promhttp_metric_handler_requests_total counter\n"
                 'promhttp_metric_handler_requests_total{code="200"} 900\n').requests is None  # fmt: skip


def test_envoy_counts_by_class_and_times_in_milliseconds() -> None:
    prefix = 'envoy_http_conn_manager_prefix="ingress"'
    found = taken(
        f"""\
# TYPE envoy_http_downstream_rq_xx counter
envoy_http_downstream_rq_xx{{envoy_response_code_class="2",{prefix}}} 9
# TYPE envoy_http_downstream_rq_total counter
envoy_http_downstream_rq_total{{{prefix}}} 10
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{{envoy_cluster_name="db"}} 10
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",envoy_cluster_name="db"}} 10
# TYPE envoy_http_downstream_cx_active gauge
envoy_http_downstream_cx_active{{{prefix}}} 4
# TYPE envoy_cluster_upstream_rq_active gauge
envoy_cluster_upstream_rq_active{{envoy_cluster_name="db"}} 4
"""
        + histogram("envoy_http_downstream_rq_time", prefix, "0.5", "1", "5")
    )
    assert found.requests == Counter("envoy_http_downstream_rq_xx", "envoy_response_code_class")
    assert found.latency == Latency("envoy_http_downstream_rq_time", 1e-3, (0.5, 1.0, 5.0))
    assert found.in_flight == "envoy_http_downstream_cx_active"


def test_opentelemetry_and_openmetrics() -> None:
    labels = 'http_request_method="GET",http_response_status_code="200",http_route="/x"'
    page = (
        histogram("http_server_request_duration_seconds", labels, "0.005", "0.01")
        + histogram("http_client_request_duration_seconds", labels, "0.005", "0.01", "0.1")
        + "# TYPE http_server_active_requests gauge\nhttp_server_active_requests 3\n# EOF\n"
    )
    found = taken(page, openmetrics=True)
    assert found.requests == Counter(
        "http_server_request_duration_seconds_count", "http_response_status_code", "http_route"
    )
    assert found.latency == Latency("http_server_request_duration_seconds", 1.0, (0.005, 0.01), "http_route")
    assert found.in_flight == "http_server_active_requests"
    counted = taken('# TYPE http_requests counter\nhttp_requests_total{status="200"} 1\n# EOF\n', openmetrics=True)
    assert counted.requests == Counter("http_requests_total", "status")


def test_a_page_that_names_no_types_is_known_by_its_names() -> None:
    found = taken('http_requests_total{status="200"} 1\nhttp_requests_in_progress 2\n')
    assert found.requests == Counter("http_requests_total", "status")
    assert found.in_flight == "http_requests_in_progress"


def test_what_the_config_names_goes_first_and_its_absence_is_told() -> None:
    page = (
        FASTAPI
        + "# TYPE jobs_done counter\njobs_done{result=\"ok\"} 1\n# TYPE busy gauge\nbusy 1\n"
        + histogram("job_time", "", "5", "10")
    )  # fmt: skip
    names = MetricNames(
        requests="jobs_done", latency="job_time", inflight="busy", status_label="result", latency_unit="milliseconds"
    )
    found = taken(page, names=names)
    assert found.requests == Counter("jobs_done", "result")
    assert found.latency == Latency("job_time", 1e-3, (5.0, 10.0))
    assert found.in_flight == "busy"
    gone = taken(page, names=MetricNames(requests="nosuch_total", status_label="verdict"))
    assert gone.requests is None
    assert "nosuch_total" in str(gone.missing["requests"])
    unlabelled = taken(page, names=MetricNames(status_label="verdict"))
    assert "verdict" in str(unlabelled.missing["status"])


def test_a_page_about_something_else_gives_nothing_and_says_so() -> None:
    found = taken("# TYPE node_load1 gauge\nnode_load1 0.3\n")
    assert (found.requests, found.latency, found.in_flight) == (None, None, "")
    assert set(found.missing) == {"requests", "latency", "in_flight"}
