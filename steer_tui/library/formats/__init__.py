"""Vector files of other tools: one file per format, reading and writing. What is in a file is never trusted."""
