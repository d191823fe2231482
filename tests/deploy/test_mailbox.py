"""The embedded mailbox keeps every mail it said 250 to, and shows it without letting it do anything."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from deploy.mailbox import PAGE_SIZE, Mailbox, moment

ROOT = Path(__file__).parent.parent.parent


class Process:
    """A mailbox as `preau up` runs it."""

    def __init__(self, process: asyncio.subprocess.Process, http: str, smtp_port: int) -> None:
        self.process = process
        self.http = http
        self.smtp_port = smtp_port

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.http + path, headers=headers)

        def ask() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        return await asyncio.to_thread(ask)

    async def messages(self, query: str = "") -> list[dict[str, object]]:
        _, body = await self.get(f"/messages{query}")
        found: list[dict[str, object]] = json.loads(body)
        return found

    async def send(self, message: EmailMessage, *recipients: str) -> str:
        _, answer = await aiosmtplib.send(
            message, hostname="127.0.0.1", port=self.smtp_port, recipients=list(recipients) or None, local_hostname="town"
        )
        return answer

    async def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(kind)
        return await asyncio.wait_for(self.process.wait(), 10)


@asynccontextmanager
async def mailbox(folder: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.mailbox", "--data", folder, "--smtp-port", "0", "--http-port", "0",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    http = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().split()[1]
    smtp = (await process.stdout.readline()).decode().split()[1]
    try:
        yield Process(process, http, int(smtp.rpartition(":")[2]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def mail(subject: str = "Compte rendu", text: str = "Bonjour Amalia\n", html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Préau <no-reply@example.org>"
    message["To"] = "DUPONT Jean-Paul <jp.dupont@example.org>"
    message["Cc"] = "m.dupont@example.org"
    message["Subject"] = subject
    message["Message-ID"] = "<0123@example.org>"
    message["Date"] = "Mon, 23 Nov 2026 08:00:00 +0100"
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


async def test_a_mail_that_was_taken_is_shown_and_survives_being_killed(tmp_path: Path) -> None:
    async with mailbox(tmp_path / "mails") as box:
        answer = await box.send(mail(html="<p>Bonjour <b>Amalia</b></p>"))
        assert "kept as" in answer
        await box.stop(signal.SIGKILL)

    async with mailbox(tmp_path / "mails") as box:
        (message,) = await box.messages()
        assert message["from"] == "Préau <no-reply@example.org>"
        assert message["to"] == ["jp.dupont@example.org"]
        assert message["cc"] == ["m.dupont@example.org"]
        assert message["recipients"] == ["jp.dupont@example.org", "m.dupont@example.org"]
        assert message["subject"] == "Compte rendu"
        assert message["message_id"] == "<0123@example.org>"
        assert message["text"] == "Bonjour Amalia\n"
        assert "<b>Amalia</b>" in str(message["html"])
        status, raw = await box.get(f"/messages/{message['id']}/raw")
        assert status == 200
        assert "Message-ID: <0123@example.org>" in raw
        assert raw.startswith("Return-Path: <no-reply@example.org>")


async def test_mails_are_for_their_owners_eyes_and_keep_nobody_waiting(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with mailbox(tmp_path / "mails") as box:
            await box.send(mail())
            assert os.getpriority(os.PRIO_PROCESS, box.process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        os.umask(before)
    kept = [tmp_path / "mails", *(tmp_path / "mails").iterdir()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o700, 0o600]


async def test_the_newest_mail_comes_first(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        for subject in ("un", "deux", "trois"):
            await box.send(mail(subject))
        assert [message["subject"] for message in await box.messages()] == ["trois", "deux", "un"]
        status, page = await box.get("/")
        assert status == 200
        assert page.index("trois") < page.index("deux") < page.index("un</a>")


async def test_mails_of_one_address(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        await box.send(mail("pour eux"))
        await box.send(mail("pour un autre"), "other@example.org")
        assert [message["subject"] for message in await box.messages("?to=other@example.org")] == ["pour un autre"]


def test_only_the_mails_that_somebody_wants_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy town writes thousands: whoever asks for those of one address must not wait until all are understood."""
    kept = Mailbox(tmp_path)
    for number in range(10):
        kept.keep("no-reply@example.org", [f"{number}@example.org", "all@example.org"], b"Subject: eux\r\n\r\nDelivered-To: x\r\n")
    understood: list[str] = []
    monkeypatch.setattr("deploy.mailbox._opened", lambda letter_id, raw: understood.append(letter_id))
    assert len(list(kept.letters(to="3@example.org"))) == len(understood) == 1
    assert list(kept.letters(to="x")) == []
    assert len(list(kept.letters(to="all@example.org"))) == 10


async def test_the_page_shows_so_many_mails_and_a_way_to_older_ones(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path)
    for number in range(PAGE_SIZE + 2):
        kept.keep("no-reply@example.org", ["jp@example.org"], f"Subject: Lettre {number}.\r\n\r\nBonjour\r\n".encode())
    async with mailbox(tmp_path) as box:
        _, page = await box.get("/")
        assert (page.count("Lettre "), "Lettre 2." in page, "Lettre 1." in page) == (PAGE_SIZE, True, False)
        older = re.search(r'href="(/\?before=[^"]+)">Messages plus anciens', page)
        assert older
        _, page = await box.get(older[1])
        assert (page.count("Lettre "), "Lettre 1." in page, "Messages plus anciens" in page) == (2, True, False)


async def test_the_page_speaks_french_or_english_and_escapes_what_comes_in(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        assert "Aucun message" in (await box.get("/"))[1]
        assert "No message yet" in (await box.get("/", **{"Accept-Language": "en-GB,fr;q=0.5"}))[1]

        await box.send(mail("<script>alert(1)</script>", "Lien : http://example.org/x?a=1&b=2 <b>gras</b>\n", "<script>alert(2)</script>"))
        (message,) = await box.messages()
        for path in ("/", f"/messages/{message['id']}"):
            status, page = await box.get(path)
            assert status == 200
            assert "<script" not in page
        assert 'href="http://example.org/x?a=1&amp;b=2"' in page
        assert "&lt;b&gt;gras" in page


def test_dates_are_said_in_the_page_s_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        said = [moment("Mon, 23 Nov 2026 07:00:03 +0000", language) for language in ("fr", "en")]
        assert said == ["lun. 23/11/2026, 08:00", "Mon 23/11/2026, 08:00"]
        assert [moment(date, "fr") for date in (None, "hier", "Mon, 99 Nov 2026 07:00:03 +0000")] == [
            "",
            "hier",
            "Mon, 99 Nov 2026 07:00:03 +0000",
        ]
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "secret.eml").write_text("not a mail of this box")
    async with mailbox(tmp_path / "mails") as box:
        for path in ("/messages/none", "/messages/none/raw", "/messages/..%2Fsecret", "/messages/..%2Fsecret/raw"):
            assert (await box.get(path))[0] == 404


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
async def test_it_leaves_cleanly_even_in_mid_conversation(tmp_path: Path, kind: signal.Signals) -> None:
    async with mailbox(tmp_path) as box:
        reader, writer = await asyncio.open_connection("127.0.0.1", box.smtp_port)
        await reader.readline()
        assert await box.stop(kind) == 0
        writer.close()
        with socket.create_server(("127.0.0.1", box.smtp_port)):
            pass  # the port is free again


async def test_a_full_disk_is_said_to_the_sender(tmp_path: Path) -> None:
    async with mailbox(tmp_path / "mails") as box:
        (tmp_path / "mails").rmdir()
        (tmp_path / "mails").write_text("in the way")
        with pytest.raises(aiosmtplib.SMTPDataError) as error:
            await box.send(mail())
        assert error.value.code == 452


def test_a_mail_that_no_parser_understands_is_shown_as_it_came(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.keep("a@example.org", ["b@example.org"], b"To: =?utf-8?q?=FF\r\nContent-Type: text/plain; charset=martian\r\n\r\nbonjour \xff\r\n")
    box.keep("a@example.org", ["b@example.org\r\nX-Evil: 1"], b"\x00\xff")
    assert any("bonjour" in letter.text for letter in box.letters())
    assert all(name != "X-Evil" for letter in box.letters() for name, _ in letter.headers)


def test_a_subject_that_is_folded_right_after_its_name_begins_with_its_first_word(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path)
    kept.keep(
        "no-reply@example.org",
        ["jp@example.org"],
        b"Subject:\r\n =?utf-8?q?R=C3=A9servations?=\r\n =?utf-8?q?_accept=C3=A9es?=\r\n\r\nBonjour\r\n",
    )
    (letter,) = kept.letters()
    assert letter.subject == "Réservations acceptées"
    assert ("Subject", "Réservations acceptées") in letter.headers
