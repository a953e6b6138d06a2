"""PostgreSQL as the suite uses it: emptied by DELETE, which costs what there is to delete, and filled by a copy."""
