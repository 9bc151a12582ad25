"""Auto Scaling groups: members, hooks, refreshes and what they are launched from."""
