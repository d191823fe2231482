"""The two public audits of a gateway, run against ours: `python -m tests.gateway.audit CHECKOUT`. For developers; needs Node 20.

CHECKOUT is a copy of github.com/graphql-hive/federation-gateway-audit (46 suites, 199 cases); its code is not ours to keep, so nothing
here is taken from it. `passing.txt` says which of its cases pass: a list that only grows.
"""
