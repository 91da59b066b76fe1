"""The parts of `tools.regions`: reading the words of a region, and finding in a picture what they name."""
