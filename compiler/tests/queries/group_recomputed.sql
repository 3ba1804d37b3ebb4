SELECT d, bool_and(b) AS every_b, bool_or(b) AS any_b, bit_or(i4) AS bits, variance(i4) AS spread,
    avg(iv) AS mean, sum(iv) AS total FROM kinds GROUP BY d
