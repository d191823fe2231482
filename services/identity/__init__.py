"""Identity: who is who.

Owns: structures and their announcements, accounts, credentials, sessions, agents, families, adults, children, signing keys.
Publishes: structure_changed, announcement_published, account_opened, email_changed, password_reset_requested, family_changed;
internally contacts_changed, reset_link_made, address_link_made, address_cancel_made, invitation_made, security_notice_made,
announcement_due, signing_key_published.
Reacts to: mail_sent and mail_failed of the mailer.
"""
