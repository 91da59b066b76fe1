"""Networks that no library serves today, written out as plain torch modules. Knows no tool, no file and no sampler."""
