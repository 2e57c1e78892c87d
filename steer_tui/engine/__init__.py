"""Computes: models, hooks, steering, decoding. Never imports textual, rich or the session."""
