"""A TCP proxy between a device and the server that cuts what it is told to cut."""

import socket
import threading
from contextlib import suppress

HOST = "127.0.0.1"


class FaultProxy:
    """Passes connections on; cuts the next answer, or the next request, after so many bytes."""

    def __init__(self, port: int) -> None:
        """Take the port of the server; listen at once."""
        self._server_port = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_answer_after: int | None = None
        self.cut_request_after: int | None = None
        self.answered = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(line,), daemon=True).start()

    def _carry(self, line: socket.socket) -> None:
        with line, suppress(OSError), socket.create_connection((HOST, self._server_port)) as onwards:
            up = threading.Thread(target=self._up, args=(line, onwards), daemon=True)
            up.start()
            self._down(onwards, line)
            for end in (line, onwards):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join(10)

    def _up(self, line: socket.socket, onwards: socket.socket) -> None:
        left, self.cut_request_after = self.cut_request_after, None
        with suppress(OSError):
            while part := line.recv(65_536):
                if left is not None:
                    part, left = part[:left], left - len(part)
                onwards.sendall(part)
                if left is not None and left <= 0:
                    for end in (line, onwards):
                        end.shutdown(socket.SHUT_RDWR)
                    return
            onwards.shutdown(socket.SHUT_WR)

    def _down(self, onwards: socket.socket, line: socket.socket) -> None:
        passed = 0
        while part := onwards.recv(65_536):
            left = self.cut_answer_after
            if left is not None and passed + len(part) >= left:
                line.sendall(part[: left - passed])
                self.cut_answer_after = None
                return
            passed += len(part)
            self.answered = max(self.answered, passed)  # before the device has it, and looks
            line.sendall(part)
