"""Record when sweeps complete, so that a dead worker is noticed: verdicts and pages work on without it."""

from datetime import datetime

from portal.models import SweepRun


def note_sweep(name: str, *, ended_at: datetime) -> None:
    """Record that the sweep completed."""
    SweepRun.objects.update_or_create(name=name, defaults={"ended_at": ended_at})


def last_sweep() -> datetime | None:
    """Return when any sweep last completed; None before the first."""
    return SweepRun.objects.order_by("-ended_at").values_list("ended_at", flat=True).first()


def last_run(name: str) -> datetime | None:
    """Return when the sweep of this name last completed; None before the first time."""
    return SweepRun.objects.filter(name=name).values_list("ended_at", flat=True).first()
