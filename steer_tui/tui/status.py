"""What the status line says: one frozen value, moved on by each event. Knows nothing of widgets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from steer_tui.engine.types import ModelInfo
from steer_tui.session.messages import (
    Event,
    ExtractFinished,
    ExtractProgress,
    LoadFailed,
    LoadProgress,
    ModelLoaded,
    RunFailed,
    RunFinished,
    RunStarted,
    RunSteps,
)
from steer_tui.session.sweep_messages import SweepFailed, SweepFinished, SweepStarted, SweepWent


@dataclass(frozen=True, slots=True)
class Status:
    """The state of model and work."""

    info: ModelInfo | None = None
    """The model in use; None before the first."""
    loading: str = ""
    """The ref that is being loaded; empty while none is."""
    fraction: float | None = None
    """How far loading, extraction or a sweep is; None while it cannot be told."""
    note: str = ""
    running: int | None = None
    """The run that streams, or that has been asked for; None where there is none."""
    extracting: bool = False
    sweeping: str = ""
    """Uid of the sweep that runs, or that has been asked for; empty where there is none."""
    speed: float = 0.0
    """Tokens per second of the newest run."""
    failed: bool = False
    """The last load, run or extraction ended by an error."""

    @property
    def word(self) -> str:
        """One of idle, loading, generating, sweeping, extracting, failed."""
        if self.running is not None:
            return "generating"
        if self.extracting:
            return "extracting"
        if self.loading:
            return "loading"
        if self.sweeping:
            return "sweeping"
        return "failed" if self.failed else "idle"

    def asked(self, run_id: int) -> Status:
        """Return the status when a run has been asked for: it counts as running from here on."""
        return replace(self, running=run_id, failed=False, speed=0.0)

    def asked_sweep(self, uid: str) -> Status:
        """Return the status when a sweep has been asked for: it counts as running from here on."""
        return replace(self, sweeping=uid, fraction=0.0, failed=False, speed=0.0)

    def _still(self, ended: int) -> int | None:
        """Return the run that goes on when another has ended."""
        return self.running if self.running != ended else None

    def after(self, event: Event) -> Status:
        """Return the status after an event."""
        match event:
            case LoadProgress(ref, fraction, note):
                return replace(self, loading=ref, fraction=fraction, note=note)
            case ModelLoaded(info, _):
                return replace(self, info=info, loading="", fraction=None, note="", failed=False, speed=0.0)
            case LoadFailed():
                return replace(self, loading="", fraction=None, note="", failed=not event.cancelled)
            case RunStarted(run_id, _, _):
                return replace(self, running=run_id, failed=False, speed=0.0)
            case RunSteps(_, _, speed):
                return replace(self, speed=speed)
            case RunFinished(run_id, result):
                return replace(self, running=self._still(run_id), speed=result.tokens_per_second)
            case RunFailed(run_id):
                return replace(self, running=self._still(run_id), failed=True)
            case ExtractProgress(done, total):
                return replace(self, extracting=True, fraction=done / max(1, total), failed=False)
            case ExtractFinished():
                return replace(self, extracting=False, fraction=None, failed=event.message is not None)
            case SweepStarted(uid):
                return replace(self, sweeping=uid, failed=False)
            case SweepWent(uid, progress) if uid == self.sweeping:
                return replace(self, fraction=progress.fraction)
            case SweepFinished(uid) if uid == self.sweeping:
                return replace(self, sweeping="", fraction=None)
            case SweepFailed(uid) if uid == self.sweeping:
                return replace(self, sweeping="", fraction=None, failed=True)
        return self
