"""A module for each group of pages; each lists its addresses: (path, methods, what answers)."""

from gateway.portal.pages import (
    booking,
    bookings,
    copying,
    desk_activities,
    desk_announcements,
    desk_families,
    desk_payments,
    desk_roster,
    door,
    draft,
    history,
    home,
    money,
    payment,
    profile,
    recap,
    requests,
    security,
    several,
)

READ, WRITE, BOTH = ("GET",), ("POST",), ("GET", "POST")

PAGES = [
    *booking.PAGES,
    *bookings.PAGES,
    *copying.PAGES,
    *desk_activities.PAGES,
    *desk_announcements.PAGES,
    *desk_families.PAGES,
    *desk_payments.PAGES,
    *desk_roster.PAGES,
    *door.PAGES,
    *draft.PAGES,
    *history.PAGES,
    *home.PAGES,
    *money.PAGES,
    *payment.PAGES,
    *profile.PAGES,
    *recap.PAGES,
    *requests.PAGES,
    *security.PAGES,
    *several.PAGES,
]
