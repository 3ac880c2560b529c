"""The codebook of a form: its variables in words, over one version or all, as JSON, CSV, DDI, HTML and on paper.

Everything here is made from definitions alone. No answer ever comes near it.
"""
