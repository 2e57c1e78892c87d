"""Contrast examples to steering vectors: every text of every concept is read once, in batches, at all layers together.

Promises vectors that hang neither on batches nor on the order of texts, and memory that does not grow with the number
of examples. Knows concepts only as two lists of texts; `extraction` does the work, the methods lie in `methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from steer_tui.engine.extractchoices import BLOCK_OUT, check_method, parse_read
from steer_tui.engine.extraction import Extraction
from steer_tui.engine.methods import NEEDS_PAIRS
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.out_of_memory import memory_errors_named
from steer_tui.engine.passages import Pairs, prepare
from steer_tui.engine.place import find_place
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import UsageError


def extract(
    lm: LanguageModel,
    concepts: Sequence[Pairs],
    *,
    method: str = "mean",
    read: str = "auto",
    site: str = BLOCK_OUT,
    layers: Sequence[int] | None = None,
    template: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    seed: int = 0,
) -> dict[str, SteeringVector]:
    """Return a vector per concept, its length at each layer the distance of the class means along it.

    Args:
        lm: The model.
        concepts: Each with at least one text on both sides; see `passages.Pairs`.
        method: One of `extractchoices.METHODS`.
        read: Which tokens are averaged, as `extractchoices.parse_read` takes it.
        site: One of `extractchoices.SITES`, a module path or a hook point; `*` stands for the block's number.
        layers: Blocks to read, all by default; `gradient` takes the recommended ones by default.
        template: One of `extractchoices.TEMPLATES`.
        on_progress: Called with the work done so far and all there is.
        should_stop: Asked between batches and steps.
        seed: Of methods that draw.

    Raises:
        Cancelled: `should_stop` said so.
        OutOfMemory: A batch does not fit.
        UsageError: A concept lacks texts or does not suit the method or read position, or the model has no such layer
            or site.
        ModelError: The chat template fails.
    """
    check_method(method)
    wanted = parse_read(read)
    place = find_place(lm, site, layers)
    examples = [prepare(lm, concept, wanted, template) for concept in concepts]
    lacking = [one.concept.name for one in examples if method in NEEDS_PAIRS and not one.are_pairs]
    if lacking:
        hint = "give as many texts on both sides, or use mean"
        raise UsageError(f"concept {lacking[0]!r} has no pairs, which {method} needs", hint=hint)
    job = Extraction(lm, place, method, seed, layers is None)
    with memory_errors_named("extraction does not fit in the device's memory", "choose a smaller model"):
        return job.run(examples, on_progress, should_stop)
