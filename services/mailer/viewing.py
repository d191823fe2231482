"""Which agents saw which mails a family was sent: identity, which has the access log, is told (services/viewing.py)."""

from services.events import MailerLooksTaken
from services.viewing import told_as

LOG = told_as(MailerLooksTaken)
