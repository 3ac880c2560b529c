"""The OpenRosa door for ODK Collect: form list, XForm, manifest, media, submission.

The same views stand under several addresses; `visitors` says who is at the door. 201 means sealed and on disk. Query
arguments and the Date header are ignored, as Collect writes wrong ones.
"""

import re
from typing import Any, Final

from flask import Flask, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from server.api import problems
from server.api.openrosa import answers
from server.api.openrosa.routes import blueprints

__all__ = ["blueprints", "register"]

DOOR: Final = re.compile(r"/(?:v1/+)?key/|/projects/+\d+/")
"""How the addresses of the door begin, however many slashes a person has typed."""


def register(app: Flask) -> None:
    """Add the door to an app; what no view of it takes is answered in its XML too."""
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    for error in (NotFound, MethodNotAllowed):
        app.register_error_handler(error, _nowhere)


def _nowhere(error: HTTPException) -> Any:
    if DOOR.match(request.path):
        return answers.mark(answers.problem(error))
    return problems.respond(error)
