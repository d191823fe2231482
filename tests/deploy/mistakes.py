"""Mistakes that the authors of town files make, each as a change of the contract's example."""

#: The tariff of the example's crèche.
HOURLY = "{from: month-start, per: hour, bands: [{quotient_up_to: 1000, cents: 210}, {cents: 335}], siblings_percent: [0, 20, 30]}"

#: What is changed in the example, and what is said about it.
MISTAKES = {
    "an unknown key": ("closed_on:", "closd_on:", "closd_on is no key of an activity (did you mean closed_on?); expected allocation"),
    "a missing key": ("    name: APS MATIN\n", "", "name is missing in an activity; expected name: ..."),
    "a wrong type": ("weekdays: [monday, tuesday, thursday, friday]", "weekdays: monday", "weekdays: 'monday' is no list; expected a list"),
    "an impossible weekday": (
        "[monday, tuesday, t",
        "[mondy, tuesday, t",
        "weekdays: 'mondy' is not possible (did you mean monday?); expected friday",
    ),
    "another capacity on no day": (
        "    capacity: 12\n",
        "    capacity_on: {someday: 3}\n",
        "capacity_on: 'someday' is not a date; expected a date",
    ),
    "another capacity twice on a day": (
        "    capacity: 12\n",
        "    capacity_on: {2026-12-24: 3, 2026-11-24+30d: 4}\n",
        "capacity_on: 2026-12-24 stands there twice; expected each day once",
    ),
    "fewer ranks than none": ("    capacity: 12\n", "    waiting_list_on: {today: -1}\n", "waiting_list_on: -1 is not possible here"),
    "a weekday twice": ("[monday, tuesday, t", "[tuesday, tuesday, t", "weekdays: tuesday stands there twice"),
    "an impossible date": ("2019-04-12", "2019-02-30", "birth_date: there is no 2019-02-30; expected a date"),
    "no date at all": ("closed_on: [today+40d]", "closed_on: [soon]", "closed_on: 'soon' is not a date; expected a date"),
    "a child from the future": ("2019-04-12", "2031-04-12", "birth_date: 2031-04-12 is no child's"),
    "an impossible time": ('"07:30", departure', '"7h30", departure', "arrival: '7h30' is no time; expected a time such as"),
    "a time beyond midnight": ('departure: "08:45"', 'departure: "24:00"', "departure: '24:00' is no time"),
    "hours the wrong way round": (
        'arrival: "07:30", departure: "08:45"',
        'arrival: "08:45", departure: "07:30"',
        "departure: 07:30 is not after arrival (08:45)",
    ),
    "a stay longer than the day": (
        "minimum_minutes: 60",
        "minimum_minutes: 700",
        "minimum_minutes: 700 do not fit between 07:30 and 18:30; expected at most 660",
    ),
    "a step of nothing": ("step_minutes: 15", "step_minutes: 0", "step_minutes: 0 is not possible here"),
    "an unknown wallet": (
        "wallet: multiaccueil\n",
        "wallet: multiacueil\n",
        "wallet: 'multiacueil' is none of the wallets (did you mean multiaccueil?)",
    ),
    "an unknown account": ("accounts: [dupont]", "accounts: [dupond]", "accounts: 'dupond' is none of the accounts (did you mean dupont?)"),
    "a child's unknown activity": (
        "[aps-matin, multi]",
        "[aps-matins, multi]",
        "activities: 'aps-matins' is none of the activities (did you mean aps-matin?)",
    ),
    "a booking without enrollment": (
        "{child: amalia, activity: aps-matin,",
        "{child: amalia, activity: multi,",
        "activity: amalia is not enrolled in multi; expected one of the child's activities: aps-matin",
    ),
    "a booking of another child": (
        "{child: amalia, activity",
        "{child: amelia, activity",
        "child: 'amelia' is none of the children of this family (did you mean amalia?)",
    ),
    "a booking out of season": ("date: today+7d}", "date: today+3y}", "date: 2029-11-23 is outside the season of aps-matin"),
    "an id used twice": ("- {id: multiaccueil,", "- {id: periscolaire,", "wallet 'periscolaire' is there already, on line 8"),
    "a child's id used twice": ("- {id: paolo,", "- {id: amalia,", "child 'amalia' is there already"),
    "a login used twice": ("- {login: agent,", "- {login: DUPONT,", "login 'DUPONT' is there already"),
    "an impossible id": ("- id: aps-matin", "- id: aps matin", "id: 'aps matin' cannot be an id; expected letters without accents"),
    "a season that ends before it begins": (
        "season: {from: month-start, to: month-start+10m}\n    weekdays: [monday, tuesday, t",
        "season: {from: month-start, to: month-start-1m}\n    weekdays: [monday, tuesday, t",
        "to: the season ends (2026-10-01) before it begins (2026-11-01)",
    ),
    "a season of ten years": (
        "season: {from: month-start, to: month-start+10m}\n    weekdays: [monday, tuesday, t",
        "season: {from: month-start, to: today+10y}\n    weekdays: [monday, tuesday, t",
        "three years at most",
    ),
    "bands that overlap": (
        "{quotient_up_to: 500, cents: 80}",
        "{quotient_up_to: 1000, cents: 80}",
        "bands 1 (up to 1000) and 2 (up to 1000) overlap",
    ),
    "bands with nothing between them": (
        "{quotient_up_to: 1000, cents: 131}",
        "{quotient_above: 700, quotient_up_to: 1000, cents: 131}",
        "bands 1 (up to 500) and 2 (above 700 up to 1000) leave a hole between them; expected quotient_above: 500",
    ),
    "a hole after the last band": (
        "{quotient_up_to: 1000, cents: 131}, {cents: 190}",
        "{quotient_up_to: 1000, cents: 131}",
        "there is a hole after band 2 (up to 1000): families above it have no price",
    ),
    "a band after the last": ("{cents: 190}]", "{cents: 190}, {cents: 200}]", "bands 3 (without end) and 4 (without end) overlap"),
    "an effort rate without ceiling": (
        HOURLY,
        "{from: month-start, per: hour, effort: {percent: 0.5}}",
        "ceiling_cents is missing in an effort rate; expected ceiling_cents: ...",
    ),
    "an effort rate with bands": (
        HOURLY,
        "{from: month-start, per: hour, effort: {percent: 0.5, ceiling_cents: 465}, bands: [{cents: 1}]}",
        "bands: there is an effort rate already; expected bands or effort, not both",
    ),
    "an effort rate of nothing": (
        HOURLY,
        "{from: month-start, per: hour, effort: {percent: 0, ceiling_cents: 465}}",
        "percent: '0' is no effort rate; expected a percentage of the quotient, above 0",
    ),
    "an effort rate that is too fine": (
        HOURLY,
        "{from: month-start, per: hour, effort: {percent: 0.12345, ceiling_cents: 465}}",
        "percent: '0.12345' is no effort rate",
    ),
    "a ceiling below the floor": (
        HOURLY,
        "{from: month-start, per: hour, effort: {percent: 0.5, floor_cents: 150, ceiling_cents: 100}}",
        "ceiling_cents: 100 is below floor_cents (150); expected 150 or more",
    ),
    "no effort rate": (
        HOURLY,
        "{from: month-start, per: hour, effort: 0.5}",
        "effort: '0.5' is no effort rate; expected {percent: 0.5, floor_cents: 150, ceiling_cents: 465}",
    ),
    "neither bands nor an effort rate": (
        HOURLY,
        "{from: month-start, per: hour}",
        "bands is missing in a tariff; expected bands: ...",
    ),
    "hours rounded where none are paid": (
        HOURLY,
        "{from: month-start, per: meal, bands: [{cents: 1}], rounding: {minutes: 30}}",
        "rounding: what is paid per meal has no hours to round; expected it with per: hour",
    ),
    "hours rounded sideways": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], rounding: {minutes: 30, to: upp}}",
        "to: 'upp' is not possible (did you mean up?); expected down, nearest, up",
    ),
    "hours rounded to nothing": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], rounding: {minutes: 0}}",
        "minutes: 0 is not possible here; expected minutes, from 1 to 240",
    ),
    "a surcharge of two kinds": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], outside_town: {percent: 20, cents: 150}}",
        "a surcharge is one of two kinds; expected {percent: 20} or {cents: 150}",
    ),
    "a surcharge of nothing": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], outside_town: {percent: 0}}",
        "percent: 0 is not possible here; expected a percentage, from 1 to 1000",
    ),
    "no surcharge": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], outside_town: 20}",
        "outside_town: '20' is no surcharge; expected {percent: 20} or {cents: 150}",
    ),
    "an absence that costs more than the day": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], charged: {absent_unjustified_percent: 150}}",
        "absent_unjustified_percent: 150 is not possible here; expected a percentage of the price, from 0 to 100",
    ),
    "a rule of what is charged that is none": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], charged: {absent: 50}}",
        "absent is no key of what is charged",
    ),
    "a late pick-up for nothing": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], charged: {late: {after_minutes: 10}}}",
        "cents is missing in a late pick-up; expected cents: ...",
    ),
    "no late pick-up": (
        HOURLY,
        "{from: month-start, per: hour, bands: [{cents: 1}], charged: {late: 500}}",
        "late: '500' is no late pick-up; expected {cents: 500, after_minutes: 10, every_minutes: 15}",
    ),
    "a negative price": ("cents: 80}", "cents: -80}", "cents: -80 is not possible here; expected whole euro cents, 0 or more"),
    "a price in euros": ("cents: 80}", "cents: 0.80}", "cents: 0.80 is not possible here; expected whole euro cents"),
    "a payment of nothing": ("cents: 5006", "cents: 0", "cents: 0 is not possible here; expected whole euro cents, 1 or more"),
    "a payment to come": ("date: today-20d", "date: today+20d", "date: 2026-12-13 has not come yet"),
    "an unknown way of paying": ("mode: CHEQUE", "mode: CHEK", "mode: 'CHEK' is not possible (did you mean CHEQUE?)"),
    "no deadline at all": (
        "cancellation_deadline: {hours_before: 48}",
        "cancellation_deadline: {before: 48}",
        "cancellation_deadline: a deadline is one of three kinds",
    ),
    "a deadline on no day": ("weekday: thursday", "weekday: jeudi", "weekday: 'jeudi' is not possible"),
    "an unknown allocation": (
        "allocation: immediate            #",
        "allocation: first            #",
        "allocation: 'first' is no way of allocating",
    ),
    "a policy that is none": (
        "allocation: immediate            #",
        'allocation: {scheduled_at: "02:00", policy: chance}            #',
        "policy: 'chance' is not possible; expected arrival, lottery, points",
    ),
    "points for nothing": (
        "allocation: immediate            #",
        'allocation: {scheduled_at: "02:00", policy: lottery, points: {resident: 40}}            #',
        "points: they count nothing where the policy is lottery; expected policy: points",
    ),
    "points for an unknown criterion": (
        "allocation: immediate            #",
        'allocation: {scheduled_at: "02:00", policy: points, points: {residant: 40}}            #',
        "residant is no key of points (did you mean resident?); expected both_parents_work, large_family, refused_last_time, resident, sibling_in",
    ),
    "points below one": (
        "allocation: immediate            #",
        'allocation: {scheduled_at: "02:00", policy: points, points: {resident: 0}}            #',
        "resident: 0 is not possible here; expected a number of points, from 1 to 10000",
    ),
    "points that are no list of weights": (
        "allocation: immediate            #",
        'allocation: {scheduled_at: "02:00", policy: points, points: resident}            #',
        "points: 'resident' where keys and values belong",
    ),
    "a criterion that every town has": ("id: large_family", "id: sibling_in", "id: every town has 'sibling_in' already"),
    "a criterion twice": (
        "  - {id: large_family, name: famille nombreuse}\n",
        "  - {id: large_family, name: famille nombreuse}\n  - {id: large_family, name: fratrie}\n",
        "criterion 'large_family' is there already, on line 11",
    ),
    "an unknown criterion of a family": (
        "criteria: [resident, both_parents_work]",
        "criteria: [resident, both_parent_work]",
        "criteria: 'both_parent_work' is none of the criteria (did you mean both_parents_work?)",
    ),
    "a criterion that only the bookings show": (
        "criteria: [resident, both_parents_work]",
        "criteria: [sibling_in]",
        "criteria: 'sibling_in' is none of the criteria",
    ),
    "an unknown attendance": ("unrecorded: absent", "unrecorded: maybe", "unrecorded: 'maybe' is not possible; expected absent, present"),
    "a day that never closes": ("close_after_days: 3", "close_after_days: 1000", "close_after_days: 1000 is not possible here"),
    "no rule of attendance": (
        "attendance: {close_after_days: 3, unrecorded: absent}",
        "attendance: present",
        "attendance: 'present' is no rule of attendance; expected {close_after_days: 3, unrecorded: present}",
    ),
    "a weak password": ("Amalia-et-Paolo-2026", "Amalia", "password: this one is too short; expected at least 12 characters"),
    "a password with the login": ("Amalia-et-Paolo-2026", "dupont-et-enfants", "password: this one contains the login"),
    "no e-mail address": ("jp.dupont@example.org", "jp.dupont", "email: 'jp.dupont' is no e-mail address"),
    "no time zone": ("Europe/Paris", "Europe/Pari", "timezone: 'Europe/Pari' is no time zone (did you mean Europe/Paris?)"),
    "no school zone": ("school_zone: B", "school_zone: D", "school_zone: 'D' is not possible; expected A, B, C"),
    "places below zero": ("capacity: 40", "capacity: -1", "capacity: -1 is not possible here"),
    "an invisible character": ("name: PERISCOLAIRE", 'name: "PERI\\0"', "has characters that nobody can see; expected a text"),
    "a key twice": ("    capacity: 12\n", "    capacity: 12\n    capacity: 13\n", "capacity stands here twice"),
    "neither true nor false": ("agent: true", "agent: maybe", "agent: 'maybe' is neither true nor false"),
}
