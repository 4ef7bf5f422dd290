"""Takes an order and publishes it in one transaction: no order without its event, no event without its order.

    pip install -r requirements.txt
    DATABASE_URL=postgresql://... PROJECT_ID=... python shop.py 25.00
"""

import json
import os
import sys
from decimal import Decimal

import psycopg
from psycopg.types.json import Jsonb


class Declined(Exception):
    pass


def publish(connection: psycopg.Connection, project_id: str, type: str, data: object, id: str | None = None) -> str:
    """In the transaction that the connection is in; answers the event's id.

    `id` is the idempotency key: published again, the same event creates nothing, and another one raises UniqueViolation.
    """
    row = connection.execute(
        """
        SELECT id::text, deliveries, duplicate
        FROM postrider.publish(project_id => %s::uuid, type => %s::text, data => %s::jsonb, id => %s::uuid)
        """,
        (project_id, type, Jsonb(data), id),
    ).fetchone()
    return row[0]


def take_order(connection: psycopg.Connection, project_id: str, amount: Decimal) -> dict:
    with connection.transaction():
        (order,) = connection.execute("INSERT INTO orders (amount) VALUES (%s) RETURNING id", (amount,)).fetchone()
        event = publish(connection, project_id, "order.paid", {"order": order, "amount": str(amount)})
        charge(amount)
    return {"order": order, "event": event}


def charge(amount: Decimal) -> None:
    """Stands for whatever may still fail."""
    if amount > 1000:
        raise Declined(f"{amount} is more than the card has")


if __name__ == "__main__":
    # Without autocommit psycopg would keep one transaction open around all of this.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount numeric)"
        )
        try:
            print(json.dumps(take_order(connection, os.environ["PROJECT_ID"], Decimal(sys.argv[1]))))
        except Declined as declined:
            sys.exit(f"declined: {declined}")
