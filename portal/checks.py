"""Settings that contradict each other, found before the first request."""
