"""Conversations as a model was trained to read them, system prompts included: its chat template, applied once.

Knows nothing of vectors or hooks.
"""

from __future__ import annotations

from typing import Any

from steer_tui.engine.prompt import has_chat_template, single_bos, without_surrogates
from steer_tui.errors import ModelError, UsageError
from steer_tui.text import one_line


def chat_text(tokenizer: Any, message: str, system: str | None = None) -> str:
    """Return a user message, with a system prompt where one is given, as text that is ready for the answer.

    A template that knows no system prompts, or drops them, gets it in front of the message.

    Raises:
        UsageError: There is no chat template.
        ModelError: The template fails.
    """
    if not has_chat_template(tokenizer):
        raise UsageError("this model has no chat template", hint="choose a chat model, or write the texts out in full")
    message = without_surrogates(message)
    if system is None:
        return _rendered(tokenizer, [{"role": "user", "content": message}])
    system = without_surrogates(system)
    asked = [{"role": "system", "content": system}, {"role": "user", "content": message}]
    joined = [{"role": "user", "content": f"{system}\n\n{message}"}]
    try:
        found = _rendered(tokenizer, asked)
    except ModelError:
        return _rendered(tokenizer, joined)
    # Some templates make a second user turn of it: the message would follow without an answer between.
    alone = _rendered(tokenizer, [{"role": "user", "content": system}])
    is_turn = len(alone) > len(system) and found.startswith(alone[: alone.find(system) + len(system)])
    return _rendered(tokenizer, joined) if system.strip() not in found or is_turn else found


def chat_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text that `chat_text` made, whose BOS, if it has one, stands in it."""
    return single_bos(tokenizer, list(tokenizer(text, add_special_tokens=False)["input_ids"]))


def _rendered(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a program from the model's author and may raise anything
        raise ModelError(
            f"the model's chat template fails: {one_line(str(error))[:120]}", hint="read the texts as they stand"
        ) from error
    return text
