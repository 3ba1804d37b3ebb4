//! A query for each family of operators, over the tables of `schema.sql`.

pub struct Family {
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! families {
    ($($name:literal: $sql:literal)+) => {
        pub const FAMILIES: &[Family] = &[$(Family { name: $name, sql: $sql }),+];
    };
}

families! {
    "filter, map":
        "SELECT id, amount * 2 AS twice, upper(status) AS status FROM orders WHERE amount % 3 > 0"
    "inner join":
        "SELECT o.id, c.segment, o.amount FROM orders o JOIN customer c ON c.id = o.customer"
    "three tables":
        "SELECT o.id, r.name, c.segment, o.price
         FROM orders o JOIN customer c ON c.id = o.customer JOIN region r ON r.id = c.region"
    "self-join":
        "SELECT a.id, b.id AS other FROM orders a JOIN orders b ON b.customer = a.customer AND b.id > a.id"
    "band join":
        "SELECT a.id, b.id AS next FROM orders a JOIN orders b ON b.second > a.second AND b.second <= a.second + 3"
    "band join, by buckets":
        "SELECT a.id, b.id AS next FROM orders a JOIN orders b ON b.bucket = a.bucket
         WHERE b.second > a.second AND b.second <= a.second + 3
         UNION ALL
         SELECT a.id, b.id AS next FROM orders a JOIN orders b ON b.bucket = a.next_bucket
         WHERE b.second <= a.second + 3"
    "count, sum, few groups":
        "SELECT c.region, o.status, count(*) AS n, sum(o.price) AS total, avg(o.amount) AS mean
         FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region, o.status"
    "count, sum, many groups":
        "SELECT customer, count(*) AS n, sum(price) AS total FROM orders GROUP BY customer"
    "count, sum of all":
        "SELECT count(*) AS n, sum(price) AS total, avg(amount) AS mean FROM orders"
    "HAVING":
        "SELECT customer, sum(amount) AS total FROM orders GROUP BY customer HAVING count(*) > 10"
    "min, max, many groups":
        "SELECT customer, min(amount) AS low, max(price) AS high FROM orders GROUP BY customer"
    "min, max, few groups":
        "SELECT status, min(amount) AS low, max(amount) AS high FROM orders GROUP BY status"
    "string_agg, stddev":
        "SELECT customer, string_agg(status, ',' ORDER BY id) AS all_of_them, stddev(amount) AS deviation
         FROM orders GROUP BY customer"
    "DISTINCT":
        "SELECT DISTINCT customer, status FROM orders"
    "count(DISTINCT)":
        "SELECT c.region, count(DISTINCT o.customer) AS customers, count(DISTINCT o.status) AS statuses
         FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region"
    "LEFT JOIN":
        "SELECT c.id, c.segment, o.id AS large FROM customer c LEFT JOIN orders o ON o.customer = c.id AND o.amount % 8 = 0"
    "LEFT JOIN, grouped":
        "SELECT c.id, count(o.id) AS n, sum(o.price) AS total
         FROM customer c LEFT JOIN orders o ON o.customer = c.id AND o.amount % 8 = 0 GROUP BY c.id"
    "FULL JOIN":
        "SELECT a.customer, b.customer AS other, a.n, b.total
         FROM (SELECT customer, count(*) AS n FROM orders WHERE amount % 16 = 0 GROUP BY customer) a
         FULL JOIN (SELECT customer, sum(price) AS total FROM orders WHERE amount % 16 = 1 GROUP BY customer) b
             ON a.customer = b.customer"
    "EXISTS":
        "SELECT id, segment FROM customer c
         WHERE EXISTS (SELECT FROM orders o WHERE o.customer = c.id AND o.amount % 8 = 0)"
    "NOT EXISTS":
        "SELECT id, segment FROM customer c
         WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer = c.id AND o.amount % 8 = 0)"
    "EXISTS under OR, with a band":
        "SELECT o.id FROM orders o
         WHERE o.amount % 64 = 0 OR EXISTS (
             SELECT FROM orders p WHERE p.customer = o.customer AND p.price > o.price + 900)"
    "IN":
        "SELECT id, price FROM orders WHERE customer IN (SELECT id FROM customer WHERE credit > 900)"
    "NOT IN":
        "SELECT id, segment FROM customer WHERE id NOT IN (SELECT customer FROM orders WHERE amount % 8 = 0)"
    "scalar subquery, correlated":
        "SELECT c.id, (SELECT max(o.price) FROM orders o WHERE o.customer = c.id) AS highest FROM customer c"
    "comparison with a subquery, correlated":
        "SELECT o.id, o.amount FROM orders o
         WHERE o.amount > (SELECT 1.5 * avg(i.amount) FROM orders i WHERE i.customer = o.customer)"
    "comparison with a subquery that moves":
        "SELECT id, price FROM orders WHERE price > (SELECT avg(price) FROM orders)"
    "comparison with nested subqueries":
        "SELECT customer, sum(amount) AS total FROM orders GROUP BY customer
         HAVING sum(amount) > (SELECT 2 * sum(amount) / count(DISTINCT customer) FROM orders)"
    "UNION ALL":
        "SELECT id, amount FROM orders WHERE amount % 2 = 0 UNION ALL SELECT id, credit FROM customer"
    "UNION":
        "SELECT customer FROM orders WHERE amount % 2 = 0 UNION SELECT id FROM customer WHERE credit > 500"
    "INTERSECT":
        "SELECT customer FROM orders WHERE amount % 4 = 0 INTERSECT SELECT id FROM customer WHERE credit > 500"
    "EXCEPT":
        "SELECT id FROM customer EXCEPT SELECT customer FROM orders WHERE amount % 4 = 0"
    "EXCEPT ALL":
        "SELECT customer FROM orders WHERE amount % 4 = 0 EXCEPT ALL SELECT customer FROM orders WHERE amount % 4 = 1"
    "ROLLUP":
        "SELECT c.region, o.status, grouping(c.region, o.status) AS level, count(*) AS n, sum(o.amount) AS total
         FROM orders o JOIN customer c ON c.id = o.customer GROUP BY ROLLUP (c.region, o.status)"
    "CUBE, many groups":
        "SELECT customer, status, count(*) AS n, sum(price) AS total FROM orders GROUP BY CUBE (customer, status)"
    "window, per partition":
        "SELECT id, customer, rank() OVER (PARTITION BY customer ORDER BY amount) AS place,
                sum(price) OVER (PARTITION BY customer ORDER BY id ROWS UNBOUNDED PRECEDING) AS running
         FROM orders"
    "running total, appended rows":
        "SELECT id, sensor, second, value, sum(value) OVER sensors AS total, row_number() OVER sensors AS place
         FROM reading WINDOW sensors AS (PARTITION BY sensor ORDER BY second, id)"
    "running total of all, appended rows":
        "SELECT id, second, sum(value) OVER (ORDER BY second, id) AS total FROM reading"
    "lag, lead, appended rows":
        "SELECT id, sensor, second, value - lag(value) OVER sensors AS gained, lead(second) OVER sensors AS next
         FROM reading WINDOW sensors AS (PARTITION BY sensor ORDER BY second, id)"
    "row_number() <= 3":
        "SELECT id, customer, amount FROM (
             SELECT id, customer, amount, row_number() OVER (PARTITION BY customer ORDER BY amount DESC, id) AS place
             FROM orders) o WHERE place <= 3"
    "row_number() <= 3, large partitions":
        "SELECT id, status, amount FROM (
             SELECT id, status, amount, row_number() OVER (PARTITION BY status ORDER BY amount DESC, id DESC) AS place
             FROM orders) o WHERE place <= 3"
    "rank() = 1, large partitions":
        "SELECT id, status, amount FROM (
             SELECT id, status, amount, rank() OVER (PARTITION BY status ORDER BY amount) AS place
             FROM orders) o WHERE place = 1"
    "DISTINCT ON":
        "SELECT DISTINCT ON (customer) customer, id, amount FROM orders ORDER BY customer, second DESC, id"
    "ORDER BY, LIMIT":
        "SELECT id, amount FROM orders ORDER BY amount DESC, id DESC LIMIT 20"
    "LIMIT over a join":
        "SELECT o.id, o.price, c.segment FROM orders o JOIN customer c ON c.id = o.customer
         WHERE c.credit > 300 ORDER BY o.amount + c.credit DESC, o.id LIMIT 20"
    "LIMIT over groups":
        "SELECT customer, sum(price) AS total, count(*) AS n FROM orders
         GROUP BY customer ORDER BY total DESC, customer LIMIT 20"
    "LIMIT, ties":
        "SELECT id, status FROM orders ORDER BY second / 10 DESC LIMIT 20"
    "LATERAL, LIMIT":
        "SELECT c.id, l.id AS latest, l.price FROM customer c
         CROSS JOIN LATERAL (SELECT id, price FROM orders o WHERE o.customer = c.id ORDER BY second DESC, id LIMIT 2) l"
    "LATERAL, function":
        "SELECT o.id, t.tag, t.n FROM orders o, unnest(o.tags) WITH ORDINALITY AS t(tag, n) WHERE t.tag > 1"
    "recursion, UNION ALL":
        "WITH RECURSIVE below AS (
             SELECT id, 1 AS level FROM node WHERE parent IS NULL
             UNION ALL SELECT n.id, b.level + 1 FROM below b JOIN node n ON n.parent = b.id)
         SELECT id, level FROM below"
    "recursion, UNION":
        "WITH RECURSIVE below AS (
             SELECT id FROM node WHERE parent IS NULL
             UNION SELECT n.id FROM below b JOIN node n ON n.parent = b.id)
         SELECT id FROM below"
    "now()":
        "SELECT id, price FROM orders WHERE placed > now() - interval '1 hour'"
}
