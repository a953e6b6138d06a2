"""The recorder for access tokens: revoked and expired ones, and those of paused clients and suspended organizations."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import jwt

from tests.support.validation.histories import Change, Subject
from tests.support.validation.recorder import Place, Recorder

LIFETIME_S = 2
CLOCKS_AGREE_S = 0.01  # difference of the wall clock, by which tokens expire, and the monotonic clock of the records


class TokenRecorder(Recorder):
    """Records the verdicts on tokens."""

    def _changes(self) -> list[Callable[[], Iterator[None]]]:
        one, all_of_it, short, paused = (self._client(self._here.organization, self._here) for _ in range(4))
        return [
            self._suspend(),
            partial(self._revoke_token, one),
            partial(self._revoke_tokens, all_of_it),
            partial(self._expire, short),
            self._disable_client(paused),
        ]

    def _client(self, organization: str, place: Place) -> str:
        client, _ = self._do("create_client", organization, place.api)["made"]
        return str(client)

    def _token(self, kind: str, client: str, *lifetime_s: int) -> tuple[str, Subject]:
        done = self._do("mint", client, *lifetime_s)
        jti, token = done["made"]
        issued = Change(done["started"], done["ended"], "VALID")
        return jti, self._add(Subject(kind, self._here.api_secret, token, [issued], ("orders:read",)))

    def _revoke_token(self, client: str) -> Iterator[None]:
        jti, subject = self._token("revoke a token", client)
        yield
        yield from self._alternate_once(subject, "revoke_token", client, jti)

    def _revoke_tokens(self, client: str) -> Iterator[None]:
        _, subject = self._token("revoke all tokens", client)
        yield
        yield from self._alternate_once(subject, "revoke_tokens", client)

    def _expire(self, client: str) -> Iterator[None]:
        _, subject = self._token("expire", client, LIFETIME_S)
        claims = jwt.decode(subject.credential, options={"verify_signature": False})
        over_in_s = claims["exp"] - time.time()
        at = time.monotonic() + over_in_s
        subject.changes.append(Change(at - CLOCKS_AGREE_S, at + CLOCKS_AGREE_S, "EXPIRED"))
        self._ask_on(subject, for_s=over_in_s + 1)
        yield

    def _alternate_once(self, subject: Subject, operation: str, *arguments: str) -> Iterator[None]:
        done = self._do(operation, *arguments)
        subject.changes.append(Change(done["started"], done["ended"], "REVOKED", is_pending=done["is_pending"]))
        yield

    def _disable_client(self, client: str) -> Callable[[], Iterator[None]]:
        _, subject = self._token("disable a client", client)
        self._lasting.append(subject)
        disable, enable = ("disable_client", client), ("enable_client", client)
        return lambda: self._alternate(subject, (disable, "DISABLED"), (enable, "VALID"))

    def _suspend(self) -> Callable[[], Iterator[None]]:
        act = super()._suspend()
        (of_key,) = self._lasting
        _, of_token = self._token("suspend, a token", self._client(self._there.organization, self._here))
        of_token.changes = of_key.changes  # changes of the organization apply to both
        self._lasting.append(of_token)
        return act
