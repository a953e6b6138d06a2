"""What the hot path counts of itself, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

VALIDATIONS = Counter("latchkey_validations", "Verdicts given, by code.", ["code"])
VALIDATION_SECONDS = Histogram(
    "latchkey_validation_seconds",
    "Time from a well-formed question to its verdict.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)
DATABASE_REFUSALS = Counter(
    "latchkey_database_refusals", "Reads for a verdict that the database did not answer, by reason.", ["reason"]
)
BREAKER_OPEN = Gauge(
    "latchkey_database_breaker_open", "1 while the database is not asked for verdicts.", multiprocess_mode="livemax"
)
USAGE_LAG_SECONDS = Gauge(
    "latchkey_usage_lag_seconds", "Age of the oldest use not yet written down.", multiprocess_mode="livemax"
)
USAGE_LOST = Counter("latchkey_usage_lost", "Uses that were not counted, for want of room or an unknown commit.")
