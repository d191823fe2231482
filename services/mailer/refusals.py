"""Every "no" of the mailer as a GraphQL type. The code of each has its texts in desk_texts.py."""

from typing import Any

import strawberry

from services.graphql import Refusal
from services.mailer.desk_texts import say
from services.refusal import Refused


@strawberry.type
class MailNotSendable(Refusal):
    """It cannot be sent again: it went out, it says nothing any more, or there is nobody to send it to."""


@strawberry.type
class MailNotWaiting(Refusal):
    """It cannot be given up: it was sent."""


BY_CODE: dict[str, Any] = {"MAIL_NOT_SENDABLE": MailNotSendable, "MAIL_NOT_WAITING": MailNotWaiting}


def refusal_of(refused: Refused, language: str) -> Any:
    """The member of a mutation's union. Among its details may be `text`, another than the code's own."""
    text = str(refused.details.get("text", refused.code))
    return BY_CODE[refused.code](code=refused.code, message=say(text, language))
