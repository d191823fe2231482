"""Billing: what days cost, and what families paid.

Owns      wallets, the ledger, tariffs, quotients, holds, consumptions, standings, online payments, the audit trail of
          agents' acts with money.
Publishes billing.held, billing.released, billing.entry_posted, billing.standing_changed, billing.payment_settled and, for the
          mailer alone, billing.balance_low, billing.payment_received and billing.payment_failed.
Reacts to booking.requested, booking.accepted, booking.waitlisted, booking.refused, booking.cancelled, booking.expired,
          booking.day_settled, booking.activity_changed, identity.family_changed, identity.structure_changed;
          privately, identity.contacts_changed.
"""
