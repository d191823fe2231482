"""A town as a file: read, checked, loaded through the services' own commands, exported again."""
