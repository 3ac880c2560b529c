"""The OpenRosa door for ODK Collect: form list, XForm, manifest, media, submission.

The same views stand under several addresses; `visitors` says who is at the door. 201 means sealed and on disk. Query
arguments and the Date header are ignored, as Collect writes wrong ones.
"""

from server.api.openrosa.routes import blueprints

__all__ = ["blueprints"]
