"""The word for "no": what a family may not do, as opposed to what went wrong on our side."""


class Refused(Exception):
    """Raise it in a command; the schema turns it into the member of the union whose code it names.

    `code` is UPPER_SNAKE and has a text in the service's `texts.py`; `details` fill the text's `{names}`.
    """

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class CodedError(Exception):
    """An answer that GraphQL gives under `errors`, with `extensions.code`: nobody is signed in, an id that names nothing..."""

    def __init__(self, code: str, message: str, french: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.french = french  #: None: the message is in the caller's language already, or for nobody but programmers.


class Unauthenticated(CodedError):
    """Nobody is signed in, or the token has run out."""

    def __init__(self) -> None:
        super().__init__("UNAUTHENTICATED", "Sign in first.", "Connectez-vous d'abord.")


class Forbidden(CodedError):
    """Signed in, but not for this. Also the answer for what does not exist, so that nobody learns what does."""

    def __init__(self) -> None:
        super().__init__("FORBIDDEN", "Not yours, or not there.", "Cela n'est pas à vous, ou n'existe pas.")
