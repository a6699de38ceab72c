"""Serviskol's MongoDB-protocol server (SecantusDB, a process of its own), with its data."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import gridfs
from pymongo import MongoClient

from demo.remembered import Remembered
from ops_pipelines.engines.mongodb.server import private_secantus

_EVERY = timedelta(hours=1)


@contextmanager
def serviskol(directory: Path, remembered: Remembered) -> Iterator[str]:
    """The server with the database `serviskol`. Yields the URL."""
    password = remembered.password("serviskol")
    with private_secantus(directory, user="demo", password=password, port=remembered.port("serviskol")) as port:
        url = f"mongodb://demo:{password}@127.0.0.1:{port}/serviskol?authSource=admin"
        with MongoClient[dict[str, Any]](url, tz_aware=True) as client:
            _fill(client["serviskol"])
            _catch_up(client["serviskol"])
        yield url


def _fill(database: Any) -> None:
    """Tickets, bicycles, photos: everything once, the collection that says so last."""
    if "filled" in database.list_collection_names():
        return
    database.client.drop_database(database.name)
    chance, now = random.Random(42), datetime.now(timezone.utc).replace(microsecond=0)
    database.create_collection(
        "tickets", validator={"$jsonSchema": {"required": ["number", "status"], "bsonType": "object"}}
    )
    database.create_collection("log", capped=True, size=1 << 20, max=2000)
    tickets = [
        {
            "number": number,
            "status": chance.choice(["open", "waiting", "done"]),
            "bicycle": {"brand": chance.choice(["Favorit", "Eska", "Velamos"]), "frame": f"CZ{number:06}"},
            "work": [{"what": chance.choice(["brakes", "gears", "wheel"]), "minutes": chance.randint(5, 120)}],
            "customer": f"Zákazník {number % 700} 🚲",
            "created_at": now - timedelta(minutes=90) * (3000 - number),
        }
        for number in range(3000)
    ]
    database.tickets.insert_many(tickets)
    database.tickets.create_index("number", unique=True)
    database.tickets.create_index([("status", 1), ("created_at", -1)])
    database.tickets.create_index("customer", partialFilterExpression={"status": "open"})
    database.log.insert_many([{"line": f"ticket {number} printed"} for number in range(500)])
    database.command("create", "open_tickets", viewOn="tickets", pipeline=[{"$match": {"status": "open"}}])
    photos = gridfs.GridFS(database, collection="photos")
    for number in range(5):
        photos.put(chance.randbytes(300_000), filename=f"frame-{number}.jpg")
    database.create_collection("filled")


def _catch_up(database: Any) -> None:
    """A ticket an hour since the last one."""
    newest = database.tickets.find_one(sort=[("created_at", -1)])
    number, at = newest["number"] + 1, newest["created_at"] + _EVERY
    fresh = []
    while at <= datetime.now(timezone.utc):
        fresh.append({"number": number, "status": "open", "customer": "Walk-in", "created_at": at})
        number, at = number + 1, at + _EVERY
    if fresh:
        database.tickets.insert_many(fresh)
