"""Where our findings and those of Collect's engine differ, and why, as docs/reference/collect-differences.md says."""

CLOCK = (
    "the engine reads its clock, its dice and the order of shuffled choices again, and calls the difference a finding"
)
NOT_EVALUATED = "the form reads a file that is not here: we do not judge what hangs on it, the engine takes it as empty"
DROPPED_CODE = "the engine drops a code that is not offered and judges what hangs on the question as not answered"
DROPPED_VALUE = "the engine drops a value that does not have its type, and calls that a calculation that differs"
ABSENT_NODE = "a node that is not there counts as not relevant in the engine; we miss its answer or its value"
ADDED_ROWS = "the engine adds the rows that a count asks for and judges them; we say once that rows are missing"
WRITTEN_OTHERWISE = (
    "the engine writes an answer in another way than it came, such as 1 for 1.0, and calls that a finding"
)

REASONS = (CLOCK, NOT_EVALUATED, DROPPED_CODE, DROPPED_VALUE, ABSENT_NODE, ADDED_ROWS, WRITTEN_OTHERWISE)
"""Differences that any form can have; each is recognised by a rule in ``comparison``, and counted."""

FORMS = {
    "forms_validate.xml": "the years 0 to 1582: the engine counts days by the Julian calendar",
    "5-select-types.xml": "the engine does not find the codes of a select whose node is a number, and drops the answer",
}
"""Forms in which findings differ beside that."""

NOT_JUDGED = {
    "sms_form.xml": "the engine fails on its own interviews of this form (“sanity check failed”)",
    "child_vaccination_VOL_tool_v12.xml": "the engine goes on for ever with an interview that lacks a row",
    "variadic-distance.xml": "the engine stops at a text that is no position; we say that it does not have its type",
    "metadata.xml": "the form asks the engine for a property that it refuses",
}
"""Forms of which the engine leaves some interviews or all without a verdict."""
