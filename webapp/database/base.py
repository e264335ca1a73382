"""The connection of a thread to PostgreSQL."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's; before each request it asks the server with a statement whether it is still there."""

    def is_usable(self) -> bool:
        """A server that ends a connection says so on it: one that is idle and on which nothing has come is alive."""
        idle = self.connection is not None and self.connection.info.transaction_status == TransactionStatus.IDLE
        if idle and not self.connection.closed:
            waiting = select.poll()
            waiting.register(self.connection.fileno())
            if not any(event & ~select.POLLOUT for _, event in waiting.poll(0)):
                return True
        return super().is_usable()
