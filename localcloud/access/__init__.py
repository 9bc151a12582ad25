"""Who may ask the local cloud's API, and for what: keys, signatures, and the decisions of IAM.

docs/decisions/0031-who-may-ask-the-local-cloud.md says why.
"""
