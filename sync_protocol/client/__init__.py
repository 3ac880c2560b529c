"""The reference device: the only part of sync_protocol that does IO."""
