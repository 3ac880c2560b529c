"""Estimation: arrays in, frozen results out; no database, no HTTP."""
