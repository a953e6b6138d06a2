"""Sessions: which browser is signed in, and until when.

The cookie holds a random key. The row's primary key is a digest of it, and the row's content is encrypted. So a person
who can read the database can neither take over a session nor read its unfinished work, such as a mailed code or the
TOTP seed of an authenticator app that is being set up.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.sessions.backends import db
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from portal import encryption
from portal.models import MAX_USER_AGENT_CHARS, Session, User

log = logging.getLogger(__name__)
LIFETIME: Final = timedelta(days=7)  # from the sign-in, however active the session is
IDLE: Final = timedelta(hours=24)  # from the last request; WCAG 2.2.1 requires no warning for limits above 20 hours
VISIT: Final = timedelta(hours=1)  # for a visitor who is not signed in
SEEN_EVERY: Final = timedelta(minutes=1)
KEY_CHARS: Final = 40
BEGUN: Final = "sign_in_begun"


@dataclass(frozen=True)
class Browser:
    """The client address and user agent of a request."""

    address: str | None = None
    user_agent: str = ""


def row_key(session_key: str | None) -> str:
    """Return the primary key for the cookie's value: 160 bits of its SHA-256, in hex."""
    return hashlib.sha256((session_key or "").encode()).hexdigest()[:KEY_CHARS]


def ends_at(began: datetime, seen: datetime, *, is_signed_in: bool) -> datetime:
    """Return the instant at which a session ends that began at ``began`` and was last used at ``seen``."""
    return min(began + LIFETIME, seen + (IDLE if is_signed_in else VISIT))


def begin_sign_in(request: HttpRequest, user: User) -> None:
    """Remember which user's sign-in waits for a second step, and with which password it began."""
    request.session[BEGUN] = {"user": user.pk, "hash": user.get_session_auth_hash()}


def finish_sign_in(request: HttpRequest, user: User) -> bool:
    """End the pending sign-in; return True if the account is still active and its password is unchanged."""
    begun = request.session.pop(BEGUN, None) or {"user": None, "hash": ""}
    is_same = constant_time_compare(begun["hash"], user.get_session_auth_hash())
    return user.is_active and begun["user"] == user.pk and is_same


class SessionStore(db.SessionStore):
    """Django's database sessions, with digested keys, encrypted content and a column for the user."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.browser = Browser()
        self.counts_as_seen = True  # background polling by a page sets this to False
        self._began: datetime | None = None
        self._seen: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return this app's session model, which stores the user."""
        return Session

    def encode(self, session_dict: dict[str, Any]) -> str:
        return encryption.encrypt(self.serializer().dumps(session_dict))

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return the decrypted content; unreadable content gives an empty session, in which nobody is signed in."""
        try:
            content: dict[str, Any] = self.serializer().loads(encryption.decrypt(str(session_data)))
        except encryption.CannotDecrypt:
            log.warning("session.unreadable")
            return {}
        return content

    def exists(self, session_key: str | None) -> bool:
        return super().exists(row_key(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session with this key, or the current one."""
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(pk=row_key(key)).delete()

    def create(self) -> None:
        """Start a new session, at the first visit and at each sign-in."""
        self._began = None
        super().create()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row to write, with its expiry computed from the start and the current time."""
        now = timezone.now()
        self._began, self._seen = self._began or now, now
        user_id = data.get("_auth_user_id")
        return Session(
            session_key=row_key(self._get_or_create_session_key()),  # type: ignore[attr-defined]  # not in the stubs
            session_data=self.encode(data),
            expire_date=ends_at(self._began, now, is_signed_in=user_id is not None),
            user_id=int(user_id) if user_id is not None else None,
            begun_by_id=data[BEGUN]["user"] if BEGUN in data else None,
            created_at=self._began,
            seen_at=now,
            address=self.browser.address,
            user_agent=self.browser.user_agent[:MAX_USER_AGENT_CHARS],
        )

    def note_seen(self, now: datetime) -> None:
        """Extend an idle session of a signed-in person after a request, at most once a minute."""
        if not self.counts_as_seen or self._began is None or self._seen is None or now - self._seen < SEEN_EVERY:
            return
        Session.objects.filter(pk=row_key(self.session_key), user__isnull=False).update(
            seen_at=now,
            expire_date=ends_at(self._began, now, is_signed_in=True),
            address=self.browser.address,
            user_agent=self.browser.user_agent[:MAX_USER_AGENT_CHARS],
        )

    def _get_session_from_db(self) -> Session | None:
        row = Session.objects.filter(pk=row_key(self.session_key), expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
            return None
        self._began, self._seen = row.created_at, row.seen_at
        return row


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's session middleware, which also records when and from where a session was last used."""

    def process_request(self, request: HttpRequest) -> None:
        """Load the session named by the cookie, and attach the client's address and user agent."""
        super().process_request(request)
        address = request.META.get("REMOTE_ADDR") or None
        request.session.browser = Browser(address, request.META.get("HTTP_USER_AGENT", ""))  # type: ignore[attr-defined]  # ours

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save a changed session, or record that an unchanged one is in use."""
        answer = super().process_response(request, response)
        session = request.session
        if isinstance(session, SessionStore) and session.accessed and not session.modified:
            try:
                session.note_seen(timezone.now())
            except DatabaseError as exc:  # the page is ready; only the session's expiry is not extended
                log.warning("session.not_noted", extra={"error": type(exc).__name__})
        return answer
