"""Move a secret's digest under the first pepper, so that old peppers can be retired."""

from django.conf import settings
from django.utils import timezone

from keys.models import ApiSecret, KeySecret
from keys.services.common import secret_name
from keys.validation.peppers import Outdated
from portal.audit import SYSTEM, record
from portal.audit_actions import AuditAction
from portal.outbox import change

KINDS: dict[str, type[KeySecret] | type[ApiSecret]] = {"secret": KeySecret, "apisecret": ApiSecret}


def redigest(outdated: Outdated) -> bool:
    """Store the new digest where the old one still stands; False where somebody else did so first.

    Both digests' snapshots are named: one may be remembered as good, the other as unknown.
    """
    pepper_version = settings.KEY_PEPPERS[0].version
    with change() as pending:
        secrets = KINDS[outdated.name_kind].objects.select_for_update(of=("self",))
        secret = secrets.filter(public_id=outdated.secret_id, digest=outdated.old).first()
        if secret is None:
            return False
        pending.touch(secret_name(secret))
        secret.digest = outdated.new
        secret.pepper_version = pepper_version
        secret.save(update_fields=["digest", "pepper_version"])
        pending.touch(secret_name(secret))
        record(
            AuditAction.SECRETS_REDIGESTED,
            actor=SYSTEM,
            at=timezone.now(),
            subject_id=secret.public_id,
            subject_label=secret.hint,
            after={"pepper_version": pepper_version},
        )
    return True
