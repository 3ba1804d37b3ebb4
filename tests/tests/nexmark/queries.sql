-- Nexmark's questions, in the words of PostgreSQL. A tumbling window is the start that date_bin gives
-- an event, a hopping one is each of several starts that generate_series gives it, a session is the
-- number of pauses before an event. Windows are never closed here: rows that come late, or are
-- corrected, change them.
--
-- What cannot be said:
--   q12 counts bids in windows of *processing* time, the time at which a row happens to be looked at.
--       A query over a table has no such time: run again, it would have to give another answer. (The
--       time at which a row was stored, a column with DEFAULT now(), is event time, as in q7.)
--   q10 writes its result to files in directories by day and minute: that is done with what a query
--       says. What it says is here.

-- construct: selection and projection

-- name: q0, every bid
SELECT auction, bidder, price, at, extra FROM bid;

-- name: q1, prices in another currency
SELECT auction, bidder, 0.908 * price AS price, at, extra FROM bid;

-- name: q2, bids on some auctions
SELECT auction, price FROM bid WHERE auction % 5 = 0;

-- name: q10, bids with what would be their file
SELECT auction, bidder, price, at, extra, at::date AS day, date_trunc('minute', at)::time AS minute FROM bid;

-- name: q14, prices and times of day by name, and how often c occurs
SELECT auction, bidder, 0.908 * price AS price,
       CASE WHEN extract(hour FROM at) BETWEEN 8 AND 18 THEN 'day'
            WHEN extract(hour FROM at) <= 6 OR extract(hour FROM at) >= 20 THEN 'night'
            ELSE 'other' END AS time_of_day,
       at, extra, length(extra) - length(replace(extra, 'c', '')) AS cs
FROM bid WHERE 0.908 * price > 1000 AND 0.908 * price < 9000;

-- name: q21, channels by name or from the address
SELECT auction, bidder, price, channel,
       CASE lower(channel)
           WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
           ELSE substring(url FROM '[?&]channel_id=([^&]*)') END AS channel_id
FROM bid
WHERE lower(channel) IN ('apple', 'google', 'facebook', 'baidu') OR url ~ '[?&]channel_id=[^&]';

-- name: q22, directories of addresses
SELECT auction, bidder, price, channel,
       split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
FROM bid;

-- construct: joins

-- name: q3, who offers things of a category in three states
SELECT p.name, p.city, p.state, a.id
FROM auction AS a JOIN person AS p ON p.id = a.seller
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');

-- name: q13, bids and a bounded table
SELECT b.auction, b.bidder, b.price, b.at, s.value
FROM bid AS b JOIN side AS s ON s.key = b.auction % 10;

-- name: q20, bids with all of their auction, of a category
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.at AS bid_at, b.extra AS bid_extra, a.item,
       a.description, a.initial_bid, a.reserve, a.at, a.expires, a.seller, a.category, a.extra
FROM bid AS b JOIN auction AS a ON a.id = b.auction
WHERE a.category = 10;

-- construct: groups

-- name: q4, average closing price by category
SELECT category, avg(final) AS average
FROM (SELECT a.id, a.category, max(b.price) AS final
      FROM auction AS a JOIN bid AS b ON b.auction = a.id AND b.at BETWEEN a.at AND a.expires
      GROUP BY a.id, a.category) AS closed
GROUP BY category;

-- name: q15, bids of each day, by size of price
SELECT at::date AS day, count(*) AS bids,
       count(*) FILTER (WHERE price < 3000) AS low,
       count(*) FILTER (WHERE price >= 3000 AND price < 8000) AS middle,
       count(*) FILTER (WHERE price >= 8000) AS high,
       count(DISTINCT bidder) AS bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 3000) AS low_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 3000 AND price < 8000) AS middle_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 8000) AS high_bidders,
       count(DISTINCT auction) AS auctions,
       count(DISTINCT auction) FILTER (WHERE price < 3000) AS low_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 3000 AND price < 8000) AS middle_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 8000) AS high_auctions
FROM bid GROUP BY at::date;

-- name: q16, the same of each channel
SELECT channel, at::date AS day, max(date_trunc('minute', at)::time) AS minute, count(*) AS bids,
       count(*) FILTER (WHERE price < 3000) AS low,
       count(*) FILTER (WHERE price >= 8000) AS high,
       count(DISTINCT bidder) AS bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 3000) AS low_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 8000) AS high_bidders,
       count(DISTINCT auction) AS auctions,
       count(DISTINCT auction) FILTER (WHERE price < 3000) AS low_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 8000) AS high_auctions
FROM bid GROUP BY channel, at::date;

-- name: q17, prices of each auction and day
SELECT auction, at::date AS day, count(*) AS bids,
       count(*) FILTER (WHERE price < 3000) AS low,
       count(*) FILTER (WHERE price >= 3000 AND price < 8000) AS middle,
       count(*) FILTER (WHERE price >= 8000) AS high,
       min(price) AS lowest, max(price) AS highest, avg(price) AS average, sum(price) AS total
FROM bid GROUP BY auction, at::date;

-- construct: first rows of each group

-- name: q6, average closing price of each seller's last ten auctions
SELECT seller, id, expires,
       avg(final) OVER (PARTITION BY seller ORDER BY expires, id ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
           AS average
FROM (SELECT a.id, a.seller, a.expires, max(b.price) AS final
      FROM auction AS a JOIN bid AS b ON b.auction = a.id AND b.at BETWEEN a.at AND a.expires
      GROUP BY a.id) AS closed;

-- name: q9, the winning bid of each auction
-- compared: by verify
SELECT id, item, seller, reserve, bidder, price, bid_at
FROM (SELECT a.*, b.bidder, b.price, b.at AS bid_at,
             row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.at) AS place
      FROM auction AS a JOIN bid AS b ON b.auction = a.id AND b.at BETWEEN a.at AND a.expires) AS ranked
WHERE place = 1;

-- name: q9, by a lateral subquery
-- compared: by verify
SELECT a.id, a.item, a.seller, a.reserve, b.bidder, b.price, b.at
FROM auction AS a CROSS JOIN LATERAL (
    SELECT * FROM bid WHERE bid.auction = a.id AND bid.at BETWEEN a.at AND a.expires
    ORDER BY price DESC, at LIMIT 1) AS b;

-- name: q18, the last bid of each bidder on each auction
-- compared: by verify
SELECT DISTINCT ON (bidder, auction) auction, bidder, price, channel, url, at, extra
FROM bid ORDER BY bidder, auction, at DESC;

-- name: q18, by row_number
-- compared: by verify
SELECT auction, bidder, price, channel, url, at, extra
FROM (SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY at DESC) AS place FROM bid) AS b
WHERE place <= 1;

-- name: q19, the ten best bids of each auction
-- compared: by verify
SELECT auction, bidder, price, at, place
FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS place FROM bid) AS b
WHERE place <= 10;

-- name: q19, with those that are tied
SELECT auction, bidder, price, at, place
FROM (SELECT *, rank() OVER (PARTITION BY auction ORDER BY price DESC) AS place FROM bid) AS b
WHERE place <= 10;

-- construct: tumbling windows

-- name: q7, the highest bid of every ten seconds
SELECT b.auction, b.bidder, b.price, b.at, w.start
FROM (SELECT date_bin('10 seconds', at, timestamp '2026-01-01') AS start, max(price) AS highest
      FROM bid GROUP BY 1) AS w
JOIN bid AS b ON b.price = w.highest AND b.at >= w.start AND b.at < w.start + interval '10 seconds';

-- name: q7, by rank
SELECT auction, bidder, price, at, start
FROM (SELECT *, rank() OVER (PARTITION BY start ORDER BY price DESC) AS place
      FROM (SELECT *, date_bin('10 seconds', at, timestamp '2026-01-01') AS start FROM bid) AS w) AS ranked
WHERE place = 1;

-- name: q8, who came and offered something in the same minute
SELECT p.id, p.name, p.start
FROM (SELECT id, name, date_trunc('minute', at) AS start FROM person) AS p
JOIN (SELECT DISTINCT seller, date_trunc('minute', at) AS start FROM auction) AS a
    ON a.seller = p.id AND a.start = p.start;

-- construct: hopping windows

-- name: q5, the auctions with the most bids of ten seconds, every two seconds
WITH counts AS (
    SELECT b.auction, start, count(*) AS bids
    FROM bid AS b, LATERAL generate_series(
        date_bin('2 seconds', b.at, timestamp '2026-01-01') - interval '8 seconds',
        date_bin('2 seconds', b.at, timestamp '2026-01-01'), interval '2 seconds') AS start
    GROUP BY b.auction, start)
SELECT c.auction, c.bids, c.start
FROM counts AS c
JOIN (SELECT start, max(bids) AS most FROM counts GROUP BY start) AS m
    ON m.start = c.start AND c.bids >= m.most;

-- name: q5, by ALL
WITH counts AS (
    SELECT b.auction, start, count(*) AS bids
    FROM bid AS b, LATERAL generate_series(
        date_bin('2 seconds', b.at, timestamp '2026-01-01') - interval '8 seconds',
        date_bin('2 seconds', b.at, timestamp '2026-01-01'), interval '2 seconds') AS start
    GROUP BY b.auction, start)
SELECT auction, bids, start FROM counts AS c
WHERE bids >= ALL (SELECT bids FROM counts AS o WHERE o.start = c.start);

-- construct: session windows

-- name: q11, how often each bidder bids without a pause of ten seconds
SELECT bidder, session, count(*) AS bids, min(at) AS start, max(at) AS finish
FROM (SELECT bidder, at, count(*) FILTER (WHERE pause > interval '10 seconds')
                 OVER (PARTITION BY bidder ORDER BY at) AS session
      FROM (SELECT bidder, at, at - max(at) OVER (
                PARTITION BY bidder ORDER BY at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS pause
            FROM bid) AS b) AS numbered
GROUP BY bidder, session;
