"""python -m tests.gateway.audit CHECKOUT"""

import asyncio
import sys
from pathlib import Path

from tests.gateway.audit import federation, node
from tests.gateway.fakes import Gateway, town
from tests.gateway.followers import Served


async def main(checkout: Path) -> None:
    node.install()
    async with node.federation(checkout) as served:
        print("federation-gateway-audit:", federation.told(*await federation.audit(served)))
    gateway = Served(Gateway(town()))
    await gateway.start()
    print("graphql-http:", (await node.http(f"{gateway.url}/graphql")).strip())
    await gateway.stop()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(Path(sys.argv[1])))
