"""Instance metadata: the server, its documents, and notices of interruption."""
