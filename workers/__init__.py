"""The only place where the parts meet: Celery tasks, the services, and the command line."""
