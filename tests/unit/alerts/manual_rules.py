"""The four alert rules of the ops manual, as they stand there."""

MANUAL = """\
groups:
  - name: lilfox_alerts
    rules:
      - alert: HighErrorRate
        expr: rate(http_requests_total{status=~"5.."}[5m]) > 0.05
        for: 5m
        annotations:
          summary: "High error rate detected"

      - alert: HighLatency
        expr: histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m])) > 1
        for: 5m
        annotations:
          summary: "High latency detected"

      - alert: HighCPUUsage
        expr: cpu_usage_percent > 80
        for: 10m
        annotations:
          summary: "High CPU usage"

      - alert: HighMemoryUsage
        expr: memory_usage_percent > 85
        for: 10m
        annotations:
          summary: "High memory usage"
"""
