"""Move a secret's digest under the first pepper, so that old peppers can be retired."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils import timezone

from keys.models import ApiSecret, Secret
from keys.services.common import secret_name
from keys.services.credential_type import credential_types
from keys.validation.peppers import StaleDigest
from portal.audit import SYSTEM, record
from portal.audit_actions import AuditAction
from portal.outbox import change


def redigest(stale: StaleDigest) -> bool:
    """Replace the old digest by the new one; False if the old one is no longer stored.

    Invalidates the snapshots of both digests: the old one may be cached as good, the new one as unknown.
    """
    model, names_of = _secrets_of(stale.name_kind)
    pepper_version = settings.KEY_PEPPERS[0].version
    with change() as pending:
        secrets = model._default_manager.select_for_update(of=("self",))  # noqa: SLF001  # Django documents it as public
        secret = secrets.filter(public_id=stale.secret_id, digest=stale.old).first()
        if secret is None:
            return False
        pending.invalidates(*names_of(secret))
        secret.digest = stale.new
        secret.pepper_version = pepper_version
        secret.save(update_fields=["digest", "pepper_version"])
        pending.invalidates(*names_of(secret))
        record(
            AuditAction.SECRETS_REDIGESTED,
            actor=SYSTEM,
            at=timezone.now(),
            subject_id=secret.public_id,
            subject_label=secret.hint,
            after={"pepper_version": pepper_version},
        )
    return True


def _secrets_of(snapshot_kind: str) -> tuple[type[Secret], Callable[[Any], list[str]]]:
    """Return the model of the secrets in snapshots of this kind, and what names the snapshots of one."""
    if snapshot_kind == "apisecret":
        return ApiSecret, lambda secret: [secret_name(secret)]
    [its] = [each for each in credential_types() if each.snapshot_kind == snapshot_kind]
    return its.secret_model, lambda secret: its.snapshots(getattr(secret, its.noun))
