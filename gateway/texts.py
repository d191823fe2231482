"""What the gateway itself says: to people who open an address in a browser, and to clients whose requests it refuses.

French first, English second.
"""

TEXTS = {
    "NO_PAGE": ("Cette page n’existe pas.", "There is no such page."),
    "NOT_THAT_WAY": ("Cette adresse ne s’utilise pas ainsi.", "This address is not used that way."),
    "NO_FILE": ("Ce fichier n’existe pas.", "There is no such file."),
    "AWAY": ("Momentanément indisponible, réessayez.", "Not available at the moment, try again."),
    "EXPLORER_TITLE": ("Essayer l’interface GraphQL", "Try the GraphQL API"),
    "EXPLORER_QUERY": ("Opération", "Operation"),
    "EXPLORER_VARIABLES": ("Variables (JSON)", "Variables (JSON)"),
    "EXPLORER_TOKEN": ("Jeton d’accès (accessToken de signIn)", "Access token (signIn’s accessToken)"),
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
    "NOT_JSON": ("Le corps de la requête n’est pas du JSON.", "The body is not JSON."),
    "BATCHES_REFUSED": (
        "Une seule opération par requête : envoyez un objet.",
        "One operation a request: send an object.",
    ),
    "NO_OBJECT": ("Envoyez un objet JSON avec `query`.", "Send a JSON object with `query`."),
    "UNREADABLE_PARAMETERS": (
        "Les paramètres sont illisibles ; `variables` est du JSON.",
        "The parameters are not readable; `variables` is JSON.",
    ),
    "NO_QUERY": ("`query` manque, ou n’est pas un texte.", "`query` is missing, or is not a string."),
    "NO_VARIABLES": ("`variables` n’est pas un objet.", "`variables` is not an object."),
    "NO_OPERATION_NAME": ("`operationName` n’est pas un texte.", "`operationName` is not a string."),
    "NO_EXTENSIONS": ("`extensions` n’est pas un objet.", "`extensions` is not an object."),
    "NO_HASH": (
        '`extensions.persistedQuery` est {{version: 1, sha256Hash: "..."}}.',
        '`extensions.persistedQuery` is {{version: 1, sha256Hash: "..."}}.',
    ),
    "REQUEST_TOO_LARGE": ("Une requête a au plus {most} octets.", "A request has at most {most} bytes."),
    "REQUEST_HEADERS_TOO_LARGE": (
        "Les en-têtes d’une requête ont au plus {most} octets, et son adresse n’est pas plus longue qu’il ne faut.",
        "The headers of a request have at most {most} bytes, and its address is no longer than need be.",
    ),
    "REQUEST_TIMEOUT": ("La requête n’est pas arrivée à temps.", "The request did not arrive in time."),
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
        "Trop d’abonnements en ce moment : réessayez plus tard.",
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
    "NO_SUCH_OPERATION": ("Le document n’a pas d’opération « {name} ».", "The document has no operation {name!r}."),
    "WHICH_OPERATION": ("Dites laquelle des opérations : operationName.", "Say which of the operations: operationName."),
    "TOO_MANY_CHARACTERS": ("Un document a au plus {most} caractères.", "A document has at most {most} characters."),
    "TOO_MANY_TOKENS": ("Un document a au plus {most} mots.", "A document has at most {most} tokens."),
    "NESTED_TOO_DEEP": ("Le document est trop imbriqué.", "The document is nested too deeply."),
    "TOO_WIDE": (
        "L’opération demande trop de champs de trop de types.",
        "The operation asks for too many fields of too many types.",
    ),
    "GRAPHQL_PARSE_FAILED": ("Le document n’est pas du GraphQL : {detail}", "{detail}"),
    "GRAPHQL_VALIDATION_FAILED": ("Le document ne convient pas au schéma : {detail}", "{detail}"),
    "PLANNING_FAILED": (
        "La passerelle n’a trouvé aucun moyen de répondre à cette opération.",
        "The gateway found no way to answer this operation.",
    ),
    "ONE_AUTHENTICATION_A_REQUEST": (
        "Une requête porte au plus une mutation qui examine un mot de passe, un jeton ou une réponse.",
        "A request carries at most one mutation that looks at a password, a token or an answer.",
    ),
    "UNAUTHORIZED_FIELD_OR_TYPE": (
        "Connectez-vous d’abord, ou comme quelqu’un qui peut voir cela.",
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
        "{field} ne peut pas être null, et personne n’y a répondu.",
        "Cannot return null for non-nullable field {field}.",
    ),
    "INTERNAL_SERVER_ERROR": (
        "Quelque chose n’a pas fonctionné de notre côté ({number}).",
        "Something went wrong on our side ({number}).",
    ),
    "PERSISTED_QUERY_NOT_FOUND": (
        "Aucun document connu ne porte cette empreinte.",
        "No document that is known here has this hash.",
    ),
    "PERSISTED_QUERY_NOT_SUPPORTED": (
        "Aucun document n’est connu ici par son empreinte : envoyez son texte.",
        "No documents are known here by their hashes: send the text.",
    ),
    "PERSISTED_QUERY_MISMATCH": (
        "Cette empreinte est celle d’un autre document.",
        "This hash is another document’s.",
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
        "Le schéma n’est pas communiqué ici : __schema et __type ne sont pas servis.",
        "The schema is not told here: __schema and __type are not answered.",
    ),
    "CROSS_SITE_REQUEST": (
        "Une page d’un autre site ne peut pas demander cela ainsi.",
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
