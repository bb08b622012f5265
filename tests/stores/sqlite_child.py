"""A process that writes to a SQLite store until it is told, or killed.

`commit FILE`: commits for ever, printing each acknowledged digest. `redeem FILE KIND DIGEST COUNT`: waits for a line
on its input, then redeems the code COUNT times at once and prints how often it won and what else it was answered.
"""

import asyncio
import sys
from collections import Counter

from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.sample_tickets import CODE, moment, name, new_ticket


async def commit(path: str) -> None:
    async with SqliteDatabase(path) as database:

        async def client() -> None:
            while True:
                token = new_ticket()
                await database.stores.tickets.commit(id=name(), now=moment(), add=[token])
                print(token.digest, flush=True)

        await asyncio.gather(*(client() for _ in range(8)))


async def redeem(path: str, digest: str, count: int) -> None:
    async with SqliteDatabase(path) as database:
        code = await database.stores.tickets.get(CODE, digest)
        assert code is not None
        print("ready", flush=True)
        sys.stdin.readline()
        answers = await asyncio.gather(
            *(
                database.stores.tickets.commit(
                    id=name(), now=moment(), consume=code, add=[new_ticket(grant_id=code.grant_id)]
                )
                for _ in range(count)
            )
        )
        counts = Counter(type(answer).__name__ for answer in answers)
        print(counts["Committed"], counts["AlreadyConsumed"], flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "commit":
        asyncio.run(commit(sys.argv[2]))
    else:
        asyncio.run(redeem(sys.argv[2], sys.argv[3], int(sys.argv[4])))
