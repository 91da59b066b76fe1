"""The editing tools, one file each; `tools.registry` finds them by scanning this folder."""
