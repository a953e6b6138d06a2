"""The counts of calls, and the addresses that they came from."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from keys.models.keys import ApiKey
from portal.ids import MAX_PUBLIC_ID_CHARS


class Usage(models.Model):
    """How many responses a secret got, per hour and code; ``secret_id`` is its public id."""

    secret_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS)
    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="usage", null=True)
    hour = models.DateTimeField()
    code = models.CharField(max_length=32)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key", "hour"], name="usage_by_key")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["secret_id", "hour", "code"], name="usage_unique")]

    def __str__(self) -> str:
        return f"{self.secret_id} {self.hour:%Y-%m-%d %H}:00 {self.code} {self.count} times"


class UsageBatch(models.Model):
    """A usage batch that was added to Usage. This row keeps the batch from being added twice."""

    id = models.CharField(max_length=32, primary_key=True)
    folded_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.id


class Caller(models.Model):
    """An address that a key's calls came from, as its backends report it."""

    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="callers")
    address = models.GenericIPAddressField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "address"], name="caller_unique")]

    def __str__(self) -> str:
        return self.address


class QuotaUse(models.Model):
    """The uses of a key's quota since ``period`` began: a day, a month, or ``date.min`` for all time."""

    key = models.OneToOneField(ApiKey, models.PROTECT, primary_key=True, related_name="quota_use")
    period = models.DateField()
    used = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(used__gte=1), name="quota_use_is_use")]

    def __str__(self) -> str:
        return f"{self.used} since {self.period}"
