"""Training and export of models into bundles. Runs where torch is; never on a serving host."""
