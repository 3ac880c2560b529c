"""A backup as a folder: what is in it, how it is written whole or not at all, and how it is read back."""
