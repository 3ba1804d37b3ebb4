SELECT a.id, b.id AS other FROM orders a JOIN orders b ON a.amount < b.amount AND a.status = b.status
