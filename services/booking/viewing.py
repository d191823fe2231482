"""Which agents saw bookings of which children: identity, which has the access log, is told (services/viewing.py)."""

from services.events import BookingLooksTaken
from services.viewing import told_as

LOG = told_as(BookingLooksTaken)
