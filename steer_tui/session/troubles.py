"""What an error of any kind means to a person: a message, and what to do next.

Errors that nobody foresaw go to the log with their traceback; nothing is written to a terminal.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from steer_tui.engine.modelfiles import size_of, weight_files
from steer_tui.engine.models import DEMO, ModelChoice, next_smaller
from steer_tui.engine.out_of_memory import is_out_of_memory
from steer_tui.errors import SteerError
from steer_tui.session.log import log
from steer_tui.text import clean, one_line

LOG_HINT = "the log has the details; `steer-tui locate log` says where it is"
MAX_MESSAGE = 300


def explain(error: BaseException, doing: str) -> tuple[str, str | None]:
    """Return message and hint for an error that ended a piece of work.

    Args:
        error: What was raised.
        doing: What was being done, for the log.
    """
    if isinstance(error, SteerError):
        return clean(error.message), None if error.hint is None else clean(error.hint)
    log.error("%s failed", doing, exc_info=error)
    if is_out_of_memory(error):
        return "there is not enough memory", "choose a smaller model with `m`, or ask for fewer tokens"
    text = one_line(str(error))[:MAX_MESSAGE]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__, LOG_HINT


def release_memory() -> None:
    """Give back what a model or a failed run leaves behind, on every device that was used."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def smaller_model(ref: str, list_models: Callable[[], Iterable[ModelChoice]]) -> str | None:
    """Return the largest known model that fits and is smaller than `ref`, None where there is none.

    Where the size of `ref` cannot be told, the built-in model is the one that is surely smaller.
    """
    try:
        choices = tuple(list_models())
        size = next((choice.size_bytes for choice in choices if choice.ref == ref), 0) or size_of(
            weight_files(Path(ref))
        )
    except Exception:  # an offer is not worth an error of its own
        choices, size = (), 0
    if size:
        return next_smaller(size, choices)
    return DEMO if ref != DEMO else None
