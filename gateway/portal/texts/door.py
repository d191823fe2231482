"""Of signing in, and finding a way back in."""

TEXTS: dict[str, tuple[str, str]] = {
    "SIGN_IN_TITLE": ("Se connecter", "Sign in"),
    "SIGN_IN_LOGIN": ("Identifiant", "Login"),
    "SIGN_IN_PASSWORD": ("Mot de passe", "Password"),
    "SIGN_IN_SEND": ("Se connecter", "Sign in"),
    "SIGN_IN_OVER": (
        "Votre session a pris fin. Connectez-vous pour continuer où vous en étiez : vos choix sont gardés.",
        "Your session has ended. Sign in to go on where you were: your choices are kept.",
    ),
    "SIGNED_OUT": ("Vous êtes déconnecté.", "You are signed out."),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
