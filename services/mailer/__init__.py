"""Mails: what families are told, to which address, once.

Owns: copies of names and addresses, letters, mails and their attempts.
Publishes: mail_sent, mail_failed.
Reacts to: structure_changed, contacts_changed and reset_link_made of identity; activity_changed, request_decided and place_given
of booking.

A family's mail is one message: to its first adult who has an address, who is greeted by name, the others in copy. It waits in a
table, is sent, then recorded as sent: a crash between the two sends it again under the same Message-ID, and never loses it.
"""
