"""A small procedural world with exact truth: scenes, captions, masks, edits and a grader. Knows nothing of networks."""
