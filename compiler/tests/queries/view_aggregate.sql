SELECT name, total FROM customer_totals WHERE orders > 3
