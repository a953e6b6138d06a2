"""The apps of this project."""

APPS = ("portal", "keys", "oauth")
