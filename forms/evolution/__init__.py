"""How a questionnaire changes: the difference of two versions, migration maps, answers as of another version."""
