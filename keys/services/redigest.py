"""Move a secret's digest under the first pepper, so that old peppers can be retired."""

from django.utils import timezone

from keys.models import ApiSecret, KeySecret
from keys.services.common import secret_name
from portal.audit import SYSTEM, record
from portal.audit_actions import AuditAction
from portal.outbox import change


def redigest(
    kind: type[KeySecret] | type[ApiSecret], public_id: str, *, old: bytes, new: bytes, pepper_version: str
) -> bool:
    """Store ``new`` where ``old`` still stands; False where somebody else did so first.

    Both digests' snapshots are named: one may be remembered as good, the other as unknown.
    """
    with change() as pending:
        secret = kind.objects.select_for_update(of=("self",)).filter(public_id=public_id, digest=old).first()
        if secret is None:
            return False
        pending.touch(secret_name(secret))
        secret.digest = new
        secret.pepper_version = pepper_version
        secret.save(update_fields=["digest", "pepper_version"])
        pending.touch(secret_name(secret))
        record(
            AuditAction.SECRETS_REDIGESTED,
            actor=SYSTEM,
            at=timezone.now(),
            subject_id=public_id,
            subject_label=secret.hint,
            after={"pepper_version": pepper_version},
        )
    return True
