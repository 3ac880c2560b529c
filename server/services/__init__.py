"""Use cases, one a module: values in, values out, never a commit, never a request."""
