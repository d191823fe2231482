"""A key that the device keeps (SEC7): made, shown at the door after the password and alone, given up; in a browser with a device of tests."""

from typing import Any

from playwright.async_api import CDPSession, Page, expect

from tests.flows.conftest import Found
from tests.flows.town import PASSWORD, activity, family
from tests.portal.browsing import is_sound, signs_in
from tests.portal.conftest import Browse

#: With which a browser checks by itself who holds it, and that keeps the name of its owner.
DEVICE = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}


class Device:
    def __init__(self, session: CDPSession, id: str) -> None:
        self._session, self._id = session, id

    @classmethod
    async def of(cls, page: Page) -> "Device":
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, "automaticPresenceSimulation": True}})
        return cls(session, made["authenticatorId"])

    async def is_held_by_its_owner(self, verified: bool) -> None:
        await self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": verified})

    async def lays_down_its_key(self) -> dict[str, Any]:
        """The only one it has."""
        (key,) = (await self._session.send("WebAuthn.getCredentials", {"authenticatorId": self._id}))["credentials"]
        await self._session.send("WebAuthn.clearCredentials", {"authenticatorId": self._id})
        return dict(key)

    async def takes_up(self, key: dict[str, Any]) -> None:
        await self._session.send("WebAuthn.addCredential", {"authenticatorId": self._id, "credential": key})


async def leaves(page: Page) -> None:
    await page.click(".who button")
    await page.wait_for_url("**/connexion*")


async def types_the_password(page: Page, login: str) -> None:
    await page.fill("#identifiant", login)
    await page.fill("#motdepasse", PASSWORD)
    await page.click("main button.primary")


async def test_a_key_of_the_device_is_added_opens_the_door_twice_over_and_is_removed(browse: Browse, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    page = await browse()
    device, login = await Device.of(page), town.named("dupont")
    await signs_in(page, town, "dupont")

    await page.goto("/profil/securite")
    await page.click("summary:has-text('clé d')")
    await page.fill("#nom", "Téléphone de Zoé")
    await page.fill("#motdepasse-cle", PASSWORD)
    await page.click("form[action='/profil/securite/cle'] button.primary")
    await is_sound(page, "security-passkey")
    await page.click("#cle-creer")
    await expect(page.locator(".said")).to_contain_text("ajoutée")
    await expect(page.locator(".people li b")).to_have_text("Téléphone de Zoé")
    await is_sound(page, "security-with-a-key")

    # After the password: a device without the key says no, and the page stays where it is.
    await leaves(page)
    key = await device.lays_down_its_key()
    await types_the_password(page, login)
    await expect(page.locator("form[data-passkey] [role=status]")).not_to_be_empty()
    await is_sound(page, "second-step")
    await device.takes_up(key)
    await page.click("form[data-passkey] button")
    await expect(page.locator("header .who")).to_contain_text("DUPONT")

    # Alone, without even a name; and not by whoever cannot show that it is theirs.
    await leaves(page)
    await device.is_held_by_its_owner(False)
    await page.click("#cle")
    await expect(page.locator("form[data-passkey] [role=status]")).not_to_be_empty()
    assert "/double-authentification" in page.url
    await device.is_held_by_its_owner(True)
    await page.click("form[data-passkey] button")
    await expect(page.locator("header .who")).to_contain_text("DUPONT")

    await page.goto("/profil/securite")
    await page.click(".people summary")
    await page.fill(".people input[type=password]", PASSWORD)
    await page.click(".people button:has-text('Retirer')")
    await expect(page.locator(".said")).to_contain_text("retirée")
    await leaves(page)
    await types_the_password(page, login)
    await expect(page.locator("header .who")).to_contain_text("DUPONT")  # The password is enough again.
