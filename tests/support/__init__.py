"""Helpers for tests: servers, people, reference models, and readers of responses."""
