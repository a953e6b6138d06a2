"""Read Token Status Lists as an offline verifier does: as the draft says, with none of our own code."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import httpx
import jwt


def status_at(claims: Mapping[str, Any], idx: int) -> int:
    """The status at an index (draft, sections 4.1 and 4.2): base64url, ZLIB, lowest bits of each byte first."""
    assert claims["status_list"]["bits"] == 2
    lst = claims["status_list"]["lst"]
    array = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
    return array[idx * 2 // 8] >> idx * 2 % 8 & 0b11


class OfflineVerifier:
    """Fetches the keys once, and a list for each question over a new connection."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(headers={"Connection": "close"}, timeout=10)
        self._jwks = jwt.PyJWKSet.from_dict(self._http.get(f"{url}/.well-known/jwks.json").json())

    def statuses(self, tokens: list[str]) -> tuple[str, tuple[int, ...]]:
        """The list's signature, which differs between processes, and the status of each token."""
        places = [jwt.decode(token, options={"verify_signature": False})["status"]["status_list"] for token in tokens]
        (uri,) = {place["uri"] for place in places}
        text = self._http.get(uri).raise_for_status().text
        key = self._jwks[jwt.get_unverified_header(text)["kid"]]
        claims = jwt.decode(text, key, algorithms=["ES256"], options={"require": ["iat", "exp"], "verify_aud": False})
        assert claims["sub"] == uri
        return text.rpartition(".")[2], tuple(status_at(claims, place["idx"]) for place in places)
