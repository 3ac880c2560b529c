"""The manager's file: its sheets as they stand there, what is wrong in them, and where."""
