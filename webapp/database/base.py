"""The connection of a thread to PostgreSQL."""

from __future__ import annotations

import select
from typing import Any, cast

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with another look at whether the server is still there, and a cursor for what is asked often."""

    def prepared_cursor(self) -> CursorWrapper:
        """A cursor whose statements are planned once a connection, where connections are kept.

        Planning a statement over several tables takes the server longer than finding its rows. Django writes values
        into its statements, which makes each another.
        """
        if self.queries_logged:  # With their values in them.
            return self.cursor()
        self.close_if_health_check_failed()
        self.ensure_connection()
        return self.make_cursor(cast(Any, base.ServerBindingCursor)(self.connection))

    def is_usable(self) -> bool:
        """Without a statement, which Django would send before each request.

        A server that ends a connection says so on it: one that is idle and on which nothing has come is alive.
        """
        idle = self.connection is not None and self.connection.info.transaction_status == TransactionStatus.IDLE
        if idle and not self.connection.closed:
            waiting = select.poll()
            waiting.register(self.connection.fileno())
            if not any(event & ~select.POLLOUT for _, event in waiting.poll(0)):
                return True
        return super().is_usable()
