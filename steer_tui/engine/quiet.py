"""Keeps transformers and its friends off the terminal while they load, and listens to their progress bars.

Promises that warnings go to Python's logging and nowhere else; everything but the log handler is as before afterwards.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from steer_tui.engine.progress import Bar, Progress

_LIBRARIES = ("transformers", "huggingface_hub", "accelerate")
_WEIGHTS_BAR = "Loading weights"


@contextmanager
def quietly(progress: Progress) -> Iterator[None]:
    """Load within this: no warning, no bar; the bar over the weights becomes calls of `progress`."""
    from transformers.utils import logging as transformers_logging

    _log_only()
    bars_were_on = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    # Without the hook, a transformers that has none, the load still works and tells only its stages.
    set_hook: Callable[[Any], Any] = getattr(transformers_logging, "set_tqdm_hook", lambda hook: None)

    def bar(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.get("desc") == _WEIGHTS_BAR and args:
            return Bar(args[0], progress, "loading weights")
        return factory(*args, **kwargs)

    previous = set_hook(bar)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        set_hook(previous)
        if bars_were_on:
            transformers_logging.enable_progress_bar()


def _log_only() -> None:
    """Send the libraries' messages to the root logger, and to the terminal no more."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        # With no handler anywhere, Python itself would print warnings to stderr.
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
