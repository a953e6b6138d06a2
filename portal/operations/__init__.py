"""What operators look after: health, metrics, logs, retention, and embedded mode."""
