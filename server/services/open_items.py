"""Open what devices and doors brought: the use case of the worker. How a batch goes is in `server.folding.batches`."""

from server.folding.batches import OpenedBatch, OpeningWorker

__all__ = ["OpenedBatch", "OpeningWorker"]
