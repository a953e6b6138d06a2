"""The pages alone, for those who serve them apart from the machine endpoints."""

import os

from django.core.wsgi import get_wsgi_application

from portal.served import require_served

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = get_wsgi_application()
require_served()
