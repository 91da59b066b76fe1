"""What can be done: editing tools, regions, geometry. Knows pictures, not sessions, plans or faces."""
