"""IC-SQL: questions about databases, answered by a query (InterCode, section 4)."""
