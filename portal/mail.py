"""How mail leaves: in a box on the terminal, or on threads of its own so that no request waits for a mail server."""

import logging
import sys
import textwrap
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

log = logging.getLogger(__name__)
THREADS = 2
BOX_CHARS = 78
