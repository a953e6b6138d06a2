"""The peer of a comparison: an app that djangorestframework-api-key guards, in a virtual environment of its own.

Run as a program, it makes the tables and so many keys, and prints the keys as JSON.
"""

import json
import os
import sys
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path

DATABASE = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE.path.removeprefix("/"),
            "HOST": DATABASE.hostname,
            "PORT": DATABASE.port,
            "USER": DATABASE.username,
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()

from rest_framework.request import Request  # noqa: E402  # after the settings
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_api_key.models import APIKey  # noqa: E402
from rest_framework_api_key.permissions import HasAPIKey  # noqa: E402


class Guarded(APIView):
    """Answers those who hold a key."""

    permission_classes = (HasAPIKey,)

    def get(self, request: Request) -> Response:
        return Response({"allowed": True}, headers={"Content-Length": "16"})  # spares it a middleware


urlpatterns = [path("", Guarded.as_view())]
application = get_wsgi_application()


def main() -> None:
    """Make the tables and the keys."""
    call_command("migrate", verbosity=0)
    rows = [APIKey(name=f"Demo key {number}") for number in range(int(sys.argv[1]))]
    keys = [APIKey.objects.assign_key(row) for row in rows]
    APIKey.objects.bulk_create(rows)
    sys.stdout.write(json.dumps(keys))


if __name__ == "__main__":
    main()
