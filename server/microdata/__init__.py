"""Opened answers as columns, encrypted; see `store` for what holds."""

from server.microdata.standing import Standing
from server.microdata.store import Microdata, PartTable, WrittenPart

__all__ = ["Microdata", "PartTable", "Standing", "WrittenPart"]
