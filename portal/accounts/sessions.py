"""Sessions: which browser is signed in, and until when.

The cookie holds a random key; the row is named by its digest and its content is encrypted, so that who reads the
database can neither take a session over nor read what is in the making there: a code that was mailed, the seed of an
authenticator that is being set up.
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
LIFETIME: Final = timedelta(days=7)  # from the sign-in, whatever happens
IDLE: Final = timedelta(hours=24)  # from the last request; WCAG 2.2.1 asks no warning of limits beyond 20 hours
VISIT: Final = timedelta(hours=1)  # of who has not signed in (yet)
SEEN_EVERY: Final = timedelta(minutes=1)
KEY_CHARS: Final = 40
BEGUN: Final = "sign_in_begun"


@dataclass(frozen=True)
class Browser:
    """Where a request comes from, as far as it says so."""

    address: str | None = None
    user_agent: str = ""


def row_key(session_key: str | None) -> str:
    """The name of the row that belongs to the cookie's value: 160 bits of its SHA-256."""
    return hashlib.sha256((session_key or "").encode()).hexdigest()[:KEY_CHARS]


def ends_at(began: datetime, seen: datetime, *, is_signed_in: bool) -> datetime:
    """When a session is over that began and was last seen then."""
    return min(began + LIFETIME, seen + (IDLE if is_signed_in else VISIT))


def begin_sign_in(request: HttpRequest, user: User) -> None:
    """Note whose sign-in waits for its second step, and which password it began with."""
    request.session[BEGUN] = {"user": user.pk, "hash": user.get_session_auth_hash()}


def finish_sign_in(request: HttpRequest, user: User) -> bool:
    """Whether the sign-in that was begun may end now: the account is active, and the password is the same."""
    begun = request.session.pop(BEGUN, None) or {"user": None, "hash": ""}
    is_same = constant_time_compare(begun["hash"], user.get_session_auth_hash())
    return user.is_active and begun["user"] == user.pk and is_same


class SessionStore(db.SessionStore):
    """Django's sessions in the database, under our names and our lock."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.browser = Browser()
        self.counts_as_seen = True  # a page that asks by itself says otherwise
        self._began: datetime | None = None
        self._seen: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Our own row, which knows whose it is."""
        return Session

    def encode(self, session_dict: dict[str, Any]) -> str:
        """The content, encrypted."""
        return encryption.encrypt(self.serializer().dumps(session_dict))

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """The content again; what cannot be read holds nothing, and so nobody is signed in by it."""
        try:
            content: dict[str, Any] = self.serializer().loads(encryption.decrypt(str(session_data)))
        except encryption.CannotDecrypt:
            log.warning("session.unreadable")
            return {}
        return content

    def exists(self, session_key: str | None) -> bool:
        """Whether there is such a session."""
        return super().exists(row_key(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """End that session, or this one."""
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(pk=row_key(key)).delete()

    def create(self) -> None:
        """A session that begins now: at the first visit, and anew at each sign-in."""
        self._began = None
        super().create()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row as it is to be written."""
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
        """Put off the end of an idle session that a signed-in person has just used; at most once a minute."""
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
    """Django's, which also notes where and when a session was last seen."""

    def process_request(self, request: HttpRequest) -> None:
        """Find the session by its cookie."""
        super().process_request(request)
        address = request.META.get("REMOTE_ADDR") or None
        request.session.browser = Browser(address, request.META.get("HTTP_USER_AGENT", ""))  # type: ignore[attr-defined]  # ours

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save what changed, or note that the session is in use."""
        answer = super().process_response(request, response)
        session = request.session
        if isinstance(session, SessionStore) and session.accessed and not session.modified:
            try:
                session.note_seen(timezone.now())
            except DatabaseError as exc:  # the page is made; only the session ends sooner
                log.warning("session.not_noted", extra={"error": type(exc).__name__})
        return answer
