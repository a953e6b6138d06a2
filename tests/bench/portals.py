"""The portals that ``make bench`` asks, on one database with the demo's data.

Run as a program in the folder of any checkout, it serves them from that checkout until its input ends, and prints where
they are. So it imports nothing else of the bench, which another checkout has in another form.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.support import environment, live
from tests.support.devservices import start_valkey

KEYS, LIMITED_KEYS = 10_000, 8
STORES = {"postgres", "valkey-server"}


def set_up(serve: Callable[..., live.Live]) -> dict[str, Any]:
    """Serve the portals and make the data: the fields of ``Stand``."""
    one = serve("one")
    demo = json.loads(one.manage("demo", "--json", "--force", "--keys", str(KEYS), within_s=900))
    limited, keys = demo["api_keys"][:LIMITED_KEYS], demo["api_keys"][LIMITED_KEYS:]
    for key in limited:
        one.manage("credential", key_id(one, key), "set", "--rate-limit", "1000/1")
    unfilled = start_valkey()
    portals = {
        "one": one,
        "few": serve("few", SNAPSHOT_COPIES="50"),  # too few to keep keys; API and organization stay
        "first": serve("first", REDIS_URL=unfilled.url),
        "second": serve("second", REDIS_URL=unfilled.url),
    }
    servers = {name: (port(portal), portal.process.pid) for name, portal in portals.items()}
    return {"servers": servers, "stores": _stores(), "demo": demo, "limited": limited, "keys": keys}


def port(portal: live.Live) -> int:
    """The port on which it listens."""
    return int(portal.url.rsplit(":", 1)[1])


def key_id(portal: live.Live, key: str) -> str:
    """The public id of a key."""
    found: str = json.loads(whoami(portal, key))["credential"]["id"]
    return found


def whoami(portal: live.Live, key: str) -> bytes:
    """What a key is told of itself."""
    return httpx.get(f"{portal.url}/v1/whoami", headers={"Authorization": f"Bearer {key}"}).content


def _stores() -> list[int]:
    """The processes of PostgreSQL and Valkey that this one started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() in STORES]


def main() -> None:
    """Serve this checkout."""
    environment.prepare()
    with ExitStack() as stack:
        database_url = stack.enter_context(live.database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-bench-")))

        def serve(name: str, **settings: Any) -> live.Live:
            (folder / name).mkdir()
            return stack.enter_context(live.portal(folder / name, database_url=database_url, **settings))

        sys.stdout.write(json.dumps(set_up(serve)) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
