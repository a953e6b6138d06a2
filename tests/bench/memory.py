"""What a process's own copies weigh: run alone, so that nothing else is in the figure."""

import os
import sys
from pathlib import Path

import msgspec

from keys.validation.cache.local import Copy, LocalCache
from keys.validation.snapshot_names import secret_name
from keys.validation.types import KeySnapshot, Snapshot
from portal.ids import public_id


def main() -> None:
    """Print the bytes that so many copies take, read from Redis one by one as a process reads them."""
    count = int(sys.argv[1])
    local = LocalCache(max_copies=count, fresh_s=30)
    local.extend_lease(local.begin_epoch(), 1e12)
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Snapshot)
    organizations = [public_id("org") for _ in range(count // 20)]
    before = _resident_bytes()
    for number in range(count):
        read = decoder.decode(encoder.encode(_key(organizations[number % len(organizations)])))
        if isinstance(read, KeySnapshot):
            load = local.begin_load(secret_name(read.digest), 1.0)
            local.finish(load, Copy(read, 1e12, 1e12, 1e12))
    sys.stdout.write(f"{_resident_bytes() - before}\n")


def _key(organization_id: str) -> KeySnapshot:
    return KeySnapshot(
        digest=os.urandom(32),
        secret_id=public_id("sec"),
        secret_ends_at=None,
        key_id=public_id("key"),
        name="billing worker 12",
        environment="live",
        organization_id=organization_id,
        api_id="api_0000000000000000000000",
        scopes=("orders:read", "orders:write"),
        networks=(),
        rate_limits=(),
        quota=None,
        metadata=b'{"plan":"gold"}',
        operator_metadata=b"{}",
        not_before=None,
        expires_at=1_800_000_000.0,
        is_disabled=False,
        is_revoked=False,
        is_compromised=False,
    )


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
