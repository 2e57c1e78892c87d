"""Make the demo model again: `python -m steer_tui.demo.train`.

Corpus, tokenizer and model come from fixed seeds; the weights are written in half precision to `steer_tui/demo/model/`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from steer_tui.demo import MODEL_DIR, corpus
from steer_tui.demo.tokenizer import END, MAX_LENGTH, sample_text, train_tokenizer

TOKENIZER_SEED, CORPUS_SEED, MODEL_SEED, HELD_OUT_SEED = 11, 12, 13, 14
BATCH_TOKENS = 3072
POOL = 2048
"""Samples sorted by length together, so that padding is little."""
LONGEST = 224
_IGNORE = -100


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    steps: int = 2400
    peak: float = 2.5e-3
    warm_up: int = 150
    threads: int = 2

    def rate(self, step: int) -> float:
        """Return the learning rate: linear warm-up, then a cosine down to a fiftieth of the peak."""
        if step < self.warm_up:
            return self.peak * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def model_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Return the architecture: a Llama of about 5.3 million parameters with tied embeddings."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(END)],
        pad_token_id=tokenizer.pad_token_id,
    )


def encode(tokenizer: PreTrainedTokenizerFast, samples: Sequence[corpus.Sample]) -> list[list[int]]:
    """Return the token ids of samples, special tokens included; the few longest are left out."""
    texts = [sample_text(sample) for sample in samples]
    rows = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [row for row in rows if len(row) <= LONGEST]


def _group(rows: list[list[int]], rng: random.Random) -> list[list[list[int]]]:
    rows.sort(key=len)
    batches: list[list[list[int]]] = []
    batch: list[list[int]] = []
    for row in rows:
        if batch and (len(batch) + 1) * len(row) > BATCH_TOKENS:
            batches.append(batch)
            batch = []
        batch.append(row)
    rng.shuffle(batches)
    return batches


def pad(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return input ids and labels, (B, T); padding stands on the right, where causal attention never looks."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in rows])
    labels = torch.tensor([row + [_IGNORE] * (width - len(row)) for row in rows])
    return ids, labels


def batches(tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of about `BATCH_TOKENS` tokens without end; no sample comes twice."""
    stream, rng = corpus.samples(seed), random.Random(seed)
    while True:
        rows = encode(tokenizer, list(itertools.islice(stream, POOL)))
        for group in _group(rows, rng):
            yield pad(group, tokenizer.pad_token_id)


def loss_of(model: LlamaForCausalLM, ids: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of the next token, in nats; logits are made where a label is only."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    targets = labels[:, 1:].reshape(-1)
    kept = targets != _IGNORE
    logits = model.lm_head(hidden[:, :-1].reshape(-1, hidden.shape[-1])[kept])
    return functional.cross_entropy(logits.float(), targets[kept])


def held_out_loss(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, count: int = 20) -> float:
    """Return the mean loss on samples of another seed."""
    model.eval()
    with torch.no_grad():
        losses = [loss_of(model, *batch).item() for batch in itertools.islice(batches(tokenizer, HELD_OUT_SEED), count)]
    model.train()
    return sum(losses) / len(losses)


def _optimizer(model: LlamaForCausalLM, schedule: Schedule) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=schedule.peak, betas=(0.9, 0.97), fused=True)


def train(tokenizer: PreTrainedTokenizerFast, schedule: Schedule, checkpoints: Path) -> LlamaForCausalLM:
    """Return a model trained from scratch; its state is kept in `checkpoints` every 1000 steps."""
    torch.set_num_threads(schedule.threads)
    torch.manual_seed(MODEL_SEED)
    model = LlamaForCausalLM(model_config(tokenizer))
    optimizer = _optimizer(model, schedule)
    began, tokens = time.monotonic(), 0
    for step, (ids, labels) in enumerate(itertools.islice(batches(tokenizer, CORPUS_SEED), schedule.steps)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += int((labels != _IGNORE).sum())
        if step % 50 == 0 or step == schedule.steps - 1:
            speed = tokens / (time.monotonic() - began)
            print(f"step {step:5d}  loss {loss.item():.3f}  {tokens / 1e6:.2f}M tokens  {speed:.0f}/s", flush=True)
        if step % 1000 == 999:
            torch.save(model.state_dict(), checkpoints / "latest.pt")
    return model


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the model in float16, its tokenizer and its generation defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        do_sample=True,
        temperature=0.7,
    )
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Train and write the demo model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=Schedule.steps)
    parser.add_argument("--threads", type=int, default=Schedule.threads)
    parser.add_argument("--out", type=Path, default=MODEL_DIR)
    options = parser.parse_args()
    tokenizer = train_tokenizer(TOKENIZER_SEED)
    with tempfile.TemporaryDirectory() as folder:
        model = train(tokenizer, Schedule(steps=options.steps, threads=options.threads), Path(folder))
    before = held_out_loss(model, tokenizer)
    save(model, tokenizer, options.out)
    after = held_out_loss(model.float(), tokenizer)
    print(f"held-out loss {before:.4f}, after rounding to float16 {after:.4f}")


if __name__ == "__main__":
    main()
