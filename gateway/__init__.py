"""The federated entrance: one GraphQL endpoint over the services.

A request goes through `asking` and `http` (GraphQL over HTTP), `documents` (parsed, held against `limits`, validated, planned once) and
`engine` (asks the subgraphs through `client`, merges with `merging`, cuts the answer out with `projection`).
A subscription is such a plan, carried out again whenever `live` hears of a change: `following` does that, `sse` and `sockets` send it.
A plan is made by `planner` from a `supergraph`: `selection` spells the operation out, `reach` knows which subgraph answers what and by
which keys one gets there, `drafts` are plans being made, `compiler` makes them final: a `plan`.

Owns: nothing but caches. Publishes: nothing. Reacts to: requests; events, which only wake those who follow.
"""
