"""The API behind the keys, as it asks Latchkey."""

from dataclasses import dataclass, field

import httpx


@dataclass
class Backend:
    """The API behind the keys."""

    url: str
    api_secret: str = field(repr=False)

    def validate(self, secret: str, **call: object) -> dict[str, object]:
        """What Latchkey answers about a caller's secret."""
        answer = httpx.post(
            f"{self.url}/v1/validate",
            headers={"Authorization": f"Bearer {self.api_secret}"},
            json={"credential": secret, "ip": "203.0.113.9", **call},
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        body: dict[str, object] = answer.json()
        return body
