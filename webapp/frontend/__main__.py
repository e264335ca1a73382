"""``python -m webapp.frontend``: fetch and bundle what the pages load."""

import sys

from webapp.frontend.build import main

sys.exit(main())
