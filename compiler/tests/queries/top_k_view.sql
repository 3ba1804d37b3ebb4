SELECT o.id, o.amount FROM newest n JOIN orders o ON o.id = n.id
