"""Families from a file, at the agents' desk: how it comes into the form, in a browser, and what becomes of one that is too large."""

from playwright.async_api import Page, expect

from tests.flows.conftest import Found
from tests.flows.town import activity, family
from tests.portal.browsing import signs_in
from tests.portal.conftest import MakeVisitor


async def test_a_file_that_is_chosen_stands_in_the_form_whatever_wrote_it_and_one_too_large_changes_nothing(
    desktop: Page, found: Found
) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    await signs_in(desktop, town, "agent")
    await desktop.goto("/bureau/importer-familles")
    text = "numero;nom\nA;Zoé"

    async def chooses(content: bytes) -> None:
        await desktop.set_input_files("#choisir", {"name": "familles.csv", "mimeType": "text/csv", "buffer": content})

    for name in ("utf-8", "utf-8-sig", "windows-1252"):
        await desktop.fill("#fichier", "")
        await chooses(text.encode(name))
        await expect(desktop.locator("#fichier")).to_have_value(text)
    await chooses(b"x" * 80_001)
    await expect(desktop.locator("#choisir-erreur")).to_contain_text("dépasse 80 ko")
    await expect(desktop.locator("#fichier")).to_have_value(text)
    await chooses(b"y" * 80_000)
    await expect(desktop.locator("#fichier")).to_have_value("y" * 80_000)
    await expect(desktop.locator("#choisir-erreur")).to_be_empty()
    # What a browser sends although it is far too large: it comes to show the page, and what is wrong.
    await desktop.evaluate("() => { document.getElementById('fichier').value = 'é'.repeat(1_000_000) }")
    await desktop.click("text=Essayer sans rien changer")
    await expect(desktop.locator("#fichier-erreur")).to_contain_text("dépasse 80 ko")


async def test_what_is_pasted_and_too_large_is_said_at_the_field_and_kept_to_be_cut(visitor: MakeVisitor, found: Found) -> None:
    town, one = await found(activities=[activity("aps")], families=[family("dupont")]), visitor()
    await one.signs_in(town, "agent")
    path, line = "/bureau/importer-familles", "A;enfant;PETIT;Zoé;01/02/2019\r\n"
    for lines, kept in ((9_000, True), (60_000, False)):
        answer = await one.sends(path, cle="k", fichier=line * lines, faire="essayer", motif="Rentrée")
        assert (answer.status_code, 'id="fichier-erreur"' in answer.text, "dépasse 80 ko" in answer.text) == (422, True, True), lines
        assert (answer.text.count("PETIT"), 'value="Rentrée"' in answer.text) == (lines * kept, kept)
    assert (
        await one.sends(path, cle="k", fichier=f"numero;type;nom;prenom;date de naissance\r\n{line}", faire="essayer")
    ).status_code == 200
    one.guard = "x" * 43
    assert (await one.sends(path, cle="k", fichier=line * 9_000, faire="essayer")).status_code == 403, "a form of ours, whatever its size"
