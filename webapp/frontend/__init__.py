"""What pages load from npm: htmx, uPlot and CodeMirror, bundled into ``webapp/static/dist`` by ``build.py``."""
