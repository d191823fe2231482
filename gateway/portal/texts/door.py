"""Of signing in, and finding a way back in."""

TEXTS: dict[str, tuple[str, str]] = {
    "SIGN_IN_TITLE": ("Se connecter", "Sign in"),
    "SIGN_IN_LEAD": (
        "Réservez la cantine, les accueils et les loisirs de vos enfants, suivez vos demandes et payez en ligne.",
        "Book your children’s meals, care and leisure activities, follow your requests and pay online.",
    ),
    "SIGN_IN_LOGIN": ("Identifiant", "Login"),
    "SIGN_IN_LOGIN_HINT": ("Il vous a été remis par votre mairie.", "Your town hall gave it to you."),
    "SIGN_IN_PASSWORD": ("Mot de passe", "Password"),
    "SIGN_IN_SEND": ("Se connecter", "Sign in"),
    "SIGN_IN_FORGOTTEN": ("Mot de passe oublié ?", "Forgotten your password?"),
    "SIGN_IN_OR": ("ou", "or"),
    "SIGN_IN_OUTSIDE": ("Se connecter avec {name}", "Sign in with {name}"),
    "SIGN_IN_PASSKEY": ("Se connecter avec une clé d’accès", "Sign in with a passkey"),
    "SIGN_IN_NO_LOGIN": ("Indiquez votre identifiant.", "Give your login."),
    "SIGN_IN_NO_PASSWORD": ("Indiquez votre mot de passe.", "Give your password."),
    "SIGN_IN_OVER": (
        "Votre session a pris fin. Connectez-vous pour continuer où vous en étiez : vos choix sont gardés.",
        "Your session has ended. Sign in to go on where you were: your choices are kept.",
    ),
    "SIGN_IN_LATE": (
        "Cette connexion n’a pas été terminée à temps. Recommencez, s’il vous plaît.",
        "This sign-in was not finished in time. Please begin again.",
    ),
    "SIGN_IN_AWAY": (
        "La connexion est momentanément indisponible. Réessayez dans quelques minutes.",
        "Signing in is not possible at the moment. Try again in a few minutes.",
    ),
    "SIGNED_OUT": ("Vous êtes déconnecté.", "You are signed out."),
    "HANDED_OUT": (
        "Votre mot de passe vous a été remis par la mairie, qui le connaît.",
        "Your password was given to you by the town hall, which knows it.",
    ),
    "HANDED_OUT_GO": ("Choisir un mot de passe que vous seul connaissez", "Choose a password that you alone know"),
    "SECOND_MISSING": (
        "{structures} demande à ses agents une deuxième étape de connexion : sans elle, le bureau des agents vous reste fermé.",
        "{structures} asks its agents for a second step of signing in: without one, the agents’ desk stays closed to you.",
    ),
    "SECOND_MISSING_GO": ("Ajouter une deuxième étape", "Add a second step"),
    "SECOND_TITLE": ("Confirmez que c’est bien vous", "Confirm that it is you"),
    "SECOND_ALONE_TITLE": ("Connexion avec une clé d’accès", "Signing in with a passkey"),
    "SECOND_CODE_TITLE": ("Avec votre application", "With your application"),
    "SECOND_CODE": ("Code à 6 chiffres", "6-digit code"),
    "SECOND_CODE_HINT": (
        "Ouvrez l’application d’authentification de votre téléphone et recopiez le code du moment.",
        "Open the authenticator application on your telephone and copy the code that it shows now.",
    ),
    "SECOND_SEND": ("Continuer", "Continue"),
    "SECOND_NO_CODE": ("Indiquez le code.", "Give the code."),
    "SECOND_KEY_TITLE": ("Avec votre clé d’accès", "With your passkey"),
    "SECOND_KEY": ("Utiliser ma clé d’accès", "Use my passkey"),
    "SECOND_KEY_HINT": (
        "Votre appareil vous demandera votre empreinte, votre visage, son code, ou de toucher votre clé.",
        "Your device will ask for your fingerprint, your face, its code, or that you touch your key.",
    ),
    "SECOND_KEY_NO": (
        "La clé d’accès n’a pas répondu. Réessayez, ou revenez en arrière pour vous connecter autrement.",
        "The passkey did not answer. Try again, or go back to sign in another way.",
    ),
    "SECOND_KEY_SCRIPT": (
        "Une clé d’accès a besoin de JavaScript, qui est désactivé dans ce navigateur.",
        "A passkey needs JavaScript, which is switched off in this browser.",
    ),
    "SECOND_LOST": ("Vous ne pouvez plus le faire ?", "You no longer can?"),
    "SECOND_LOST_MORE": (
        "Téléphone perdu, clé cassée : votre mairie peut retirer votre deuxième étape, après avoir vérifié qui vous êtes.",
        "Telephone lost, key broken: your town hall can take your second step away, once it has checked who you are.",
    ),
    "SECOND_BACK": ("Revenir à la connexion", "Back to signing in"),
    "OUTSIDE_LINKED": ("Votre compte est lié à cette identité.", "Your account is linked to this identity."),
    "OUTSIDE_FAILED": ("Vous n’êtes pas connecté", "You are not signed in"),
    "OUTSIDE_FAILED_LINK": ("Votre compte n’est pas lié", "Your account is not linked"),
    "OUTSIDE_GIVEN_UP": ("La connexion a été abandonnée.", "The sign-in was given up."),
    "OUTSIDE_ELSEWHERE": (
        "Cette connexion n’a pas été commencée ici, ou trop longtemps auparavant : terminez-la dans l’application ou le navigateur où vous "
        "l’avez commencée. Si vous n’avez rien commencé, fermez cette page.",
        "This sign-in was not begun here, or too long ago: end it in the application or the browser where you began it. "
        "If you began nothing, close this page.",
    ),
    "OUTSIDE_AGAIN": ("Recommencer", "Begin again"),
    "OUTSIDE_BY_PASSWORD": ("Se connecter avec un mot de passe", "Sign in with a password"),
    "OUTSIDE_BY_CODE": (
        "Vous ne pouvez pas vous connecter ? Liez votre compte avec un code de la mairie.",
        "You cannot sign in? Link your account with a code of the town hall.",
    ),
    "OUTSIDE_LINK_TITLE": ("Lier votre compte à une identité", "Link your account to an identity"),
    "OUTSIDE_LINK_ASK": (
        "Avec votre identifiant et un code que la mairie vous a donné, ou l’un de vos codes de secours. Le code ne sert qu’une fois.",
        "With your login and a code that the town hall gave you, or one of your recovery codes. The code works once.",
    ),
    "OUTSIDE_LINK_PASSWORD": (
        "Confirmez d’abord votre mot de passe. Vous pourrez ensuite vous connecter aussi avec cette identité.",
        "Confirm your password first. Afterwards you can sign in with this identity, too.",
    ),
    "OUTSIDE_CODE": ("Code", "Code"),
    "OUTSIDE_LINK_SEND": ("Continuer", "Continue"),
    "OUTSIDE_GO": ("Confirmer mon identité", "Confirm my identity"),
    "PASSWORD_NONE": ("Choisissez un mot de passe.", "Choose a password."),
    "FORGOTTEN_TITLE": ("Mot de passe oublié", "Forgotten password"),
    "FORGOTTEN_LEAD": (
        "Choisissez l’un de ces moyens : chacun mène à un nouveau mot de passe. L’ancien n’est écrit nulle part.",
        "Choose one of these ways: each leads to a new password. The old one is written nowhere.",
    ),
    "FORGOTTEN_LETTER": ("Recevoir un lien par e-mail", "Get a link by e-mail"),
    "FORGOTTEN_LETTER_MORE": (
        "Le lien arrive à l’adresse de votre compte. Il sert une fois, pendant 30 minutes.",
        "The link goes to your account’s address. It works once, for 30 minutes.",
    ),
    "FORGOTTEN_LETTER_SEND": ("Envoyer le lien", "Send the link"),
    "FORGOTTEN_SENT": (
        "Si un compte porte cet identifiant et a une adresse e-mail, un lien vient d’y être envoyé. Regardez aussi dans vos indésirables.",
        "If an account has this login and an e-mail address, a link was sent there just now. Look at your junk mail, too.",
    ),
    "FORGOTTEN_CODE": ("Utiliser un code", "Use a code"),
    "FORGOTTEN_CODE_MORE": (
        "L’un de vos codes de secours, ou celui que la mairie vous a remis au guichet. Un code ne sert qu’une fois.",
        "One of your recovery codes, or the one that the town hall gave you at its counter. A code works once.",
    ),
    "FORGOTTEN_CODE_SEND": ("Continuer avec ce code", "Continue with this code"),
    "FORGOTTEN_QUESTION": ("Répondre à votre question secrète", "Answer your secret question"),
    "FORGOTTEN_QUESTION_MORE": (
        "Si vous en avez choisi une dans votre profil, et si votre structure l’accepte.",
        "If you chose one in your profile, and if your town accepts that.",
    ),
    "FORGOTTEN_QUESTION_SEND": ("Voir la question", "See the question"),
    "FORGOTTEN_ANSWER": ("Votre réponse", "Your answer"),
    "FORGOTTEN_ANSWER_SEND": ("Répondre", "Answer"),
    "FORGOTTEN_NOTHING": ("Rien de tout cela ?", "None of these?"),
    "FORGOTTEN_NOTHING_MORE": (
        "Présentez-vous à votre mairie avec une pièce d’identité : elle vous remettra un code.",
        "Go to your town hall with an identity document: it will give you a code.",
    ),
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
        "Vous avez demandé à recevoir vos messages à l’adresse où vous avez reçu ce lien. Si ce n’est pas vous, fermez cette page : "
        "rien ne change.",
        "You asked to receive your messages at the address where you received this link. If it was not you, close this page: "
        "nothing changes.",
    ),
    "EMAIL_SEND": ("Confirmer cette adresse", "Confirm this address"),
    "EMAIL_DONE": ("Votre adresse e-mail est confirmée", "Your e-mail address is confirmed"),
    "EMAIL_DONE_MORE": ("Vos messages arrivent désormais à {email}.", "Your messages go to {email} from now on."),
    "FIRST_NAME": ("Prénom", "First name"),
    "LAST_NAME": ("Nom", "Last name"),
    "INVITATION_TITLE": ("Répondre à l’invitation", "Answer the invitation"),
    "INVITATION_FAMILY": (
        "{structure} vous propose d’accéder au dossier d’une famille : voir et faire ses réservations, et payer.",
        "{structure} offers you access to a family’s account: to see and make its bookings, and to pay.",
    ),
    "INVITATION_AGENT": ("{structure} vous propose de travailler comme agent.", "{structure} offers you work as an agent."),
    "INVITATION_ADMINISTRATOR": (
        "{structure} vous propose d’administrer son espace famille.",
        "{structure} offers you the administration of its family portal.",
    ),
    "INVITATION_SEEN": (
        "Si vous acceptez, {structure} verra votre nom et votre identifiant. Si cela ne vous concerne pas, fermez cette page : "
        "rien n’est fait.",
        "If you accept, {structure} will see your name and your login. If this does not concern you, close this page: nothing is done.",
    ),
    "INVITATION_ACCOUNT": ("J’ai déjà un compte", "I have an account"),
    "INVITATION_ACCEPT": ("Accepter avec ce compte", "Accept with this account"),
    "INVITATION_ME": ("Vous êtes connecté : {name}", "You are signed in: {name}"),
    "INVITATION_ANOTHER": ("J’ai un autre compte", "I have another account"),
    "INVITATION_ALONE": (
        "S’il vous a été donné par une autre commune, vous serez désormais seul à pouvoir le modifier.",
        "If another town gave it to you, nobody but you can change it from then on.",
    ),
    "INVITATION_NEW": ("Je n’ai pas de compte", "I have no account"),
    "INVITATION_EMAIL": ("Vos messages iront à {email}.", "Your messages will go to {email}."),
    "INVITATION_OPEN": ("Ouvrir mon compte et accepter", "Open my account and accept"),
    "INVITATION_CODE": ("Le code de votre application", "The code of your application"),
    "INVITATION_PASSKEY": (
        "Votre compte demande une clé d’accès : connectez-vous d’abord à votre espace famille, puis rouvrez le lien de l’invitation.",
        "Your account asks for a passkey: sign in to your family account first, then open the invitation’s link again.",
    ),
    "INVITATION_DONE": ("Votre réponse est enregistrée", "Your answer is recorded"),
    "INVITATION_DONE_MORE": (
        "Vous pouvez maintenant vous connecter à votre espace famille. Si vous l’étiez déjà, reconnectez-vous.",
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
    "CANCEL_TITLE": ("Annuler le changement d’adresse e-mail", "Cancel the change of e-mail address"),
    "CANCEL_ASK": (
        "Vos messages continueront d’arriver à l’adresse où vous avez reçu ce lien, et votre compte sera déconnecté de tous les appareils.",
        "Your messages will go on arriving at the address where you received this link, and your account will be signed out everywhere.",
    ),
    "CANCEL_SEND": ("Annuler ce changement", "Cancel this change"),
    "CANCEL_DONE": ("Ce changement est annulé", "This change is cancelled"),
    "CANCEL_DONE_MORE": (
        "Votre adresse e-mail reste la même, et votre compte est déconnecté de tous les appareils. "
        "Si quelqu’un peut connaître votre mot de passe, changez-le.",
        "Your e-mail address stays the same, and your account is signed out on all devices. If somebody may know your password, change it.",
    ),
    "MAILED_DOOR": ("Se connecter", "Sign in"),
    "LINK_OVER": ("Ce lien n’est plus valable", "This link is no longer valid"),
    "LINK_OVER_MORE": (
        "Il a déjà servi, il a expiré, un plus récent le remplace, ou il est incomplet. Demandez-en un autre sur votre espace famille.",
        "It was used already, it has run out, a newer one replaces it, or a part of it is missing. Ask for another in your family account.",
    ),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
