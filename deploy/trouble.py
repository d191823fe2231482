"""What a command line says when it cannot do what it was asked: one clear line, never a traceback."""


class Trouble(Exception):
    """The message says what is wrong and what to do."""
