"""Plain values that cross threads and become JSON; no tensor, no torch import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steer_tui.engine.hookvalues import HookReport, HookSpec, LogitDifference, Watched

Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a person needs to know of a loaded model."""

    ref: str
    """What the user asked for: `demo`, a folder, a file or a hub id."""
    id: str
    """The model's own name, from its config or folder."""
    type: str
    """`config.model_type`, such as `llama`."""
    layers: int
    width: int
    """Width of the residual stream."""
    parameters: int
    device: str
    dtype: str
    fingerprint: str
    """Hex digest of the config and of a sample of the weights; two copies of the same weights agree."""
    context: int
    """Longest sequence in tokens; 0 where the config names none."""
    has_chat_template: bool

    def to_json(self) -> dict[str, object]:
        """Return the `model` object of the contract's JSON."""
        keys = ("ref", "id", "type", "layers", "width", "parameters", "device", "dtype", "fingerprint")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; temperature 0 is greedy, top_k 0 and top_p 1 switch those filters off."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    max_tokens: int = 64

    def to_json(self) -> dict[str, float | int]:
        """Return the `sampling` object of the contract's JSON."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
        }


@dataclass(frozen=True, slots=True)
class Stats:
    """Block outputs of one row at its newest token; every tuple has one entry per layer of `layers`."""

    layers: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    norm: tuple[float, ...]
    places: dict[str, tuple[float, ...]]
    """Concept -> place on its concept scale (0 negative mean, 1 positive mean); NaN at a layer its vector lacks."""
    added: tuple[float, ...]
    """||what steering added|| / ||residual before it||; 0 where nothing was added."""


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token of one row."""

    id: int
    text: str
    """Text that became complete with this token: cleaned, never half a character, possibly empty."""
    logprob: float
    """Under the distribution it was drawn from before temperature and filters, in nats."""
    steered: bool
    """Whether the recipe acted on the step that produced it."""
    stats: Stats | None
    """Activations of the step that produced it; None where statistics were not asked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a run brought; a branch that has ended brings None."""

    index: int
    """0 for the first generated token."""
    steered: Token | None
    baseline: Token | None
    change: str | None = None
    """The recipe that came into force with this very step, None where it stayed."""
    changed: Change | None = None
    """All that came into force with this very step, hooks included; None where everything stayed."""
    watched: tuple[Watched, ...] = ()
    """What hooks of the kind `watch` saw; one entry for each point and row, or none (`Controls.watch_seconds`)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A live change: from generated token `step` on, `recipe` and `hooks` are in force."""

    step: int
    recipe: str
    hooks: tuple[HookSpec, ...] | None = None
    """All hooks that are on from here; None where they stayed as they were."""
    hook_file: str | None = None
    """Path of the file that own hooks come from; only where `hooks` is not None."""
    hook_sha256: str | None = None
    """Of that file as it was loaded; None where no own hook was on."""

    def to_json(self) -> dict[str, object]:
        """Return one entry of `changes`; what is known of hooks is there where hooks changed."""
        plain: dict[str, object] = {"step": self.step, "recipe": self.recipe}
        if self.hooks is not None:
            plain |= {
                "hooks": [spec.to_json() for spec in self.hooks],
                "hook_file": self.hook_file,
                "hook_sha256": self.hook_sha256,
            }
        return plain


@dataclass(frozen=True, slots=True)
class Text:
    """One finished branch."""

    text: str
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish

    def to_json(self) -> dict[str, object]:
        """Return the `steered` or `baseline` object of the contract's JSON."""
        return {"text": self.text, "ids": list(self.ids), "logprobs": list(self.logprobs), "finish": self.finish}


@dataclass(frozen=True, slots=True)
class LayerActivation:
    """Mean over the generated tokens of one layer's statistics."""

    layer: int
    mean: float
    std: float
    norm: float

    def to_json(self) -> dict[str, float | int]:
        """Return one entry of `activations`."""
        return {"layer": self.layer, "mean": self.mean, "std": self.std, "norm": self.norm}


@dataclass(frozen=True, slots=True)
class Measures:
    """The contract's measures, all read by the unsteered model; None where there is no such text."""

    concepts: dict[str, tuple[float | None, float | None]]
    """Concept -> (steered, baseline) place on the concept scale."""
    perplexity: tuple[float | None, float | None]
    """(steered, baseline)."""
    kl_mean: float | None
    kl_p95: float | None
    distinct_2: tuple[float | None, float | None]

    def to_json(self) -> dict[str, object]:
        """Return the `measures` object of the contract's JSON."""

        def pair(values: tuple[float | None, float | None]) -> dict[str, float | None]:
            return {"steered": values[0], "baseline": values[1]}

        return {
            "concepts": {name: pair(values) for name, values in self.concepts.items()},
            "perplexity": pair(self.perplexity),
            "kl_mean": self.kl_mean,
            "kl_p95": self.kl_p95,
            "distinct_2": pair(self.distinct_2),
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One generation: all that is needed to run it again."""

    prompt: str
    recipe: str
    """A line as in the contract's section 3; empty steers nothing."""
    sampling: Sampling = Sampling()
    baseline: bool = True
    raw: bool = False
    """True bypasses the chat template."""
    changes: tuple[Change, ...] = ()
    """Live changes to replay."""
    statistics: bool = True
    hooks: tuple[HookSpec, ...] = ()
    """Hooks on the steered row, after the recipe, in order; a spec with rows of its own acts on those."""
    hook_file: str | None = None
    """Path of the Python file that hooks of the kind `file` come from; it is run when the run begins."""
    hook_sha256: str | None = None
    """Of that file when this ran before; None where it has not, or had no own hooks."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished or cancelled generation."""

    model: ModelInfo
    request: Request
    """As asked, `changes` completed by those that came while it ran."""
    prompt_ids: tuple[int, ...]
    steered: Text
    baseline: Text | None
    activations: tuple[tuple[LayerActivation, ...], tuple[LayerActivation, ...] | None]
    """(steered, baseline); the steered entry is empty where statistics were not asked for."""
    measures: Measures | None
    tokens_per_second: float
    """Generated tokens of one branch per second of decoding, prefill excluded."""
    seconds: float
    hooks: tuple[HookReport, ...] = ()
    """What each hook of the request and of its changes did, in the order in which they came; counts are 0 where
    statistics were not asked for."""
    logit_difference: LogitDifference | None = None
    """None without a baseline, and where neither a recipe nor a hook acted from the beginning."""

    def to_json(self) -> dict[str, object]:
        """Return the object that `generate --json` prints."""
        steered, baseline = self.activations
        return {
            "version": 1,
            "model": self.model.to_json(),
            "prompt": self.request.prompt,
            "prompt_ids": list(self.prompt_ids),
            "recipe": self.request.recipe,
            "sampling": self.request.sampling.to_json(),
            "steered": self.steered.to_json(),
            "baseline": self.baseline.to_json() if self.baseline else None,
            "activations": {
                "steered": [entry.to_json() for entry in steered],
                "baseline": None if baseline is None else [entry.to_json() for entry in baseline],
            },
            "measures": self.measures.to_json() if self.measures else None,
            "changes": [change.to_json() for change in self.request.changes],
            "hooks": [report.to_json() for report in self.hooks],
            "hook_file": self.request.hook_file,
            "logit_difference": self.logit_difference.to_json() if self.logit_difference else None,
            "tokens_per_second": self.tokens_per_second,
            "seconds": self.seconds,
        }
