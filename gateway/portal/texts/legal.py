"""Of help, site map and what the law asks for: the declaration is in the words of its legal model."""

TEXTS: dict[str, tuple[str, str]] = {
    "FOOT_STATE_none": ("Accessibilité : non conforme", "Accessibility: not compliant"),
    "FOOT_STATE_partial": ("Accessibilité : partiellement conforme", "Accessibility: partially compliant"),
    "FOOT_STATE_full": ("Accessibilité : totalement conforme", "Accessibility: fully compliant"),
    "ACCESSIBILITY_TITLE": ("Déclaration d’accessibilité", "Accessibility statement"),
    "ACCESSIBILITY_PLEDGE": (
        "{name} s’engage à rendre son site internet accessible, conformément à l’article 47 de la loi n° 2005-102 du 11 février 2005.",
        "{name} undertakes to make its website accessible, in accordance with article 47 of the French law no. "
        "2005-102 of 11 February 2005.",
    ),
    "ACCESSIBILITY_ABOUT": (
        "Cette déclaration d’accessibilité s’applique à {site}.",
        "This accessibility statement applies to {site}.",
    ),
    "ACCESSIBILITY_TOWN": ("La commune", "The town"),
    "ACCESSIBILITY_STATE": ("État de conformité", "Compliance status"),
    "ACCESSIBILITY_none": (
        "Ce site est non conforme avec le référentiel général d’amélioration de l’accessibilité (RGAA), version 4.1.2, en raison de "
        "l’absence d’audit en cours de validité.",
        "This site is not compliant with the French accessibility guidelines (RGAA), version 4.1.2, for want of a valid audit.",
    ),
    "ACCESSIBILITY_partial": (
        "Ce site est partiellement conforme avec le référentiel général d’amélioration de l’accessibilité (RGAA), version 4.1.2, en raison "
        "des non-conformités énumérées ci-dessous.",
        "This site is partially compliant with the French accessibility guidelines (RGAA), version 4.1.2, because of what is listed below.",
    ),
    "ACCESSIBILITY_full": (
        "Ce site est totalement conforme avec le référentiel général d’amélioration de l’accessibilité (RGAA), version 4.1.2.",
        "This site is fully compliant with the French accessibility guidelines (RGAA), version 4.1.2.",
    ),
    "ACCESSIBILITY_RESULTS": ("Résultats des tests", "Test results"),
    "ACCESSIBILITY_RATE": (
        "L’audit de conformité réalisé par {by} révèle que {rate} % des critères du RGAA sont respectés.",
        "The audit by {by} shows that {rate}% of the RGAA’s criteria are met.",
    ),
    "ACCESSIBILITY_NO_AUDIT": (
        "Aucun audit n’a encore été réalisé. Chaque page est vérifiée automatiquement à chaque version : contrastes, noms accessibles, "
        "clavier, affichage à 320 pixels et texte agrandi à 200 %.",
        "There has been no audit yet. Each page is checked automatically with each version: contrasts, accessible names, keyboard, "
        "display at 320 pixels and text at 200%.",
    ),
    "ACCESSIBILITY_EXCEPTIONS": ("Contenus non accessibles", "What is not accessible"),
    "ACCESSIBILITY_FAILURES": ("Non-conformités", "Failures"),
    "ACCESSIBILITY_DISPROPORTIONATE": ("Dérogations pour charge disproportionnée", "Exemptions: the cost would be out of proportion"),
    "ACCESSIBILITY_NOT_COVERED": ("Contenus non soumis à l’obligation d’accessibilité", "What the law does not cover"),
    "ACCESSIBILITY_ENVIRONMENT": ("Environnement de test", "Test environment"),
    "ACCESSIBILITY_TOOLS": ("Outils utilisés pour évaluer l’accessibilité", "Tools of the evaluation"),
    "ACCESSIBILITY_PAGES": ("Pages vérifiées", "Pages that were checked"),
    "ACCESSIBILITY_OLD": (
        "Cette déclaration a plus de trois ans : elle doit être renouvelée.",
        "This statement is more than three years old: it has to be renewed.",
    ),
    "ACCESSIBILITY_NONE_KNOWN": (
        "Ils seront énumérés après l’audit. Les noms et textes saisis par la mairie sont en français, et signalés comme tels.",
        "It will be listed after the audit. Names and texts entered by the town hall are in French, and marked as such.",
    ),
    "ACCESSIBILITY_MADE": ("Établissement de cette déclaration", "How this statement was made"),
    "ACCESSIBILITY_DATE": ("Cette déclaration a été établie le {date}.", "This statement was made on {date}."),
    "ACCESSIBILITY_NO_DATE": (
        "Cette déclaration n’a pas encore été datée par la commune.",
        "The town has not dated this statement yet.",
    ),
    "ACCESSIBILITY_TECHNOLOGIES": (
        "Technologies utilisées : HTML, CSS, SVG, JavaScript (chaque page fonctionne aussi sans lui), WAI-ARIA.",
        "Technologies used: HTML, CSS, SVG, JavaScript (each page works without it, too), WAI-ARIA.",
    ),
    "ACCESSIBILITY_PLAN": ("Schéma pluriannuel et plans d’actions", "Plan for several years, and for each"),
    "ACCESSIBILITY_NO_PLAN": (
        "Le schéma pluriannuel de la commune n’est pas encore publié. Première action prévue : un audit de ce site.",
        "The town’s plan for several years is not published yet. The first step is to be an audit of this site.",
    ),
    "ACCESSIBILITY_CONTACT": ("Retour d’information et contact", "Feedback and contact"),
    "ACCESSIBILITY_CONTACT_MORE": (
        "Si vous n’arrivez pas à accéder à un contenu ou à un service, contactez le responsable de ce site pour être orienté vers une "
        "alternative accessible ou obtenir le contenu sous une autre forme.",
        "If you cannot reach a content or a service, contact whoever runs this site to be led to an accessible alternative, or to get the "
        "content in another form.",
    ),
    "ACCESSIBILITY_APPEAL": ("Voies de recours", "Complaints"),
    "ACCESSIBILITY_APPEAL_MORE": (
        "Si vous constatez un défaut d’accessibilité vous empêchant d’accéder à un contenu ou à une fonctionnalité du site, que vous nous "
        "le signalez et que vous ne parvenez pas à obtenir une réponse de notre part, vous êtes en droit de faire parvenir vos doléances "
        "ou une demande de saisine au Défenseur des droits. Plusieurs moyens sont à votre disposition :",
        "If you find a lack of accessibility that keeps you from a content or a function of this site, if you tell us of it and get no "
        "answer, you have the right to send your complaint to the French Defender of Rights (Défenseur des droits). "
        "There are several ways:",
    ),
    "ACCESSIBILITY_WRITE": ("Écrire un message au Défenseur des droits", "Write to the Defender of Rights"),
    "ACCESSIBILITY_DELEGATE": (
        "Contacter le délégué du Défenseur des droits dans votre région",
        "Contact the delegate of the Defender of Rights in your region",
    ),
    "ACCESSIBILITY_POST": (
        "Envoyer un courrier par la poste (gratuit, ne pas mettre de timbre) :",
        "Send a letter by post (free of charge, without a stamp):",
    ),
    "WHOM_NOBODY": (
        "La commune n’a pas encore renseigné cette rubrique. Adressez-vous à l’accueil de votre mairie.",
        "The town has not filled this in yet. Ask at the reception of your town hall.",
    ),
    "WHOM_name": ("Nom", "Name"),
    "WHOM_address": ("Adresse", "Address"),
    "WHOM_phone": ("Téléphone", "Telephone"),
    "WHOM_email": ("E-mail", "E-mail"),
    "WHOM_hours": ("Horaires", "Hours"),
    "WHOM_director": ("Directeur de la publication", "Publication director"),
    "MAP_ACCOUNT": ("Mon compte", "My account"),
    "MAP_DOOR": ("Connexion", "Signing in"),
    "MAP_BOOKING": ("Réservations", "Bookings"),
    "MAP_DAY": ("Plusieurs activités d’un jour", "Several activities on a day"),
    "MAP_COPY": ("Recopier des réservations", "Copy bookings"),
    "MAP_RECAP": ("Récapitulatif de mes choix", "Recap of my choices"),
    "MAP_WAITING": ("Mes listes d’attente", "My waiting lists"),
    "MAP_MONEY": ("Argent", "Money"),
    "MAP_BALANCES": ("Soldes", "Balances"),
    "MAP_PAYMENT": ("Paiement en ligne", "Online payment"),
    "MAP_CONSUMPTIONS": ("Historique des consommations", "History of consumption"),
    "MAP_PAYMENTS": ("Historique des règlements", "History of payments"),
    "MAP_CERTIFICATE": ("Attestations fiscales", "Tax certificates"),
    "MAP_SITE": ("À propos de ce site", "About this site"),
    "HELP_CONTACT": ("Contacter la mairie", "Contact the town hall"),
    "HELP_QUESTIONS": ("Questions fréquentes", "Frequent questions"),
    "HELP_BOOK": ("Comment réserver ?", "How do I book?"),
    "HELP_BOOK_MORE": (
        "Choisissez un enfant et une activité, touchez les jours voulus, puis vérifiez et validez le récapitulatif. Rien n’est réservé "
        "avant cette validation ; vos choix restent sur cet appareil d’ici là.",
        "Choose a child and an activity, touch the days that you want, then check and confirm the recap. Nothing is booked before; "
        "until then your choices stay on this device.",
    ),
    "HELP_FULL": ("Que faire si un jour est complet ?", "What if a day is full?"),
    "HELP_FULL_MORE": (
        "Inscrivez-vous en liste d’attente quand elle est proposée : une place qui se libère est donnée au premier de la liste, et un "
        "e-mail vous prévient. Vous pouvez quitter la liste à tout moment.",
        "Join the waiting list where there is one: a place that becomes free goes to the first in line, and a mail tells you. You can "
        "leave the list at any time.",
    ),
    "HELP_CANCEL": ("Comment annuler ?", "How do I cancel?"),
    "HELP_CANCEL_MORE": (
        "Touchez le jour réservé sur le calendrier, ou choisissez-le dans « Mes réservations », tant que le délai d’annulation n’est pas "
        "passé : au-delà, un cadenas l’indique.",
        "Touch the booked day on the calendar, or choose it in “My bookings”, as long as it is not too late: after "
        "that a padlock shows it.",
    ),
    "HELP_MONEY": ("Que veulent dire solde et coût estimé ?", "What are balance and estimated cost?"),
    "HELP_MONEY_MORE": (
        "Le solde est ce qui reste dans un porte-monnaie. Le coût estimé est celui des réservations qui ne sont pas "
        "encore débitées : elles "
        "le sont une fois la journée passée. Un compte débiteur ne peut plus réserver, mais peut toujours annuler et payer.",
        "The balance is what is left in a wallet. The estimated cost is that of bookings which are not charged yet: they are once the day "
        "is over. An account in debit cannot book, but can still cancel and pay.",
    ),
    "HELP_DOOR": ("Je n’arrive pas à me connecter", "I cannot sign in"),
    "HELP_DOOR_MORE": (
        "Après plusieurs erreurs, attendez le temps indiqué. Si vous avez oublié votre mot de passe, choisissez-en un nouveau.",
        "After several mistakes, wait for as long as you are told. If you forgot your password, choose a new one.",
    ),
    "NOTICE_PUBLISHER": ("Éditeur du site", "Publisher"),
    "NOTICE_HOST": ("Hébergement", "Hosting"),
    "NOTICE_SOFTWARE": ("Logiciel", "Software"),
    "NOTICE_SOFTWARE_MORE": (
        "Ce site est réalisé avec Préau, un logiciel libre pour les espaces famille des communes.",
        "This site is made with Préau, free software for the family portals of towns.",
    ),
    "PRIVACY_WHY": ("Ce qui est enregistré, et pourquoi", "What is kept, and why"),
    "PRIVACY_WHY_MORE": (
        "Les noms, adresses e-mail et dates de naissance de votre foyer, les inscriptions, réservations, présences, prix et règlements : "
        "votre commune en a besoin pour accueillir vos enfants et pour en facturer le coût, ce qui est une mission d’intérêt public. "
        "Vos mots de passe ne sont jamais conservés lisibles.",
        "Names, e-mail addresses and birth dates of your household, enrolments, bookings, attendance, prices and payments: your town needs "
        "them to look after your children and to charge for it, which is a task in the public interest. "
        "Your passwords are never kept readable.",
    ),
    "PRIVACY_WHO": ("Qui y a accès", "Who sees it"),
    "PRIVACY_WHO_MORE": (
        "Les adultes de votre famille, et les agents de votre commune qui en ont besoin : chacune de leurs actions est tracée. "
        "Un paiement en ligne passe par le site de paiement, qui seul connaît votre carte.",
        "The adults of your family, and those agents of your town who need it: each of their acts is recorded. "
        "An online payment is made on the payment site, which alone knows your card.",
    ),
    "PRIVACY_LONG": ("Combien de temps", "For how long"),
    "PRIVACY_LONG_MORE": (
        "Aussi longtemps que votre famille a recours aux services de la commune, puis le temps que la loi impose pour "
        "les pièces comptables.",
        "As long as your family uses the town’s services, and then for as long as the law asks of accounts.",
    ),
    "PRIVACY_RIGHTS": ("Vos droits", "Your rights"),
    "PRIVACY_RIGHTS_MORE": (
        "Vous pouvez consulter vos données, les faire rectifier, en demander l’effacement ou la limitation, et vous opposer à leur usage. "
        "Vous en obtenez une copie complète vous-même, depuis votre profil.",
        "You may see your data, have them corrected, ask for their erasure or restriction, and object to their use. "
        "You get a complete copy yourself, from your profile.",
    ),
    "PRIVACY_GET": ("Demander une copie de mes données", "Ask for a copy of my data"),
    "PRIVACY_OFFICER": ("Délégué à la protection des données", "Data protection officer"),
    "PRIVACY_CNIL": (
        "Si vous estimez que vos droits ne sont pas respectés, vous pouvez adresser une réclamation à la CNIL.",
        "If you think that your rights are not respected, you can complain to the CNIL, the French data protection authority.",
    ),
    "PRIVACY_COOKIES": ("Cookies", "Cookies"),
    "PRIVACY_COOKIES_MORE": (
        "Ce site n’en pose que pour fonctionner : votre session, vos choix en cours, votre langue, votre structure. Il n’y a ni mesure "
        "d’audience, ni publicité, ni contenu d’un autre site ; votre accord n’est donc pas demandé.",
        "This site sets none but those that it needs: your session, your choices, your language, your town. There are no statistics, no "
        "advertising and nothing from other sites, so you are not asked to agree.",
    ),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
