"""Figures, for people to read: nothing here judges. `make bench`."""
