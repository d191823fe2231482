"""The federated entrance: one GraphQL endpoint over the services."""
