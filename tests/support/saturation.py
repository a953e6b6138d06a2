"""Validate one credential over many connections at once, and count the responses by code."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

Asker = Callable[[http.client.HTTPConnection], list[str]]
CONNECTIONS = 12
GIVE_UP_S = 10.0


def saturate(url: str, api_secret: str, credential: str, *, for_s: float) -> tuple[Counter[str], float]:
    """Validate without pauses for ``for_s`` seconds. Returns the responses by code, and the seconds that it took."""
    started = time.monotonic()

    def ask_on(connection: http.client.HTTPConnection) -> list[str]:
        codes = []
        while time.monotonic() < started + for_s:
            codes.append(_ask(connection, api_secret, credential))
        return codes

    codes = _on_many(url, CONNECTIONS, ask_on)
    return codes, time.monotonic() - started


def at_once(url: str, api_secret: str, credential: str, *, calls: int) -> Counter[str]:
    """Send ``calls`` validations at the same time, each over its own connection. Returns the responses by code."""
    together = threading.Barrier(calls)

    def ask_once(connection: http.client.HTTPConnection) -> list[str]:
        connection.connect()
        together.wait()
        return [_ask(connection, api_secret, credential)]

    return _on_many(url, calls, ask_once)


def _on_many(url: str, number: int, ask: Asker) -> Counter[str]:
    def connect_and_ask(_: int) -> list[str]:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=GIVE_UP_S)
        try:
            return ask(connection)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as threads:
        return Counter(code for codes in threads.map(connect_and_ask, range(number)) for code in codes)


def _ask(connection: http.client.HTTPConnection, api_secret: str, credential: str) -> str:
    headers = {"Authorization": f"Bearer {api_secret}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/validate", json.dumps({"credential": credential}).encode(), headers)
    with connection.getresponse() as response:
        status, text = response.status, response.read()
    return str(json.loads(text)["code"]) if status == http.client.OK else str(status)
