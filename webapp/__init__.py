"""The web application: people, samples, ratings, runs and reviews (Django; neither torch nor z3)."""
