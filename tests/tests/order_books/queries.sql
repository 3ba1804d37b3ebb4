-- construct: volume-weighted prices

-- name: vwap, of the quarter of the volume with the highest bids
SELECT sum(b.price * b.volume) AS vwap
FROM bids AS b
WHERE 0.25 * (SELECT sum(volume) FROM bids)
    > (SELECT sum(o.volume) FROM bids AS o WHERE o.price > b.price);

-- name: vwap, with a divisor and the best price, too
SELECT sum(b.price * b.volume) / nullif(sum(b.volume), 0) AS vwap, count(*) AS orders
FROM bids AS b
WHERE (SELECT sum(volume) FROM bids)
    > 4 * coalesce((SELECT sum(o.volume) FROM bids AS o WHERE o.price > b.price), 0);

-- name: vwap, by a window
SELECT sum(price * volume) AS vwap
FROM (SELECT price, volume, sum(volume) OVER (ORDER BY price DESC RANGE UNBOUNDED PRECEDING EXCLUDE GROUP) AS above,
             sum(volume) OVER () AS total
      FROM bids) AS b
WHERE 0.25 * total > coalesce(above, 0);

-- name: vwap of each broker
SELECT b.broker, sum(b.price * b.volume) AS vwap
FROM bids AS b
WHERE (SELECT sum(a.volume) FROM bids AS a WHERE a.broker = b.broker)
    > 2 * coalesce((SELECT sum(o.volume) FROM bids AS o WHERE o.broker = b.broker AND o.price > b.price), 0)
GROUP BY b.broker;

-- construct: two books

-- name: axfinder, who bids and asks far apart
SELECT b.broker, sum(a.volume - b.volume) AS axis
FROM bids AS b, asks AS a
WHERE b.broker = a.broker AND (a.price - b.price > 15 OR b.price - a.price > 15)
GROUP BY b.broker;

-- name: price spread of large orders
SELECT sum(a.price - b.price) AS spread
FROM bids AS b, asks AS a
WHERE b.volume > 0.03 * (SELECT sum(volume) FROM bids)
  AND a.volume > 0.03 * (SELECT sum(volume) FROM asks);

-- name: missed trades, the best part of each book
SELECT b.broker, sum(a.price * a.volume - b.price * b.volume) AS missed
FROM bids AS b, asks AS a
WHERE 0.25 * (SELECT sum(volume) FROM asks)
          > (SELECT sum(o.volume) FROM asks AS o WHERE o.price > a.price)
  AND 0.25 * (SELECT sum(volume) FROM bids)
          > (SELECT sum(o.volume) FROM bids AS o WHERE o.price > b.price)
GROUP BY b.broker;

-- name: orders that cross
SELECT b.id AS bid, a.id AS ask, b.price - a.price AS gain, least(a.volume, b.volume) AS volume
FROM bids AS b JOIN asks AS a ON b.price >= a.price + 20;

-- name: brokers that cross themselves
SELECT broker FROM bids AS b
WHERE EXISTS (SELECT FROM asks AS a WHERE a.broker = b.broker AND a.price < b.price)
EXCEPT
SELECT broker FROM asks WHERE volume > 28;

-- name: imbalance of the books, price by price
SELECT price, coalesce(b.volume, 0) AS bid, coalesce(a.volume, 0) AS ask,
       coalesce(b.volume, 0) - coalesce(a.volume, 0) AS imbalance
FROM (SELECT price, sum(volume) AS volume FROM bids GROUP BY price) AS b
FULL JOIN (SELECT price, sum(volume) AS volume FROM asks GROUP BY price) AS a USING (price);

-- name: imbalance of the books as a whole
SELECT (SELECT sum(volume) FROM bids) AS bid, (SELECT sum(volume) FROM asks) AS ask,
       (SELECT max(price) FROM bids) AS best_bid, (SELECT min(price) FROM asks) AS best_ask;

-- name: depth of a book
SELECT price, volume, sum(volume) OVER (ORDER BY price DESC) AS depth
FROM (SELECT price, sum(volume) AS volume FROM bids GROUP BY price) AS level;

-- name: top of the book
SELECT price, sum(volume) AS volume, count(*) AS orders
FROM bids GROUP BY price ORDER BY price DESC LIMIT 3;

-- name: orders that no ask comes near
SELECT b.id, b.price FROM bids AS b
WHERE NOT EXISTS (SELECT FROM asks AS a WHERE a.price BETWEEN b.price - 1 AND b.price + 1);

-- construct: brokers

-- name: spread of the orders of a broker, later against earlier
SELECT x.broker, sum(x.volume * x.price - y.volume * y.price) AS spread
FROM bids AS x, bids AS y
WHERE x.broker = y.broker AND x.t > y.t
GROUP BY x.broker;

-- name: variance of the orders of a broker, as a product of pairs
SELECT x.broker, sum(x.volume * x.price * y.volume * y.price * 0.5) AS variance
FROM bids AS x JOIN bids AS y ON x.broker = y.broker
GROUP BY x.broker;

-- name: brokers above the average of all brokers
SELECT broker, sum(volume * price) AS turnover
FROM bids GROUP BY broker
HAVING sum(volume * price) > (SELECT avg(turnover) FROM (
    SELECT sum(volume * price) AS turnover FROM bids GROUP BY broker) AS t);

-- name: brokers with an order beyond twice their own average
SELECT DISTINCT b.broker FROM bids AS b
WHERE b.volume > (SELECT 1.5 * avg(o.volume) FROM bids AS o WHERE o.broker = b.broker);

-- construct: positions

-- name: positions of brokers, and what they are worth
SELECT p.broker, p.symbol, p.quantity, p.paid, p.quantity * q.price - p.paid AS gain
FROM (SELECT broker, symbol, sum(CASE side WHEN 'B' THEN quantity ELSE -quantity END) AS quantity,
             sum(CASE side WHEN 'B' THEN quantity * price ELSE -quantity * price END) AS paid
      FROM trade GROUP BY broker, symbol) AS p
LEFT JOIN quote AS q USING (symbol);

-- name: positions that are not flat
SELECT broker, symbol, sum(quantity) FILTER (WHERE side = 'B') AS bought,
       sum(quantity) FILTER (WHERE side = 'S') AS sold
FROM trade GROUP BY broker, symbol
HAVING sum(CASE side WHEN 'B' THEN quantity ELSE -quantity END) <> 0;

-- name: positions by broker, by symbol, and in all
SELECT broker, symbol, grouping(broker, symbol) AS level, sum(quantity * price) AS turnover, count(*) AS trades
FROM trade GROUP BY CUBE (broker, symbol);

-- name: the largest trade of each symbol, and who made it
SELECT t.symbol, t.broker, t.quantity
FROM trade AS t
WHERE t.quantity = (SELECT max(o.quantity) FROM trade AS o WHERE o.symbol = t.symbol);

-- name: running positions
SELECT id, broker, symbol,
       sum(CASE side WHEN 'B' THEN quantity ELSE -quantity END)
           OVER (PARTITION BY broker, symbol ORDER BY id) AS position
FROM trade;

-- construct: graphs

-- name: how many triangles
SELECT count(*) AS triangles
FROM edge AS a JOIN edge AS b ON a.dst = b.src JOIN edge AS c ON b.dst = c.src AND c.dst = a.src;

-- name: the triangles, each once
SELECT DISTINCT a.src AS x, b.src AS y, c.src AS z
FROM edge AS a, edge AS b, edge AS c
WHERE a.dst = b.src AND b.dst = c.src AND c.dst = a.src AND a.src < b.src AND a.src < c.src;

-- name: triangles of each node
SELECT a.src AS node, count(*) AS triangles
FROM edge AS a, edge AS b, edge AS c
WHERE a.dst = b.src AND b.dst = c.src AND c.dst = a.src
GROUP BY a.src;

-- name: triangles of edges in either direction
WITH link AS (SELECT src AS a, dst AS b FROM edge WHERE src < dst
              UNION SELECT dst, src FROM edge WHERE dst < src)
SELECT x.a, x.b, y.b AS c FROM link AS x JOIN link AS y ON y.a = x.b JOIN link AS z ON z.a = x.a AND z.b = y.b;

-- name: wedges that are not closed
SELECT a.src, b.dst, count(*) AS ways
FROM edge AS a JOIN edge AS b ON a.dst = b.src
WHERE a.src <> b.dst AND NOT EXISTS (SELECT FROM edge AS c WHERE c.src = a.src AND c.dst = b.dst)
GROUP BY a.src, b.dst;

-- name: how clustered nodes are
SELECT n.node, n.degree, coalesce(t.closed, 0) AS closed
FROM (SELECT src AS node, count(DISTINCT dst) AS degree FROM edge GROUP BY src) AS n
LEFT JOIN (SELECT a.src AS node, count(*) AS closed
           FROM edge AS a JOIN edge AS b ON b.src = a.src AND b.dst > a.dst
           JOIN edge AS c ON c.src = a.dst AND c.dst = b.dst
           GROUP BY a.src) AS t USING (node);

-- name: four-cycles
SELECT count(*) AS cycles
FROM edge AS a, edge AS b, edge AS c, edge AS d
WHERE a.dst = b.src AND b.dst = c.src AND c.dst = d.src AND d.dst = a.src;
