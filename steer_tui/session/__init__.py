"""Decides: the engine thread, what the workbench knows, and the journal. Imports neither textual nor, at import, torch."""
