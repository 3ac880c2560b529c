"""From envelopes to interviews: opening one envelope, holding what a person must see, and folding a batch."""
