import logging

from django.apps import AppConfig

logger = logging.getLogger(__name__)


class AccountsConfig(AppConfig):
    name = "webapp.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """People read the pages in their language from the first start on, without a step that could be forgotten."""
        from webapp.messages import compile_catalogues  # Needs the settings.

        try:
            compile_catalogues()
        except OSError as error:
            logger.warning("the message catalogues can't be compiled, so pages may be in English: %s", error)
