"""Compare the verdict on a remembered credential with that on one that was never seen."""

from collections.abc import Mapping
from typing import Any

from keys.validation.credential_cache import CachedCredential
from keys.validation.credential_types import ParsedCredential
from keys.validation.types import Call, Verdict


def judged(known: CachedCredential, pure: ParsedCredential, world: Mapping[str, Any]) -> Verdict:
    """The verdict on ``known`` in this world; asserts that it is the one on ``pure``, which remembers nothing.

    The world has the snapshots by name, and the call's ``audience``, ``scopes``, ``address`` and ``now``.
    """
    audience, scopes, address, now = (world[each] for each in ("audience", "scopes", "address", "now"))
    found = {name: snapshot for name, snapshot in world.items() if ":" in name and snapshot is not None}
    call = Call(scopes=scopes, address=address)
    verdict = known.decide(known.resolve(found, audience, now), found, call, now)
    first = pure.resolve(found, audience, now)
    assert verdict == (first if isinstance(first, Verdict) else first.decide(found, call, now))
    return verdict
