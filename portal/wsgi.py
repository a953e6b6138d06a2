"""Django without the ASGI part, for management commands and for servers that limit slow and large requests themselves.

Pages in processes of their own should still run ``portal.asgi``, because the guard is part of it.
"""

import os

from django.core.wsgi import get_wsgi_application

from portal.edge import not_before
from portal.operations.served import require_served

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = not_before.wsgi(get_wsgi_application())
require_served()
