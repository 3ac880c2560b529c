"""XPath of ODK XForms on lxml."""
