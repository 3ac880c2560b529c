"""HTTP doors, one module each: a route parses, calls one service or query, and renders."""
