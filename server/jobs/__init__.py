"""What runs without anybody asking: opening envelopes, and the schedule. See `worker`."""

from server.jobs.worker import run_worker

__all__ = ["run_worker"]
