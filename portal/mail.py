"""How mail leaves: in a box on the terminal, or by a few threads of its own so that no request waits for a mail server."""

import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

log = logging.getLogger(__name__)
MAX_THREADS = 2
BOX_CHARS = 78
