"""What a questionnaire is: XLSForm to definition, answers, evaluation, codebook."""
