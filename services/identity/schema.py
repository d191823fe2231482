"""Identity as GraphQL: who am I, my families, the town's announcements, and the door."""

import strawberry

from services.graphql import Info, subgraph
from services.identity.announcement_fields import AnnouncementMutations, AnnouncementQueries
from services.identity.dead_letter_fields import DeadLetterMutations, DeadLetterQueries
from services.identity.door_fields import DoorMutations
from services.identity.factor_fields import FactorMutations
from services.identity.import_fields import ImportMutations
from services.identity.invitation_fields import InvitationMutations, InvitationQueries
from services.identity.mail_fields import MailMutations
from services.identity.office_fields import OfficeMutations, OfficeQueries
from services.identity.oidc_fields import OidcMutations, OidcQueries
from services.identity.privacy_fields import PrivacyMutations, PrivacyQueries
from services.identity.profile_fields import ProfileMutations, ProfileQueries
from services.identity.rank_fields import RankMutations, RankQueries
from services.identity.recovery_fields import RecoveryMutations, RecoveryQueries
from services.identity.reset_fields import ResetMutations
from services.identity.types import Account, Agent, Child, Family, Structure, me
from services.identity.viewing_fields import ViewingQueries


@strawberry.type
class Mutation(
    DeadLetterMutations,
    DoorMutations,
    FactorMutations,
    MailMutations,
    OidcMutations,
    ProfileMutations,
    RecoveryMutations,
    AnnouncementMutations,
    ImportMutations,
    InvitationMutations,
    OfficeMutations,
    RankMutations,
    ResetMutations,
    PrivacyMutations,
):
    """What somebody does at the door, and of his own account; what agents do with the register."""


@strawberry.type
class Query(
    AnnouncementQueries,
    DeadLetterQueries,
    InvitationQueries,
    OfficeQueries,
    OidcQueries,
    PrivacyQueries,
    ProfileQueries,
    RankQueries,
    RecoveryQueries,
    ViewingQueries,
):
    @strawberry.field
    async def me(self, info: Info) -> Account | None:
        """Null without a valid token: never an error."""
        return await me(info.context)


schema = subgraph(Query, Mutation, types=[Structure, Family, Child, Agent])
