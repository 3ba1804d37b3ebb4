SELECT customer_id, string_agg(note, ',') AS notes, count(DISTINCT status) AS states, array_agg(id ORDER BY id) AS ids,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median FROM orders GROUP BY customer_id
