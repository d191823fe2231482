"""The families' portal: pages made on the server, complete without script, and a client of the GraphQL API like any other.

A request becomes a `Visit` (visit.py), a page asks the API once (operations beside each page) and is drawn from a template. The tokens of
a sign-in stay in a cookie that no script reads. Scripts (static/*.js) are islands that make quick what forms do anyway.
"""
