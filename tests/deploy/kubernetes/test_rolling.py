"""A new version takes the old one's place, with a migration, while families ask and book: no request fails, nothing is lost.

The chart's containers run as processes (cluster.py) on PostgreSQL. 10,000 requests with PREAU_ALL=1; otherwise as many as come meanwhile.
"""

import asyncio
import itertools
import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import yaml
from sqlalchemy import text

from deploy.backlog import settled
from deploy.town.checking import read_town
from deploy.town.loading import load
from services.clock import Clock
from services.database import Database
from services.ending import ended
from services.identity.tokens import new_key
from services.settings import SERVICES, Settings
from tests.conftest import POSTGRESQL, MakeUrl, dealt
from tests.deploy.kubernetes.cluster import RESTRICTED, Cluster, can_restrict, image
from tests.deploy.kubernetes.rendered import ROOT, Rendered
from tests.flows.town import PASSWORD, SIGN_IN, SUBMIT, activity, family, next_days, renamed
from tests.nats_server import NatsServer

REQUESTS = 10_000 if os.environ.get("PREAU_ALL") else 300
AT_ONCE = 8
TOKEN_SECONDS = 300  #: Signed in anew long before a token runs out.
PATIENT_SECONDS = 3.0  #: Once that is enough: it may take a busy machine long.
PAUSE_SECONDS = 0 if os.environ.get("PREAU_ALL") else 0.25
HOME = """query($month: YearMonth!) { me { families { number children { calendar(month: $month) { days { date placesLeft } } }
  balance { lines { balanceCents estimatedCostCents } } } } }"""
#: The next version has another name for what an event is about. Three releases, each of which can live beside the one before:
#: one writes both and reads either; one, told everything by its migration, knows the new name alone; one takes the old name away.
EXPANDS = '''"""a new name for what an event is about, and what else may be added"""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("outgoing", sa.Column("concerns", sa.String(), nullable=True))
    op.add_column("heard", sa.Column("next_version", sa.Integer(), nullable=False, server_default="0"))
    op.create_table("next_version", sa.Column("id", sa.Integer(), primary_key=True))
'''
MOVES = '''"""what was written before has the new name, too, and nobody need write the old one"""

from alembic import op

revision = "9001"
down_revision = "9000"


def upgrade() -> None:
    op.execute("UPDATE outgoing SET concerns = about WHERE concerns IS NULL")
    op.alter_column("outgoing", "about", nullable=True)
'''
CONTRACTS = '''"""what nobody knows any more"""

from alembic import op

revision = "9002"
down_revision = "9001"
CONTRACTS = "the version before writes and reads `concerns` alone"


def upgrade() -> None:
    op.alter_column("outgoing", "concerns", nullable=False)
    op.drop_column("outgoing", "about")
    op.drop_column("heard", "next_version")
    op.drop_table("next_version")
'''
Edits = dict[str, dict[str, str]]  #: file -> what stands there -> what stands there then
WRITES_BOTH: Edits = {
    "services/outbox.py": {
        "    about: str\n": "    about: str\n    concerns: str | None = None\n",
        '"about", ': '"about", "concerns", ',
        "event.about, ": "event.about, event.about, ",
    },
    "services/relay.py": {"OUT.about": 'func.coalesce(OUT.concerns, OUT.about).label("about")'},
}
KNOWS_THE_NEW_ONE: Edits = {
    "services/outbox.py": {"    about: str\n": "    concerns: str\n", '"about", ': '"concerns", '},
    "services/relay.py": {"OUT.about": 'OUT.concerns.label("about")'},
    "services/booking/invariants.py": {
        "SELECT about, count(*)": "SELECT concerns AS about, count(*)",
        "GROUP BY about": "GROUP BY concerns",
    },
}
#: Whose database goes all the way. Where all tests are run, one's: each costs two more restarts of it.
GO_ON = dealt("contracting", *SERVICES)


def version(folder: Path, migrations: dict[str, str], edits: Edits) -> Path:
    """A later one, with these migrations in every service."""
    tree = image(folder, {name: {file: words.format(head=head(name)) for file, words in migrations.items()} for name in SERVICES})
    for file, changes in edits.items():
        path = tree / "app" / file
        code = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert code.count(old) == 1, (file, old)
            code = code.replace(old, new)
        path.write_text(code, encoding="utf-8")
    return tree


def head(service: str) -> str:
    return max(path.name[:4] for path in (ROOT / "services" / service / "migrations").glob("[0-9]*.py"))


@dataclass
class Families:
    """One of them, on as many devices as one likes."""

    url: str
    structure: str
    token: str = ""
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _until: float = 0.0
    _numbers: Any = field(default_factory=itertools.count)

    async def sign_in(self) -> None:
        self._until = asyncio.get_running_loop().time() + TOKEN_SECONDS
        async with httpx2.AsyncClient(base_url=self.url, timeout=120) as client:
            answer = await self._post(client, SIGN_IN, {"login": f"{self.structure}-dupont", "password": PASSWORD})
            self.token = answer["data"]["signIn"]["accessToken"]

    async def _post(self, client: httpx2.AsyncClient, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        told: dict[str, Any] = answer.json()
        assert answer.status_code == 200, (answer.status_code, told)
        assert "errors" not in told, told["errors"]
        return told

    async def ask(self) -> None:
        """Until `stop`, and until enough was asked: every tenth request books or gives back a day."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=120) as client:
            while not (self.stop.is_set() and self.answered.total() >= REQUESTS):
                number = next(self._numbers)
                try:
                    if asyncio.get_running_loop().time() > self._until:
                        await self.sign_in()
                    await (self._book(client, number // 10) if number % 10 == 0 else self._look(client))
                except (httpx2.HTTPError, AssertionError, ValueError) as error:
                    self.failed.append(f"{number} at {asyncio.get_running_loop().time():.1f}: {error!r}")
                await asyncio.sleep(PAUSE_SECONDS if self.answered.total() < REQUESTS else PATIENT_SECONDS)

    async def _look(self, client: httpx2.AsyncClient) -> None:
        told = await self._post(client, HOME, {"month": f"{next_days(1)[0]:%Y-%m}"})
        assert told["data"]["me"]["families"][0]["balance"]["lines"], told
        self.answered["looked"] += 1

    async def _book(self, client: httpx2.AsyncClient, number: int) -> None:
        day, change = next_days(60)[number // 2 % 60], ("BOOK", "CANCEL")[number % 2]
        line = {"change": change, "child": f"{self.structure}-dupont-child", "activity": f"{self.structure}-aps", "date": day.isoformat()}
        order = {"family": f"{self.structure}-dupont", "idempotencyKey": uuid4().hex, "lines": [line]}
        told = await self._post(client, SUBMIT, {"input": order})
        assert "id" in told["data"]["submitBookings"], told
        self.answered["booked"] += 1


@pytest.mark.skipif(not POSTGRESQL, reason="two versions at once are on PostgreSQL, as in a cluster")
async def test_a_new_version_takes_the_olds_place_and_no_request_fails(
    everything: Rendered, database_url: MakeUrl, own_nats: NatsServer, tmp_path: Path
) -> None:
    objects = everything.objects["rolling"]
    urls = {name: await database_url(name) for name in SERVICES}
    keys = {"identity": {"PREAU_SIGNING_KEY": new_key(), "PREAU_FIELD_KEY": "00" * 32}, "mailer": {"SMTP_URL": "smtp://127.0.0.1:9"}}
    secrets = {f"preau-{name}": {f"{name.upper()}_DATABASE_URL": urls[name], **keys.get(name, {})} for name in SERVICES}
    broker = {"preau-nats:4222": f"127.0.0.1:{own_nats.port}", "preau-nats-headless:8222": f"127.0.0.1:{own_nats.monitor}"}
    environ = {f"{name.upper()}_DATABASE_URL": url for name, url in urls.items()} | {"NATS_URL": own_nats.url}
    settings = Settings.from_environment(environ)
    newer = version(tmp_path / "newer", {"9000_expands.py": EXPANDS}, WRITES_BOTH)
    later = version(tmp_path / "later", {"9000_expands.py": EXPANDS, "9001_moves.py": MOVES}, KNOWS_THE_NEW_ONE)
    before = written(newer)

    cluster = Cluster(tmp_path, objects, secrets, broker)
    await cluster.open()
    probing = asyncio.create_task(cluster.probe())
    try:
        await asyncio.gather(*(cluster.start(name, None) for name in (*SERVICES, "gateway")))
        gateway = cluster.services["gateway"]
        families = Families(f"http://{gateway.address}:{gateway.port}", await found(settings, tmp_path))
        await families.sign_in()
        asking = [asyncio.create_task(families.ask()) for _ in range(AT_ONCE)]
        old = list(cluster.pods)
        await asyncio.gather(*(cluster.roll(name, newer) for name in cluster.services))
        assert written(newer) == before, "a read-only root keeps nothing"
        about = {name: await told(urls[name], "about") for name in GO_ON}
        await asyncio.gather(*(cluster.roll(name, later) for name in GO_ON))
        for name in GO_ON:  # What nobody needs any more goes while the version before that is still there.
            (later / "app" / "services" / name / "migrations" / "9002_contracts.py").write_text(CONTRACTS)
        await asyncio.gather(*(cluster.roll(name, later) for name in GO_ON))
        families.stop.set()
        await asyncio.gather(*asking)

        assert families.failed == []
        assert families.answered.total() >= REQUESTS
        assert families.answered["booked"]
        assert all(pod.process.poll() in (0, -15) for pod in old)
        assert len(cluster.pods) == 2 * len(old) + 2 * len(GO_ON)
        assert await settled(settings, 180)
        for name in GO_ON:
            concerned = await told(urls[name], "concerns")
            assert about[name].items() <= concerned.items(), "all that the first two versions said is there by its new name"
            assert concerned.keys() > about[name].keys() or name in ("identity", "mailer"), "and the versions after said more"
        asked = {"name": "check", "args": ["check"], "env": [{"name": name, "value": value} for name, value in environ.items()]}
        await cluster.complete("check", asked, later if "booking" in GO_ON else newer)
    finally:
        await ended([probing])
        await cluster.close()


async def told(url: str, column: str) -> dict[str, str]:
    """Event -> what the outbox says in this column."""
    database = Database(url)
    async with database.engine.connect() as connection:
        rows = (await connection.execute(text(f"SELECT event_id, {column} FROM outgoing"))).all()
    await database.close()
    return {row.event_id: row[1] for row in rows}


async def found(settings: Settings, folder: Path) -> str:
    """A town with one family and one activity; its id."""
    file = renamed("town", [activity("aps", capacity=100)], [family("dupont")])
    (folder / "town.yaml").write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False))
    databases = {name: Database(settings.database_urls[name]) for name in ("identity", "billing", "booking")}
    try:
        await load([read_town(folder / "town.yaml", Clock())], databases, Clock(), step=lambda: None)
    finally:
        for database in databases.values():
            await database.close()
    assert await settled(settings, 180)
    return "town"


def written(tree: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in tree.rglob("*")}


@pytest.mark.skipif(not can_restrict(), reason="only root may have mounts of its own")
def test_a_pods_root_is_read_only_but_for_its_own_folder(tmp_path: Path) -> None:
    """Control of the one above."""
    pod, tree = tmp_path / "pod", tmp_path / "tree"
    pod.mkdir()
    tree.mkdir()
    for place, is_kept in ((pod, True), (ROOT, False), (Path("/var"), False)):
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", RESTRICTED, str(pod), "touch", str(place / "preau-was-here")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is is_kept, done.stderr
    assert (pod / "preau-was-here").exists()
