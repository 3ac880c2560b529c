"""What may go wrong in the demonstration itself."""


class DemoError(Exception):
    """A step of the demonstration did not do what it must; the message says which."""
