SELECT b, avg(i2) AS a2, avg(i4) AS a4, avg(i8) AS a8, avg(n2) AS an, sum(i2) AS s2, sum(i4) AS s4,
    sum(i8) AS s8, sum(n2) AS sn FROM kinds GROUP BY b
