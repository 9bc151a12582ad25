"""What changes a group's desired capacity: policies and schedules."""
