"""Check what was opened: the use case of the worker's second stage. How it goes is in `server.folding.checking`."""

from server.folding.checking import CheckedBatch, CheckingWorker

__all__ = ["CheckedBatch", "CheckingWorker"]
