"""The demo model's tokenizer: byte-level BPE trained on the corpus, with a chat template.

Every sample begins with `<s>`, which the tokenizer adds to plain text by itself and the chat template writes once.
A raw passage ends with `</s>`, a chat reply with `<|end|>`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from steer_tui.demo import corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 3072
BOS, EOS, PAD, END = "<s>", "</s>", "<pad>", "<|end|>"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
SPECIAL = [PAD, BOS, EOS, USER, ASSISTANT, END]
MAX_LENGTH = 512
_TRAINING_SAMPLES = 40_000

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>\n{{ message['content'] }}<|end|>\n"
    "{% else %}<|user|>\n{{ message['content'] }}<|end|>\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def sample_text(sample: corpus.Sample) -> str:
    """Return a sample as it is tokenized, special tokens written out."""
    if sample.user is None:
        return f"{BOS}{sample.text}{EOS}"
    return f"{BOS}{USER}\n{sample.user}{END}\n{ASSISTANT}\n{sample.text}{END}"


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer trained on samples of the corpus."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    texts = itertools.islice(corpus.samples(seed), _TRAINING_SAMPLES)
    tokenizer.train_from_iterator((f"{s.user or ''}\n{s.text}" for s in texts), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT, END],
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
