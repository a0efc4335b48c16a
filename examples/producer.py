"""A producer in Python, while `npm start` runs in the same folder:

    pip install 'bullmq[postgres]'        # or plain bullmq, with a Redis queue
    python examples/producer.py [RUN]     # adds jobs to the router's queue
    python examples/producer.py [RUN] --cli   # needs no package: `npx router submit -`, tells every outcome

The same RUN again does nothing twice. docs/intent.schema.json describes an intent.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A job added without `attempts` runs once; the router's own backoff is called `custom`.
JOB_OPTIONS = {"attempts": 10_000, "backoff": {"type": "custom"}}


def intents(run: str) -> list[dict]:
    """Decimals are strings: a float cannot hold a price exactly, and is refused."""
    market = {
        "client_id": f"py-{run}-1",
        "market": "BTC-USD",
        "side": "BUY",
        "type": "MARKET",
        "size": "0.01",
        "metadata": {"strategy": "example"},
    }
    resting = {
        "client_id": f"py-{run}-2",
        "market": "ETH-USD",
        "side": "SELL",
        "type": "LIMIT",
        "size": "0.25",
        "price": "3150",
        "good_til_blocks": 20,
    }
    return [market, resting]


def queue_options() -> dict:
    """Where the router's queue is: the same settings that the router reads."""
    if redis_url := os.environ.get("REDIS_URL"):
        return {"connection": redis_url, "prefix": "{router}"}
    database_url = os.environ.get("DATABASE_URL")
    if not database_url:
        url_file = Path(os.environ.get("DATA_DIR") or ROOT / ".data") / "database.url"
        if not url_file.exists():
            sys.exit("no database: set DATABASE_URL, or run `npm start` here")
        database_url = url_file.read_text().strip()
    return {"backend": "postgres", "schema": "bullmq", "connection": database_url}


async def add_jobs(run: str) -> None:
    """Returns when the queue has them; what is refused later is in the table intent_rejections."""
    from bullmq import Queue

    first, *others = intents(run)
    queue = Queue("orders", queue_options())
    try:
        await queue.add("place", first, JOB_OPTIONS)
        # Up to 100 intents in one job, each with a fate of its own.
        await queue.add("place", {"intents": others}, JOB_OPTIONS)
    finally:
        await queue.close()
    print(f"queued; what became of it: npx router show {first['client_id']}")


def submit(run: str) -> None:
    """Returns when the rows are committed; one outcome per line. Exit code 2: some were refused."""
    lines = "".join(json.dumps(intent) + "\n" for intent in intents(run))
    done = subprocess.run(
        ["npx", "router", "submit", "-", "--json"], cwd=ROOT, input=lines, stdout=subprocess.PIPE, text=True
    )
    for line in done.stdout.splitlines():
        outcome = json.loads(line)
        print(outcome.get("client_id"), outcome["outcome"], outcome.get("refusals", ""))
    if done.returncode not in (0, 2):
        sys.exit(done.returncode)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--cli"]
    run_name = arguments[0] if arguments else str(int(time.time()))
    if "--cli" in sys.argv:
        submit(run_name)
    else:
        asyncio.run(add_jobs(run_name))
