"""Operations: health, metrics, logs, retention, child processes and embedded mode."""
