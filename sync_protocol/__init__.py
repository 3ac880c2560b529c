"""What a tablet and a server say to each other, and what a set of envelopes means; without IO."""
