"""Engine, tables and queries: all SQL of the product, and the only commit."""
