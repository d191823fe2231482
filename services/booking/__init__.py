"""Places: who may have which, in which order, and until when.

Owns: activities, seasons, openings and their places, deadlines, enrollments, requests, bookings, waiting lists, attendance.
Publishes: activity_changed, requested, accepted, waitlisted, refused, cancelled, expired, capacity_changed, day_settled,
request_decided and, for the mailer alone, place_given and place_expired.
Reacts to: identity's structures and families, billing's standings, its own requests.
"""
