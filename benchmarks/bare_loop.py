"""The yardstick: what asyncio, aiohttp and two durable writes cost when nothing else is done.

    python -m benchmarks.bare_loop --database URL --api URL [--in-flight 200]

It prints "ready", waits for a line on its standard input, works, prints "done", and ends with its
input, so that its CPU time can be read from outside.

One process. It reads the rows of `bare_post` ahead, marks them as sent in batches on one database
thread, makes each signed request at its moment with 200 in flight, and records the results every
20 ms on another database thread. No leases, no errors, no limits, no attempts, no crash safety.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import psycopg

from benchmarks.stub_x import CONSUMER_KEY, CONSUMER_SECRET, token_of
from engine.oauth1 import Signer

TABLE = """
CREATE TABLE IF NOT EXISTS bare_post (
    id bigint PRIMARY KEY,
    account int NOT NULL,
    text text NOT NULL,
    due_at timestamptz NOT NULL,
    sent_at timestamptz,
    remote_id text,
    recorded_at timestamptz
)
"""
READ = "SELECT id, account, text, extract(epoch FROM due_at)::float8 FROM bare_post ORDER BY due_at"
MARK = "UPDATE bare_post SET sent_at = clock_timestamp() WHERE id = ANY(%s) RETURNING id"
RECORD = """
UPDATE bare_post AS t SET remote_id = v.remote_id, recorded_at = clock_timestamp()
FROM unnest(%s::bigint[], %s::text[]) AS v(id, remote_id) WHERE t.id = v.id
"""
MARK_BATCH = 256
MARK_AHEAD_SECONDS = 0.025
FLUSH_SECONDS = 0.02

Row = tuple[int, int, str, float]  # id, account, text, due (epoch seconds)


class Database:
    """One connection on one thread."""

    def __init__(self, url: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._connection = psycopg.connect(url, autocommit=True)

    async def run(self, statement: str, *parameters: Any) -> list[Any]:
        """Execute one statement, commit, and return its rows."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._execute, statement, parameters
        )

    def _execute(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        cursor = self._connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


class BareLoop:
    """Sends all rows once."""

    def __init__(self, rows: list[Row], database: str, api: str, in_flight: int) -> None:
        self._unmarked = deque(rows)
        self._left = len(rows)
        self._marks, self._records = Database(database), Database(database)
        self._url = f"{api}/2/tweets"
        self._in_flight = in_flight
        self._marked: asyncio.Queue[Row | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._results: list[tuple[int, str]] = []
        self._signers = {
            account: Signer(CONSUMER_KEY, CONSUMER_SECRET, *token_of(account))
            for account in {row[1] for row in rows}
        }

    async def run(self) -> None:
        """Return when every result is recorded."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=20),
        ) as self._session:
            await asyncio.gather(
                self._mark(), self._record(), *(self._send() for _ in range(self._in_flight))
            )

    async def _mark(self) -> None:
        while self._unmarked:
            early = self._unmarked[0][3] - MARK_AHEAD_SECONDS - time.time()
            if early > 0:
                await asyncio.sleep(early)
            horizon = time.time() + MARK_AHEAD_SECONDS
            batch: list[Row] = []
            while self._unmarked and self._unmarked[0][3] <= horizon and len(batch) < MARK_BATCH:
                batch.append(self._unmarked.popleft())
            await self._marks.run(MARK, [row[0] for row in batch])
            for row in batch:
                self._marked.put_nowait(row)
            while self._marked.qsize() >= MARK_BATCH // 2:
                self._room.clear()
                await self._room.wait()
        for _ in range(self._in_flight):
            self._marked.put_nowait(None)

    async def _send(self) -> None:
        while row := await self._marked.get():
            self._room.set()
            number, account, text, due = row
            early = due - time.time()
            if early > 0:
                await asyncio.sleep(early)
            headers = {
                "Authorization": self._signers[account].authorization("POST", self._url),
                "Content-Type": "application/json",
            }
            body = json.dumps({"text": text}).encode()
            async with self._session.post(self._url, data=body, headers=headers) as answer:
                assert answer.status == 201
                remote_id = json.loads(await answer.read())["data"]["id"]
            self._results.append((number, remote_id))

    async def _record(self) -> None:
        while self._left:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._results:
                batch, self._results = self._results, []
                await self._records.run(RECORD, [r[0] for r in batch], [r[1] for r in batch])
                self._left -= len(batch)


def main() -> None:
    """Read the rows and send them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--api", required=True)
    parser.add_argument("--in-flight", type=int, default=200)
    options = parser.parse_args()
    print("ready", flush=True)
    sys.stdin.readline()
    with psycopg.connect(options.database) as connection:
        rows: list[Row] = connection.execute(READ).fetchall()

    async def run() -> None:
        await BareLoop(rows, options.database, options.api, options.in_flight).run()

    asyncio.run(run())
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
