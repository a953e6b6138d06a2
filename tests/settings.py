"""The only settings overlay: production mode on real PostgreSQL and Valkey, or embedded on SQLite.

It changes no behaviour but where mail, logs, tasks and static files go, and what a password's hash costs.
"""

# ruff: noqa: E402, F403, F405  # the environment comes first, and all of the product's settings are taken over
from tests.support import environment

environment.prepare()

from portal.settings import *

DATABASES["default"]["TEST"] = {"NAME": environment.TEST_DATABASE}
if EMBEDDED:
    DATABASES["default"]["ENGINE"] = "tests.sqlite"
else:
    DATABASES["default"]["ENGINE"] = "tests.postgresql"
    DATABASES["default"]["OPTIONS"].pop("pool")  # a pool would hold test databases open that are to be dropped
MAIL_BACKEND = EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True  # look a file up when it is asked for; each test's client would list them all first
PASSWORD_HASHERS = ["tests.support.quick_hasher.QuickHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
# What the product would write, at DEBUG and after its own redaction, goes to a file that the canary reads.
LOGGING["handlers"]["stderr"] = {
    "class": "logging.FileHandler",
    "filename": environment.LOG_FILE,
    "formatter": "structured",
}
