SELECT id, amount FROM orders WHERE placed BETWEEN now() - interval '7 days' AND now()
