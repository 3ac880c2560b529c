"""What runs when, once across machines."""
