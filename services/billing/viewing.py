"""Which agents saw whose money: identity, which has the access log, is told (services/viewing.py)."""

from services.events import BillingLooksTaken
from services.viewing import told_as

LOG = told_as(BillingLooksTaken)
