"""When a sweep last went through, so that a worker that died shows: verdicts and pages go on without it."""

from datetime import datetime

from portal.models import SweepRun


def note_sweep(name: str, *, ended_at: datetime) -> None:
    """Remember that the sweep has gone through."""
    SweepRun.objects.update_or_create(name=name, defaults={"ended_at": ended_at})


def last_sweep() -> datetime | None:
    """When the latest of any sweep went through; None before the first."""
    return SweepRun.objects.order_by("-ended_at").values_list("ended_at", flat=True).first()


def last_run(name: str) -> datetime | None:
    """When the sweep of this name last went through; None before the first time."""
    return SweepRun.objects.filter(name=name).values_list("ended_at", flat=True).first()
