"""The backend of an API, as a caller of Latchkey."""

from dataclasses import dataclass, field

import httpx


@dataclass
class Backend:
    """A backend with its API secret."""

    url: str
    api_secret: str = field(repr=False)

    def validate(self, secret: str, **call: object) -> dict[str, object]:
        """The response of ``POST /v1/validate`` for a caller's secret."""
        answer = httpx.post(
            f"{self.url}/v1/validate",
            headers={"Authorization": f"Bearer {self.api_secret}"},
            json={"credential": secret, "ip": "203.0.113.9", **call},
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        body: dict[str, object] = answer.json()
        return body
