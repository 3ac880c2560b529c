"""The functions of ODK XForms, https://getodk.github.io/xforms-spec/#xpath-functions.

Not here: ``pulldata()`` and ``search()``, which read files beside the form, and ``extract-signed()``.
"""

from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder, SelectBuilder
from forms.xpath.functions import geography, logic, moments, node_sets, numbers, texts

FUNCTIONS: Final[Mapping[str, Builder]] = {
    **texts.FUNCTIONS,
    **numbers.FUNCTIONS,
    **moments.FUNCTIONS,
    **node_sets.FUNCTIONS,
    **logic.FUNCTIONS,
    **geography.FUNCTIONS,
}
SELECTORS: Final[Mapping[str, SelectBuilder]] = node_sets.SELECTORS
