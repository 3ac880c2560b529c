"""The survey instruments that come with the product."""
