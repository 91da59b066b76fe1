"""The tests, a package so that files of the same name in different folders do not collide. Nothing to run here."""
