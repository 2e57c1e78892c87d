"""The built-in demonstration model; importing this package loads no tensor library."""

from __future__ import annotations

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
"""Folder of the trained model in Hugging Face layout."""
