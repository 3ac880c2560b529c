"""Queries, one module an aggregate: all SQL lives here."""
