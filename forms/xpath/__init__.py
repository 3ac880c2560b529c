"""XPath of ODK XForms: syntax, values, functions and the compiler to Python closures.

Meaning follows the ODK XForms specification and, where that is silent, JavaRosa, the engine of ODK Collect: dates
compare as dates, an absolute path means the row that the question stands in, and irrelevant nodes are not there.
"""
