"""What can go wrong in the protocol: our own mistake (local) or what the other side sent (remote)."""


class ProtocolError(Exception):
    """Base of both: a ``code`` that programs switch on, and a sentence for people that never holds an answer."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class LocalError(ProtocolError):
    """This side was asked for something that the protocol does not allow, or holds something broken."""


class RemoteError(ProtocolError):
    """The other side sent something that the protocol does not allow."""


class EnvelopeError(RemoteError):
    """An envelope cannot be read or trusted. Its code is the reason under which it is quarantined.

    Codes: ``truncated``, ``malformed``, ``too-large``, ``unknown-version``, ``unknown-suite``, ``unknown-kind``,
    ``index-too-high``, ``signature-invalid``, ``undecryptable``, ``trailing-bytes``, ``unknown-dictionary``,
    ``wrong-survey-key``, ``medium-altered``.
    """
