"""The demonstration: Lamaria, a made country whose every figure is known, surveyed through the real product."""
