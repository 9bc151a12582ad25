"""What pull requests and merges need besides the playbooks: reviewed plans, issues of drift, a question to a fleet."""
