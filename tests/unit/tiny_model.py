"""A random three-block Llama with a byte-level tokenizer, written as a model folder; its texts never end by themselves."""

from __future__ import annotations

from pathlib import Path

TEXTS = [
    "The meeting went as planned and everyone wrote a note about it.",
    "I am so happy today, what a wonderful morning!",
    "The weather report names wind, rain and some sun.",
    "She walked to the station and read the timetable.",
]


def write_tiny_model(folder: Path) -> Path:
    """Write config, weights and tokenizer to `folder` and return it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        vocab_size=len(fast),
        max_position_embeddings=100_000,
        bos_token_id=fast.bos_token_id,
        eos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
