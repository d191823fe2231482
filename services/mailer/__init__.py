"""Mails: what families are told, to which address, once.

Owns: copies of names and addresses, letters, mails and their attempts, what waits to be told; webhooks, and what they are told.
Publishes: mail_sent, mail_failed.
Reacts to: structure_changed, contacts_changed, reset_link_made, address_link_made, address_cancel_made, invitation_made,
security_notice_made and announcement_due of identity; activity_changed, request_decided, request_explained, request_delayed,
place_given and place_expired of booking; balance_low, payment_received and payment_failed of billing.

A family's mail is one message to one adult, who is greeted by name: the one who confirmed the request, if a mail can reach them, or
else the first whom one can reach; a receipt goes where whoever paid wanted it. Nobody is in copy: parents may live apart, and one's
address is no business of the other's. A mail waits in a table, is sent, then recorded as sent: a crash between the two sends it again
under the same Message-ID, and never loses it.
"""
