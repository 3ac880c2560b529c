"""The functions of ODK XForms, https://getodk.github.io/xforms-spec/#xpath-functions.

Beside them what Collect's engine has without the specification: ``geofence()``, ``enclosed-area()``, ``is-selected()``,
``property()``, ``version()``, ``depend()``, ``date-time()``. ``search()`` is an appearance, not a function: see
``forms.media``. ``extract-signed()`` parses but has no value here: forms know no cryptography.
"""

from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder, SelectBuilder
from forms.xpath.functions import files, geography, logic, moments, node_sets, numbers, texts

FUNCTIONS: Final[Mapping[str, Builder]] = {
    **texts.FUNCTIONS,
    **numbers.FUNCTIONS,
    **moments.FUNCTIONS,
    **node_sets.FUNCTIONS,
    **logic.FUNCTIONS,
    **geography.FUNCTIONS,
    **files.FUNCTIONS,
}
SELECTORS: Final[Mapping[str, SelectBuilder]] = node_sets.SELECTORS
