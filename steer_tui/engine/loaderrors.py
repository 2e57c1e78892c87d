"""What an error inside transformers, torch or safetensors means to a person who wanted to load a model.

Promises that nothing but SteerError leaves `explained`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from steer_tui.engine.out_of_memory import is_out_of_memory
from steer_tui.errors import ModelError, OutOfMemory, SteerError
from steer_tui.text import one_line

MAX_REASON = 200
_OTHER_MODEL = "choose another model; `steer-tui models` lists what is here"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn every error raised within into one ModelError about `what`, SteerErrors excepted."""
    try:
        yield
    except SteerError:
        raise
    except Exception as error:  # what third-party code raises on a broken file has no common kind
        raise translate(what, error) from error


def translate(what: str, error: Exception) -> ModelError:
    """Return the error to show; its message keeps the reason in one line."""
    text = str(error)
    lowered = text.lower()
    if is_out_of_memory(error):
        return OutOfMemory(f"there is not enough memory for {what}", hint="choose a smaller model with `m`")
    if "trust_remote_code" in text:
        return needs_code(what)
    reason = one_line(text)[:MAX_REASON] or type(error).__name__
    if type(error).__name__ == "SafetensorError":
        return ModelError(f"the weights of {what} are broken: {reason}", hint="download or save the model again")
    if isinstance(error, ImportError):
        return ModelError(f"{what} needs a package that is not installed: {reason}", hint=_OTHER_MODEL)
    if "size mismatch" in lowered or "ignore_mismatched_sizes" in text:
        return ModelError(f"the weights of {what} do not fit its config.json", hint="download or save the model again")
    if isinstance(error, KeyError):
        reason = f"it lacks {reason}"
    return ModelError(f"{what} cannot be loaded: {reason}", hint=_OTHER_MODEL)


def needs_code(what: str) -> ModelError:
    """Return the error for a model that brings its own program, which is never run."""
    return ModelError(
        f"{what} needs a program that comes with it, and such programs are never run here",
        hint="choose a model of an architecture that transformers knows",
    )
