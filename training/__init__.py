"""Training: one file per recipe, one loop for all. Not imported by anything that edits pictures."""
