"""Writes the gateway's pages about events (gateway/catalogue.py), in French and in English, from the AsyncAPI document: `make asyncapi`."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "gateway" / "events"
LANGUAGES = ("fr", "en")

#: Each kind of event in one French sentence; the English one stands in the code.
FRENCH = {
    "identity.structure_changed": "Une structure (ville ou organisme) a été créée ou modifiée.",
    "identity.account_opened": "Un compte a été ouvert.",
    "identity.email_changed": "L'adresse d'un compte a changé.",
    "identity.password_reset_requested": "Une famille a demandé à retrouver l'accès à son compte.",
    "identity.family_changed": "Une famille a été créée ou modifiée. Les enfants y sont par ordre de naissance, l'aîné d'abord.",
    "identity.announcement_published": "Une structure a publié une annonce sur sa page d'accueil.",
    "identity.family_erased": "Les données d'une famille sont effacées : qui en garde une copie l'efface aussi.",
    "booking.activity_changed": "Une activité a été créée ou modifiée.",
    "booking.enrollment_changed": "Un enfant a été inscrit à une activité, ou sa période, ou la famille de l'inscription, a changé.",
    "booking.requested": "Une famille a confirmé ses demandes.",
    "booking.accepted": "L'enfant a une place (accepté).",
    "booking.waitlisted": "L'activité est complète ce jour-là : l'enfant est en liste d'attente.",
    "booking.refused": "Pas de place (non traitée, activité complète), ou une autre raison, dite par `code`.",
    "booking.cancelled": "La place, ou le rang en liste d'attente, a été rendue (annulée).",
    "booking.expired": "Le délai de réservation est passé alors que l'enfant attendait.",
    "booking.capacity_changed": "Le remplissage d'une activité un jour donné, tel qu'il est maintenant.",
    "booking.day_settled": "Le pointage d'une activité un jour donné est clos : la facturation débite.",
    "booking.request_decided": "Chaque mouvement d'une demande a sa réponse : publié une fois par demande.",
    "billing.held": "Un coût estimé a été mis de côté pour une réservation acceptée.",
    "billing.released": "Un coût estimé n'est plus mis de côté.",
    "billing.entry_posted": "Le solde d'un porte-monnaie a bougé.",
    "billing.standing_changed": "Un compte famille est devenu débiteur, ou ne l'est plus.",
    "billing.payment_settled": "Un paiement en ligne est terminé.",
    "mailer.mail_sent": "Le serveur de messagerie de la ville a pris un courriel.",
    "mailer.mail_failed": "Un courriel a été abandonné.",
}

WORDS = {
    "fr": {
        "title": "Les événements d'une ville",
        "lead": "Ce que les autres systèmes de la ville (restauration, comptabilité, écoles...) peuvent entendre de Préau, par NATS "
        "JetStream ou par des appels HTTP signés. Chaque message est un CloudEvent 1.0, livré au moins une fois et dans l'ordre de "
        "son sujet : "
        "dédoublonnez par <code>ce-id</code>. Les montants sont en centimes, les dates celles de la structure. "
        "Les descriptions des champs sont celles du code, en anglais.",
        "events": "Événements",
        "subject": "Sujet",
        "type": "Type",
        "field": "Champ",
        "kind": "Forme",
        "meaning": "Signification",
        "example": "Exemple",
        "envelope": "L'enveloppe (en-têtes)",
        "list": "liste de",
        "or": "ou",
        "null": "rien",
    },
    "en": {
        "title": "The events of a town",
        "lead": "What other systems of the town (canteen, accounting, schools...) may hear of Préau, by NATS JetStream or by signed HTTP "
        "calls. Each message is a CloudEvent 1.0, delivered at least once and in order of its subject: de-duplicate by "
        "<code>ce-id</code>. Amounts are in cents, dates those of the structure.",
        "events": "Events",
        "subject": "Subject",
        "type": "Type",
        "field": "Field",
        "kind": "Form",
        "meaning": "Meaning",
        "example": "Example",
        "envelope": "The envelope (headers)",
        "list": "list of",
        "or": "or",
        "null": "nothing",
    },
}


def pages(document: dict[str, Any]) -> dict[str, str]:
    """File name -> its text."""
    return {f"{language}.html": "\n".join(_page(document, language)) + "\n" for language in LANGUAGES}


def write(document: dict[str, Any]) -> None:
    for name, text in pages(document).items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _page(document: dict[str, Any], language: str) -> Iterator[str]:
    words = WORDS[language]
    yield f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f'<meta name="color-scheme" content="light dark">\n<title>{words["title"]} - Préau</title>'
    yield '<link rel="stylesheet" href="/evenements/events.css">\n</head>\n<body>\n<main>'
    yield f"<h1>{words['title']}</h1>\n<p>{words['lead']}</p>"
    yield f'<nav aria-labelledby="events">\n<h2 id="events">{words["events"]}</h2>\n<ul>'
    yield from (f'<li><a href="#{key}">{key}</a></li>' for key in document["channels"])
    yield f'</ul>\n</nav>\n<h2 id="envelope">{words["envelope"]}</h2>'
    schemas = document["components"]["schemas"]
    yield from _table(schemas["Headers"], schemas, words)
    for key, channel in document["channels"].items():
        yield from _event(key, channel["address"], document, language)
    yield "</main>\n</body>\n</html>"


def _event(key: str, address: str, document: dict[str, Any], language: str) -> Iterator[str]:
    words, message, schemas = WORDS[language], document["components"]["messages"][key], document["components"]["schemas"]
    said = FRENCH[key] if language == "fr" else message["summary"]
    yield f'<h2 id="{key}">{key}</h2>\n<p>{_marked(said)}</p>'
    yield f"<p>{words['subject']} <code>{escape(address)}</code><br>{words['type']} <code>{escape(message['name'])}</code></p>"
    name = message["payload"]["$ref"].rpartition("/")[2]
    yield from _table(schemas[name], schemas, words)
    for inner in _within(schemas[name], schemas):
        yield f"<h3>{inner}</h3>"
        yield from _table(schemas[inner], schemas, words)
    example = json.dumps(message["examples"][0]["payload"], ensure_ascii=False, indent=2)
    yield f'<h3>{words["example"]}</h3>\n<pre tabindex="0">{escape(example)}</pre>'


def _table(schema: dict[str, Any], schemas: dict[str, Any], words: dict[str, str]) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{words[name]}</th>' for name in ("field", "kind", "meaning"))
    yield f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>"
    for name, field in schema["properties"].items():
        about = _marked(field.get("description", ""))
        yield f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{escape(_form(field, words))}</td><td>{about}</td></tr>'
    yield "</tbody>\n</table>"


def _form(field: dict[str, Any], words: dict[str, str]) -> str:
    """Such as `string (date)`, `list of DecidedMovement`, `"A" or "B" or nothing`."""
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "anyOf" in field:
        return f" {words['or']} ".join(_form(one, words) for one in field["anyOf"])
    if "const" in field or "enum" in field:
        return f" {words['or']} ".join(json.dumps(one) for one in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"{words['list']} {_form(field['items'], words)}"
    if field.get("type") == "null":
        return words["null"]
    more = field.get("format") or field.get("pattern")
    return str(field.get("type", "")) + (f" ({more})" if more else "")


def _within(schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Names of the schemas that it is made of."""
    text = json.dumps(schema)
    return [name for name in schemas if f'"#/components/schemas/{name}"' in text]


def _marked(text: str) -> str:
    """`so` becomes code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
