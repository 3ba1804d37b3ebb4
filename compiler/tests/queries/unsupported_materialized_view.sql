SELECT f.id, f.amount FROM frozen f WHERE f.amount > 3
