"""Downloads from a hub on this machine: what arrives, what is told, how it stops, what is never fetched."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from steer_tui.engine import loading
from steer_tui.engine.fetch import explain
from steer_tui.engine.hubcache import snapshot
from steer_tui.engine.loading import load_model
from steer_tui.errors import Cancelled, ModelError, OutOfMemory
from tests.stopwatch import Stopwatch
from tests.unit.model_files import change_config, write_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A hub of one model, `own/tiny`; `own/gated` is gated, and there are no others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.seconds_per_chunk = 0.0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            """Answers what huggingface_hub asks."""

            def do_GET(self) -> None:
                hub.asked.append(self.path)
                if self.path.startswith("/api/models/own/tiny"):
                    self._json(hub.listing())
                elif f"/own/tiny/resolve/{COMMIT}/" in self.path:
                    self._file(hub.folder / self.path.rpartition("/")[2])
                else:
                    self._refuse()

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

            def _json(self, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _file(self, path: Path) -> None:
                data = path.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.end_headers()
                if self.command == "HEAD":
                    return
                for start in range(0, len(data), 8192):
                    if path.suffix == ".safetensors":
                        time.sleep(hub.seconds_per_chunk)
                    self.wfile.write(data[start : start + 8192])

            def _refuse(self) -> None:
                gated = "gated" in self.path
                self.send_response(403 if gated else 404)
                self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def listing(self) -> dict[str, object]:
        """Return what the hub says of the model."""
        files = [{"rfilename": path.name, "size": path.stat().st_size} for path in self.folder.iterdir()]
        files.append({"rfilename": "onnx/model.safetensors", "size": 1 << 40})
        return {"id": "own/tiny", "sha": COMMIT, "siblings": files}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def hub(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub(Path(shutil.copytree(written, tmp_path / "hub")))
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.server.shutdown()
    made.server.server_close()


def asked_for_weights(hub: Hub) -> bool:
    return any(path.endswith(".safetensors") for path in hub.asked)


def test_a_model_is_downloaded_once_and_then_loaded_from_the_cache(hub: Hub) -> None:
    told: list[tuple[float | None, str]] = []
    lm = load_model("own/tiny", device="cpu", on_progress=lambda fraction, note: told.append((fraction, note)))
    assert (lm.info.ref, lm.info.id, lm.info.type) == ("own/tiny", "own/tiny", "llama")
    assert any(fraction is not None and note.startswith("downloading own/tiny") for fraction, note in told)
    before = len(hub.asked)
    assert load_model("own/tiny", device="cpu").info.fingerprint == lm.info.fingerprint
    assert len(hub.asked) == before
    assert not any("onnx" in path for path in hub.asked)


def test_shards_are_downloaded_all(hub: Hub) -> None:
    (hub.folder / "model.safetensors").unlink()
    write_model(hub.folder, max_shard_size="40KB")
    assert load_model("own/tiny", device="cpu").info.layers == 3


def test_offline_nothing_is_asked(hub: Hub) -> None:
    with pytest.raises(ModelError, match="not in the local cache"):
        load_model("own/tiny", device="cpu", offline=True)
    assert hub.asked == []


def test_a_download_stops_at_once_and_leaves_no_half_file(hub: Hub, tmp_path: Path) -> None:
    hub.seconds_per_chunk = 2.0
    watches: list[Stopwatch] = []

    def stop() -> bool:
        if asked_for_weights(hub) and not watches:
            watches.append(Stopwatch())
        return bool(watches)

    with pytest.raises(Cancelled):
        load_model("own/tiny", device="cpu", should_stop=stop)
    assert watches[0].look() < 4
    assert not list((tmp_path / "cache").rglob("*.incomplete"))
    hub.seconds_per_chunk = 0.0
    assert load_model("own/tiny", device="cpu").info.layers == 3


def test_what_is_no_causal_lm_is_refused_before_its_weights_are_fetched(hub: Hub) -> None:
    change_config(hub.folder, model_type="bert", architectures=["BertForMaskedLM"])
    with pytest.raises(ModelError, match="no causal language model"):
        load_model("own/tiny", device="cpu")
    assert not asked_for_weights(hub)


def test_what_does_not_fit_is_refused_before_its_weights_are_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "device_free", lambda device, spread=False: 1000)
    with pytest.raises(OutOfMemory):
        load_model("own/tiny", device="cpu")
    assert not asked_for_weights(hub)


def test_a_model_of_pickles_is_refused(hub: Hub) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no safetensors weights"):
        load_model("own/tiny", device="cpu")
    assert not any(path.endswith(".bin") for path in hub.asked)


def test_a_repository_without_a_config_is_refused(hub: Hub) -> None:
    (hub.folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_model("own/tiny", device="cpu")


@pytest.mark.parametrize(("ref", "words"), [("own/unknown", "no model own/unknown"), ("own/gated", "is gated")])
def test_what_the_hub_refuses_is_one_clear_error(hub: Hub, ref: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as error:
        load_model(ref, device="cpu")
    assert error.value.hint


def test_a_hub_that_cannot_be_reached_is_one_clear_error(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be downloaded") as error:
        load_model("own/tiny", device="cpu")
    assert error.value.hint and "network" in error.value.hint
    assert snapshot("own/tiny") is None


def test_a_full_disk_is_said_as_such() -> None:
    message, hint = explain("a/b", OSError(28, "No space left on device"))
    assert message == "the disk is full"
    assert "HF_HOME" in hint
