"""Decides: the engine thread, the workbench's state, the journal. Imports no textual, and torch in the thread only."""
