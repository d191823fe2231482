"""How large an operation of a client may be (services/limits.py)."""

from graphql import DocumentNode

from gateway.trouble import RequestError
from services import limits
from services.limits import Limits, TooMuch

MOST_CHARACTERS = 32_000
MOST_TOKENS = 4_000
#: Operations and fragments: rules of the standard validation go through all fragments for each operation.
MOST_DEFINITIONS = 100
MOST_VARIABLES = 100
MOST_ARGUMENTS = 30
MOST_FIELDS = 1_000
DEEPEST = 15
#: The standard introspection query follows a type inwards nine times.
DEEPEST_INTROSPECTION = 20
MOST_ALIASES = 30
MOST_DIRECTIVES = 60
#: Each is answered by the gateway itself, in tens of milliseconds during which it answers nobody else.
MOST_INTROSPECTIONS = 2
#: One try at a secret for one request: otherwise aliases would make a hundred of it.
AUTHENTICATION = frozenset(
    {"signIn", "refreshSession", "changePassword", "changeEmail", "confirmEmail", "cancelEmailChange", "changeSecurityQuestion"}
    | {"openAccount", "changeAccount", "closeAccount", "acceptInvitation", "openInvitedAccount"}
    | {"finishSignIn", "startTotp", "confirmTotp", "removeFactor", "startPasskey", "addPasskey", "startPasskeySignIn"}
    | {"startOidc", "finishOidc", "startOidcLink", "startOidcLinkByToken", "linkOidc", "unlinkOidc"}
    | {
        "requestPasswordReset",
        "newRecoveryCodes",
        "useRecoveryCode",
        "issueCounterCode",
        "recoveryQuestion",
        "answerRecoveryQuestion",
        "resetPassword",
    }
)
#: The subgraphs' own entrances.
REFUSED = frozenset({"_service", "_entities"})
LIMITS = Limits(
    characters=MOST_CHARACTERS,
    tokens=MOST_TOKENS,
    definitions=MOST_DEFINITIONS,
    variables=MOST_VARIABLES,
    arguments=MOST_ARGUMENTS,
    fields=MOST_FIELDS,
    depth=DEEPEST,
    introspection_depth=DEEPEST_INTROSPECTION,
    introspections=MOST_INTROSPECTIONS,
    aliases=MOST_ALIASES,
    directives=MOST_DIRECTIVES,
)


def check(document: DocumentNode, *, introspection: bool = True) -> None:
    """Raises RequestError."""
    try:
        for size in limits.check(document, LIMITS, counted=AUTHENTICATION, refused=REFUSED):
            if size.introspections and not introspection:
                raise RequestError.said("INTROSPECTION_DISABLED")
            if size.counted > 1:
                raise RequestError.said("ONE_AUTHENTICATION_A_REQUEST")
    except TooMuch as error:
        raise RequestError.coded(error.code, str(error), error.french) from error
