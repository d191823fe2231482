"""What the gateway itself says: to people who open an address in a browser, and to clients whose requests it refuses.

French first, English second.
"""

TEXTS = {
    "NO_PAGE": ("Cette page n'existe pas.", "There is no such page."),
    "NOT_THAT_WAY": ("Cette adresse ne s'utilise pas ainsi.", "This address is not used that way."),
    "NO_FILE": ("Ce fichier n'existe pas.", "There is no such file."),
    "AWAY": ("Momentanément indisponible, réessayez.", "Not available at the moment, try again."),
    "PASSWORD_TITLE": ("Choisir un nouveau mot de passe", "Choose a new password"),
    "PASSWORD_NEW": ("Nouveau mot de passe", "New password"),
    "PASSWORD_AGAIN": ("Le même, encore une fois", "The same once more"),
    "PASSWORD_HINT": (
        "Au moins 12 caractères : quelques mots sans rapport, par exemple. Un gestionnaire de mots de passe peut en choisir un pour vous.",
        "At least 12 characters: a few words that have nothing to do with one another, for instance. A password manager can choose one.",
    ),
    "PASSWORD_SEND": ("Enregistrer ce mot de passe", "Keep this password"),
    "PASSWORD_DIFFERS": ("Les deux mots de passe ne sont pas les mêmes.", "The two passwords are not the same."),
    "PASSWORD_DONE": ("Votre mot de passe est changé", "Your password is changed"),
    "PASSWORD_DONE_MORE": (
        "Vous pouvez maintenant vous connecter à votre espace famille avec ce mot de passe. "
        "Les appareils qui étaient connectés ne le sont plus.",
        "You can now sign in to your family account with this password. Devices that were signed in no longer are.",
    ),
    "EMAIL_TITLE": ("Confirmer votre adresse e-mail", "Confirm your e-mail address"),
    "EMAIL_ASK": (
        "Vous avez demandé à recevoir vos messages à l'adresse où vous avez reçu ce lien. Si ce n'est pas vous, fermez cette page : "
        "rien ne change.",
        "You asked to receive your messages at the address where you received this link. If it was not you, close this page: "
        "nothing changes.",
    ),
    "EMAIL_SEND": ("Confirmer cette adresse", "Confirm this address"),
    "EMAIL_DONE": ("Votre adresse e-mail est confirmée", "Your e-mail address is confirmed"),
    "EMAIL_DONE_MORE": ("Vos messages arrivent désormais à {email}.", "Your messages go to {email} from now on."),
    "LOGIN": ("Identifiant", "Login"),
    "PASSWORD": ("Mot de passe", "Password"),
    "FIRST_NAME": ("Prénom", "First name"),
    "LAST_NAME": ("Nom", "Last name"),
    "INVITATION_TITLE": ("Répondre à l'invitation", "Answer the invitation"),
    "INVITATION_FAMILY": (
        "{structure} vous propose d'accéder au dossier d'une famille : voir et faire ses réservations, et payer.",
        "{structure} offers you access to a family's account: to see and make its bookings, and to pay.",
    ),
    "INVITATION_AGENT": ("{structure} vous propose de travailler comme agent.", "{structure} offers you work as an agent."),
    "INVITATION_ADMINISTRATOR": (
        "{structure} vous propose d'administrer son espace famille.",
        "{structure} offers you the administration of its family portal.",
    ),
    "INVITATION_SEEN": (
        "Si vous acceptez, {structure} verra votre nom et votre identifiant. Si cela ne vous concerne pas, fermez cette page : "
        "rien n'est fait.",
        "If you accept, {structure} will see your name and your login. If this does not concern you, close this page: nothing is done.",
    ),
    "INVITATION_ACCOUNT": ("J'ai déjà un compte", "I have an account"),
    "INVITATION_ACCEPT": ("Accepter avec ce compte", "Accept with this account"),
    "INVITATION_ALONE": (
        "S'il vous a été donné par une autre commune, vous serez désormais seul à pouvoir le modifier.",
        "If another town gave it to you, nobody but you can change it from then on.",
    ),
    "INVITATION_NEW": ("Je n'ai pas de compte", "I have no account"),
    "INVITATION_EMAIL": ("Vos messages iront à {email}.", "Your messages will go to {email}."),
    "INVITATION_OPEN": ("Ouvrir mon compte et accepter", "Open my account and accept"),
    "INVITATION_CODE": ("Le code de votre application", "The code of your application"),
    "INVITATION_PASSKEY": (
        "Votre compte demande une clé d'accès, que cette page ne peut pas lire : acceptez l'invitation depuis votre espace famille.",
        "Your account asks for a passkey, which this page cannot read: accept the invitation in your family account.",
    ),
    "INVITATION_DONE": ("Votre réponse est enregistrée", "Your answer is recorded"),
    "INVITATION_DONE_MORE": (
        "Vous pouvez maintenant vous connecter à votre espace famille. Si vous l'étiez déjà, reconnectez-vous.",
        "You can now sign in to your family account. If you were signed in already, sign in again.",
    ),
    "INVITATION_OVER_MORE": (
        "Il a déjà servi, il a expiré, un plus récent le remplace, ou il est incomplet. Demandez une nouvelle invitation à votre mairie.",
        "It was used already, it has run out, a newer one replaces it, or a part of it is missing. Ask your town hall for another.",
    ),
    "EMAIL_WAITS_MORE": (
        "Vos messages arriveront à {email} dans un jour. Votre adresse actuelle a été prévenue, et peut annuler ce changement.",
        "Your messages will go to {email} in a day. Your present address was told, and may cancel this change.",
    ),
    "CANCEL_TITLE": ("Annuler le changement d'adresse e-mail", "Cancel the change of e-mail address"),
    "CANCEL_ASK": (
        "Vos messages continueront d'arriver à l'adresse où vous avez reçu ce lien, et votre compte sera déconnecté de tous les appareils.",
        "Your messages will go on arriving at the address where you received this link, and your account will be signed out everywhere.",
    ),
    "CANCEL_SEND": ("Annuler ce changement", "Cancel this change"),
    "CANCEL_DONE": ("Ce changement est annulé", "This change is cancelled"),
    "CANCEL_DONE_MORE": (
        "Votre adresse e-mail reste la même, et votre compte est déconnecté de tous les appareils. "
        "Si quelqu'un peut connaître votre mot de passe, changez-le.",
        "Your e-mail address stays the same, and your account is signed out on all devices. If somebody may know your password, change it.",
    ),
    "OUTSIDE_DONE": ("Votre identité est confirmée", "Your identity is confirmed"),
    "OUTSIDE_DONE_MORE": (
        "Elle ouvre le compte de {name}. Cette page ne mène pas plus loin : poursuivez dans votre espace famille.",
        "It opens the account of {name}. This page leads no further: go on in your family account.",
    ),
    "OUTSIDE_HALF": (
        "Votre compte demande aussi un code ou une clé, que cette page ne peut pas vérifier : connectez-vous depuis votre espace famille.",
        "Your account also asks for a code or a key, which this page cannot check: sign in from your family account.",
    ),
    "OUTSIDE_FAILED": ("Vous n'êtes pas connecté", "You are not signed in"),
    "OUTSIDE_GIVEN_UP": ("La connexion a été abandonnée.", "The sign-in was given up."),
    "OUTSIDE_ELSEWHERE": (
        "Cette connexion n'a pas été commencée ici, ou trop longtemps auparavant : terminez-la dans l'application ou le navigateur où vous "
        "l'avez commencée. Si vous n'avez rien commencé, fermez cette page.",
        "This sign-in was not begun here, or too long ago: end it in the application or the browser where you began it. "
        "If you began nothing, close this page.",
    ),
    "OUTSIDE_AGAIN": ("Recommencer", "Begin again"),
    "OUTSIDE_BY_CODE": (
        "Vous ne pouvez pas vous connecter ? Liez votre compte avec un code de la mairie.",
        "You cannot sign in? Link your account with a code of the town hall.",
    ),
    "OUTSIDE_LINK_TITLE": ("Lier votre compte à une identité", "Link your account to an identity"),
    "OUTSIDE_LINK_ASK": (
        "Avec votre identifiant et un code que la mairie vous a donné, ou l'un de vos codes de secours. Le code ne sert qu'une fois.",
        "With your login and a code that the town hall gave you, or one of your recovery codes. The code works once.",
    ),
    "OUTSIDE_LOGIN": ("Identifiant", "Login"),
    "OUTSIDE_CODE": ("Code", "Code"),
    "OUTSIDE_LINK_SEND": ("Continuer", "Continue"),
    "OUTSIDE_GO": ("Confirmer mon identité", "Confirm my identity"),
    "LINK_OVER": ("Ce lien n'est plus valable", "This link is no longer valid"),
    "LINK_OVER_MORE": (
        "Il a déjà servi, il a expiré, un plus récent le remplace, ou il est incomplet. Demandez-en un autre sur votre espace famille.",
        "It was used already, it has run out, a newer one replaces it, or a part of it is missing. Ask for another in your family account.",
    ),
    "LINK_FAILED": ("Cela n'a pas fonctionné", "That did not work"),
    "EXPLORER_TITLE": ("Essayer l'interface GraphQL", "Try the GraphQL API"),
    "EXPLORER_QUERY": ("Opération", "Operation"),
    "EXPLORER_VARIABLES": ("Variables (JSON)", "Variables (JSON)"),
    "EXPLORER_TOKEN": ("Jeton d'accès (accessToken de signIn)", "Access token (signIn's accessToken)"),
    "EXPLORER_HEADERS": ("Autres en-têtes, un par ligne", "Other headers, one a line"),
    "EXPLORER_RUN": ("Exécuter (Ctrl+Entrée)", "Run (Ctrl+Enter)"),
    "EXPLORER_STOP": ("Arrêter", "Stop"),
    "EXPLORER_ANSWER": ("Réponse", "Answer"),
    "EXPLORER_SCHEMA": ("Schéma", "Schema"),
    "EXPLORER_SEARCH": ("Chercher un type ou un champ", "Find a type or a field"),
    "EXPLORER_NO_SCRIPT": ("Cette page a besoin de JavaScript.", "This page needs JavaScript."),
    # ----------------------------------------------------------------------------- requests that are refused, by their code
    "NO_FORM": (
        "Les réponses sont en application/graphql-response+json, application/json ou text/event-stream.",
        "Answers are application/graphql-response+json, application/json or text/event-stream.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": ("Envoyez du application/json en UTF-8.", "Send application/json in UTF-8."),
    "NOT_JSON": ("Le corps de la requête n'est pas du JSON.", "The body is not JSON."),
    "BATCHES_REFUSED": (
        "Une seule opération par requête : envoyez un objet.",
        "One operation a request: send an object.",
    ),
    "NO_OBJECT": ("Envoyez un objet JSON avec `query`.", "Send a JSON object with `query`."),
    "UNREADABLE_PARAMETERS": (
        "Les paramètres sont illisibles ; `variables` est du JSON.",
        "The parameters are not readable; `variables` is JSON.",
    ),
    "NO_QUERY": ("`query` manque, ou n'est pas un texte.", "`query` is missing, or is not a string."),
    "NO_VARIABLES": ("`variables` n'est pas un objet.", "`variables` is not an object."),
    "NO_OPERATION_NAME": ("`operationName` n'est pas un texte.", "`operationName` is not a string."),
    "NO_EXTENSIONS": ("`extensions` n'est pas un objet.", "`extensions` is not an object."),
    "NO_HASH": (
        '`extensions.persistedQuery` est {{version: 1, sha256Hash: "..."}}.',
        '`extensions.persistedQuery` is {{version: 1, sha256Hash: "..."}}.',
    ),
    "REQUEST_TOO_LARGE": ("Une requête a au plus {most} octets.", "A request has at most {most} bytes."),
    "REQUEST_HEADERS_TOO_LARGE": (
        "Les en-têtes d'une requête ont au plus {most} octets, et son adresse n'est pas plus longue qu'il ne faut.",
        "The headers of a request have at most {most} bytes, and its address is no longer than need be.",
    ),
    "REQUEST_TIMEOUT": ("La requête n'est pas arrivée à temps.", "The request did not arrive in time."),
    "NO_METHOD": ("POST, ou GET pour les lectures.", "POST, or GET for queries."),
    "NO_CHANGE_BY_GET": (
        "GET ne change rien : envoyez une mutation par POST.",
        "GET changes nothing: send a mutation by POST.",
    ),
    "NO_STREAM": (
        "Un abonnement est servi en text/event-stream, ou par WebSocket.",
        "A subscription is answered as text/event-stream, or over WebSocket.",
    ),
    "TOO_MANY_CONNECTIONS": ("Trop de connexions depuis cette adresse.", "Too many connections from this address."),
    "TOO_MANY_FOLLOW": (
        "Trop d'abonnements en ce moment : réessayez plus tard.",
        "Too many follow at the moment: try again later.",
    ),
    "TOO_MANY_SUBSCRIPTIONS": (
        "Un compte suit au plus {most} choses à la fois.",
        "An account has at most {most} subscriptions at once.",
    ),
    "TOO_MANY_OPERATIONS": (
        "Une connexion porte au plus {most} opérations à la fois.",
        "A connection has at most {most} operations at once.",
    ),
    "SIGN_IN_OVER": ("La session a expiré.", "The sign-in has run out."),
    "NO_SUCH_OPERATION": ("Le document n'a pas d'opération « {name} ».", "The document has no operation {name!r}."),
    "WHICH_OPERATION": ("Dites laquelle des opérations : operationName.", "Say which of the operations: operationName."),
    "TOO_MANY_CHARACTERS": ("Un document a au plus {most} caractères.", "A document has at most {most} characters."),
    "TOO_MANY_TOKENS": ("Un document a au plus {most} mots.", "A document has at most {most} tokens."),
    "NESTED_TOO_DEEP": ("Le document est trop imbriqué.", "The document is nested too deeply."),
    "TOO_WIDE": (
        "L'opération demande trop de champs de trop de types.",
        "The operation asks for too many fields of too many types.",
    ),
    "GRAPHQL_PARSE_FAILED": ("Le document n'est pas du GraphQL : {detail}", "{detail}"),
    "GRAPHQL_VALIDATION_FAILED": ("Le document ne convient pas au schéma : {detail}", "{detail}"),
    "PLANNING_FAILED": (
        "La passerelle n'a trouvé aucun moyen de répondre à cette opération.",
        "The gateway found no way to answer this operation.",
    ),
    "ONE_AUTHENTICATION_A_REQUEST": (
        "Une requête porte au plus une mutation qui examine un mot de passe, un jeton ou une réponse.",
        "A request carries at most one mutation that looks at a password, a token or an answer.",
    ),
    "UNAUTHORIZED_FIELD_OR_TYPE": (
        "Connectez-vous d'abord, ou comme quelqu'un qui peut voir cela.",
        "Sign in first, or as somebody who may see this.",
    ),
    "SUBGRAPH_UNAVAILABLE": (
        "Le service {service} ne peut pas répondre pour le moment.",
        "The service {service} cannot answer at the moment.",
    ),
    "INVALID_ANSWER": (
        "Le service {service} répond ce que son schéma ne permet pas.",
        "The service {service} answers what its schema does not allow.",
    ),
    "INCOMPLETE_ANSWER": (
        "{field} ne peut pas être null, et personne n'y a répondu.",
        "Cannot return null for non-nullable field {field}.",
    ),
    "INTERNAL_SERVER_ERROR": (
        "Quelque chose n'a pas fonctionné de notre côté ({number}).",
        "Something went wrong on our side ({number}).",
    ),
    "PERSISTED_QUERY_NOT_FOUND": (
        "Aucun document connu ne porte cette empreinte.",
        "No document that is known here has this hash.",
    ),
    "PERSISTED_QUERY_NOT_SUPPORTED": (
        "Aucun document n'est connu ici par son empreinte : envoyez son texte.",
        "No documents are known here by their hashes: send the text.",
    ),
    "PERSISTED_QUERY_MISMATCH": (
        "Cette empreinte est celle d'un autre document.",
        "This hash is another document's.",
    ),
    "OPERATION_TOO_EXPENSIVE": (
        "Cette opération coûterait {cost} points ; {most} au plus sont admis. Demandez moins de champs, ou des pages plus petites.",
        "This operation would cost {cost} points; {most} are the most. Ask for fewer fields, or for smaller pages.",
    ),
    "TOO_MANY_REQUESTS": (
        "Trop de demandes en peu de temps : réessayez dans {waitSeconds} s.",
        "Too much was asked for in a short time: try again in {waitSeconds} s.",
    ),
    "INTROSPECTION_DISABLED": (
        "Le schéma n'est pas communiqué ici : __schema et __type ne sont pas servis.",
        "The schema is not told here: __schema and __type are not answered.",
    ),
    "CROSS_SITE_REQUEST": (
        "Une page d'un autre site ne peut pas demander cela ainsi.",
        "A page of another site may not ask for this that way.",
    ),
    "QUERY_NOT_IN_SAFELIST": (
        "Seuls les documents que la commune connaît sont servis ici.",
        "Only documents that the town knows are answered here.",
    ),
}


def phrase(code: str, language: str, **details: object) -> str:
    return TEXTS[code][language == "en"].format(**details)


def say(code: str, language: str) -> str:
    """One line."""
    return phrase(code, language) + "\n"
