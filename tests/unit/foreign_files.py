"""Vector files of other tools as those tools write them, and ways to damage them; for tests and the fuzzing bench."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta

WIDTH, LAYERS = 16, 6

MODEL = MadeFor(id="org/tiny", type="llama", layers=LAYERS, width=WIDTH, fingerprint="ab12")

UINT32, INT32, FLOAT32, STRING = 4, 5, 6, 8


def rows(*layers: int, seed: int = 0) -> dict[int, Tensor]:
    """Return layer -> (16,) float32, the same for the same arguments."""
    generator = torch.Generator().manual_seed(seed)
    return {layer: torch.randn(WIDTH, generator=generator) for layer in layers or range(1, LAYERS)}


def known_vector(*layers: int, name: str = "happy", seed: int = 0) -> SteeringVector:
    """Return a vector of which more than its numbers is known."""
    made = rows(*layers, seed=seed)
    first = min(made)
    meta = VectorMeta(
        name, MODEL, group="moods", method="pca", best_layers=(first,), origin={first: -0.5}, tags=("mine", "new")
    )
    return SteeringVector(name, made, meta)


def same(found: SteeringVector, wanted: dict[int, torch.Tensor]) -> bool:
    """Say whether a vector holds these very numbers at these very blocks."""
    return found.layers.keys() == wanted.keys() and all(
        torch.equal(found.layers[layer], wanted[layer]) for layer in wanted
    )


def gguf(
    tensors: Mapping[str, Tensor],
    values: Mapping[str, tuple[int, Any]] | None = None,
    *,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Return a GGUF file of version 3; `values` are key -> (type, value), `counts` lie about both numbers."""
    known = {"general.architecture": (STRING, "controlvector")} if values is None else values
    head = b"GGUF" + struct.pack("<IQQ", 3, *(counts or (len(tensors), len(known))))
    for key, (kind, value) in known.items():
        packed = _text(value) if kind == STRING else struct.pack({4: "<I", 5: "<i", 6: "<f"}[kind], value)
        head += _text(key) + struct.pack("<I", kind) + packed
    body = b""
    for name, tensor in tensors.items():
        sizes = tuple(reversed(tensor.shape))
        kind = {torch.float32: 0, torch.float16: 1, torch.int8: 24, torch.float64: 28}[tensor.dtype]
        head += _text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, len(body))
        body += tensor.numpy().tobytes()
        body += bytes(-len(body) % 32)
    return head + bytes(-len(head) % 32) + body


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def directions(layers: Mapping[int, Tensor]) -> dict[str, Tensor]:
    return {f"direction.{layer}": row for layer, row in layers.items()}


def control_vector(layers: Mapping[int, Tensor], count: tuple[int, int] | None, **more: tuple[int, Any]) -> bytes:
    """Return a control vector whose layer count is written as (type, number)."""
    values: dict[str, tuple[int, Any]] = {
        "general.architecture": (STRING, "controlvector"),
        "controlvector.model_hint": (STRING, "llama"),
    }
    if count is not None:
        values["controlvector.layer_count"] = count
    return gguf(directions(layers), values | {f"controlvector.{key}": value for key, value in more.items()})


def svec(layers: Mapping[int, Tensor], *, nested: bool = False, **more: Any) -> bytes:
    values = {str(layer): [row.tolist()] if nested else row.tolist() for layer, row in layers.items()}
    variances = {str(layer): 0.5 for layer in layers}
    return json.dumps({"model_type": "llama", "directions": values, "explained_variances": variances, **more}).encode()


def latents(layers: Mapping[int, Tensor], **metadata: Any) -> bytes:
    values = {str(layer): row.tolist() for layer, row in layers.items()}
    known = {"n_layers": LAYERS, "hidden_dim": WIDTH, "model": "gpt2", **metadata}
    return json.dumps({"layer_vectors": values, "metadata": known}, indent=2).encode()


def pt(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def lm_eval(layers: Mapping[int, Tensor], strength: float = 2.0, **more: Any) -> bytes:
    entry = {"steering_coefficient": strength, "action": "add", "bias": None, **more}
    return pt({f"layers.{layer}": {"steering_vector": row, **entry} for layer, row in layers.items()})


def steering_lite(layers: Mapping[int, Tensor], **config: Any) -> bytes:
    known = {
        "method": "mean_diff",
        "layers": list(layers),
        "target": "residual",
        "target_submodule": None,
        "coeff": 1.0,
    }
    return save({f"layer{layer}.v": row for layer, row in layers.items()}, {"cfg": json.dumps(known | config)})


def samples() -> dict[str, bytes]:
    """Return one good file of each importable format, by a file name that fits it."""
    from steer_tui.library.formats.own import write_own
    from tests.unit.made_vectors import vector

    made = rows()
    return {
        "repeng.gguf": control_vector(made, (UINT32, len(made))),
        "easysteer.gguf": control_vector(rows(0, 1, 2), (UINT32, 3), method=(STRING, "pca"), normalize=(FLOAT32, 1.0)),
        "ibm.svec": svec(made),
        "aisteer360.svec": svec(made, nested=True, meta={"model": "x"}),
        "latents.json": latents(made, direction="late - early"),
        "layers.pt": pt(made),
        "vec_layer_3_Llama.pt": pt(made[3]),
        "rows.pt": pt(torch.stack(list(rows(*range(LAYERS)).values()))),
        "steered.pt": lm_eval({2: made[2]}),
        "lite.safetensors": steering_lite(made),
        "own.safetensors": write_own(vector())[0],
    }


ABSURD = (0, 1, 2**7, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**64 - 1)


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Return damaged bytes: flipped, cut, counts made absurd, pieces doubled, removed or swapped."""
    if data.startswith(b"PK") and draw.random() < 0.6:
        return _mutate_member(data, draw)
    return _mutate_plain(data, draw)


def _mutate_plain(data: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(data)
    # Counts and names stand at the front of every format: half of all damage goes there.
    reach = min(len(damaged), 600) if draw.random() < 0.5 else len(damaged)
    match draw.randrange(7):
        case 0:
            for _ in range(draw.choice((1, 1, 2, 8, 64))):
                damaged[draw.randrange(reach)] ^= 1 << draw.randrange(8)
        case 1:
            del damaged[draw.randrange(len(damaged)) :]
        case 2:
            at, size = draw.randrange(reach), draw.choice((1, 2, 4, 8))
            damaged[at : at + size] = (draw.choice(ABSURD) % 256**size).to_bytes(size, "little")
        case 3:
            at, end = sorted(draw.randrange(reach) for _ in range(2))
            damaged[at:end] = b"" if draw.random() < 0.5 else bytes(damaged[at:end]) * 2
        case 4:
            at = draw.randrange(reach)
            damaged[at : at + 16] = draw.randbytes(draw.randrange(1, 17))
        case 5:
            words = (b"NaN", b"1e999", b"-1", b"9" * 400, b"[", b"{", b'"', b",", b"null", b"../../x", b"\x00", b"0")
            at = draw.randrange(reach)
            damaged[at:at] = draw.choice(words)
        case 6:
            digits = [place for place in range(min(reach, len(damaged))) if 48 <= damaged[place] <= 57]
            if digits:
                damaged[draw.choice(digits)] = draw.randrange(48, 58)
    return bytes(damaged)


def _mutate_member(data: bytes, draw: random.Random) -> bytes:
    """Damage one file of an archive and pack it again, so that its checksum is right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    chosen = draw.choice([name for name in members if name.endswith("data.pkl")] * 5 + list(members))
    return repacked(members | {chosen: _mutate_plain(members[chosen] or b"0", draw)})


def repacked(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of files by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}
