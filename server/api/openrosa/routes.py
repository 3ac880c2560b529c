"""The addresses of the door: the same views under each prefix."""

from typing import Any, Final

from flask import Blueprint

from server.api.openrosa import answers, entities, receiving, serving
from server.api.openrosa.visitors import PREFIXES

ROUTES: Final[tuple[tuple[str, str, Any], ...]] = (
    ("GET", "/formList", serving.form_list),
    ("GET", "/forms/<digest>.xml", serving.form),
    ("GET", "/forms/<digest>/manifest", serving.manifest),
    ("GET", "/forms/<digest>/media/<name>", serving.medium),
    ("GET", "/forms/<digest>/entities/<name>.csv", entities.entity_list),
    ("GET", "/forms/<digest>/entities/<name>/integrity", entities.integrity),
    ("HEAD", "/submission", receiving.announce),
    ("POST", "/submission", receiving.submit),
)


def _blueprint(name: str, prefix: str) -> Blueprint:
    made = Blueprint(name, __name__, url_prefix=prefix)
    for method, rule, view in ROUTES:
        # Two slashes in a row are answered in the door's own words, and not by a redirect without its headers.
        made.add_url_rule(rule, view.__name__, view, methods=[method], merge_slashes=False)
    made.register_error_handler(Exception, answers.problem)
    made.after_request(answers.mark)
    made.after_request(receiving.hear_out)
    return made


blueprints: Final = tuple(_blueprint(name, prefix) for name, prefix in PREFIXES.items())
