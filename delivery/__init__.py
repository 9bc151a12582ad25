"""What stands between Git and a fleet: reviewed plans, guard rails, costs, releases of models, experiments."""
