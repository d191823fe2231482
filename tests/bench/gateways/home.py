"""A family's home page, as one question: three children, each with a month in three activities, and the family's wallets; 34 KB."""

import orjson

QUERY = """\
query Home($month: YearMonth!, $calendars: Boolean!) {
  me {
    firstName
    families {
      id
      number
      balance { lines { wallet { id name } balanceCents estimatedCostCents newBalanceCents } inDebit }
      children { id first: firstName ...Months }
    }
  }
}
fragment Months on Child {
  morning: calendar(month: $month, activity: "aps-matin") @include(if: $calendars) { ...Days }
  noon: calendar(month: $month, activity: "restauration") @include(if: $calendars) { ...Days }
  evening: calendar(month: $month, activity: "aps-soir") @include(if: $calendars) { ...Days }
}
fragment Days on Calendar { month days { date state placesLeft reason revision booking { id status } } }
"""
#: Gateways that ask once what several ask for at the same time would not be measured by one question alone.
MONTHS = [f"{year}-{month:02}" for year in range(2025, 2029) for month in range(1, 13)]
BODIES = [orjson.dumps({"query": QUERY, "variables": {"month": month, "calendars": True}, "operationName": "Home"}) for month in MONTHS]
