"""The made country of the demonstration, and the run that shows the whole product on it."""
