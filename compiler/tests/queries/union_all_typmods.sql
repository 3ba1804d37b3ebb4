SELECT n2 AS n, v FROM kinds UNION ALL SELECT discount, email FROM orders, customers UNION ALL SELECT n2, v FROM kinds
