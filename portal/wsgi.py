"""Django alone, for management commands and servers that bound slow and large requests themselves.

Pages of their own are ``portal.asgi`` in processes of their own: the guard stands there.
"""

import os

from django.core.wsgi import get_wsgi_application

from portal.edge import not_before
from portal.operations.served import require_served

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = not_before.wsgi(get_wsgi_application())
require_served()
