"""A checkpoint in, HTTP out: the stateful prediction service on BentoML."""
