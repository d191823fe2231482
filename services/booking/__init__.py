"""Places: who may have which, in which order, and until when.

Owns: activities, seasons, openings and their places, deadlines, enrollments, requests, bookings, waiting lists, attendance.
Publishes: activity_changed, requested, accepted, waitlisted, refused, cancelled, expired, capacity_changed, day_settled,
request_decided and, for the mailer alone, request_explained, request_delayed, place_given and place_expired.
Reacts to: identity's structures and families, billing's standings, its own requests.

Where to look, by subject; the import contracts in pyproject.toml say who stands on whom:

    what the town has set   activity, season, school_calendar, holiday_file, hours, deadlines; rulebook
    who gets a place        order -> intake -> allocator -> docket -> allocation; desk and counter run them; lines checks a wish
    what a family is told   tickets -> reporting; expiry, delays
    scheduled runs          ranking, schedule, allocation_run; next_run, runs, conductor do it; run_desk, run_types; replay, criteria
    what families see       calendar, draft, drafting, recap; reading and queries load it; types, draft_types, follow_up, live show it
    files and links         listing, agenda; feeds, files serve them; linking, file_types
    what agents do          office, taking_over, soundness; agents, agent_types, activity_types; audit keeps the trail
    attendance              attendance, sheet, attending, settling; roster shows it
    what all share          tables, status, texts, refusals, saying, invariants, commands, reactions
"""
