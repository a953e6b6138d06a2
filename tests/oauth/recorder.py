"""The recorder with access tokens: one revoked, all revoked, their client paused, its organization suspended."""

from collections.abc import Callable, Iterator
from functools import partial

from tests.keys.validation.recorder import Change, Place, Recorder, Subject


class TokenRecorder(Recorder):
    """Records what is answered about tokens."""

    def _changes(self) -> list[Callable[[], Iterator[None]]]:
        one, all_of_it, paused = (self._client(self._here.organization, self._here) for _ in range(3))
        return [
            self._suspend(),
            partial(self._revoke_token, one),
            partial(self._revoke_tokens, all_of_it),
            self._disable_client(paused),
        ]

    def _client(self, organization: str, place: Place) -> str:
        client: str = self._do("create_client", organization, place.api)["made"]
        return client

    def _token(self, kind: str, client: str) -> tuple[str, Subject]:
        done = self._do("mint", client)
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
        of_token.changes = of_key.changes  # what happens to the organization happens to both
        self._lasting.append(of_token)
        return act
