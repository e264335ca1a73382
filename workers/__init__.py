"""Celery workers, the embedded services and the ``aval`` command: the only place where all parts meet."""
