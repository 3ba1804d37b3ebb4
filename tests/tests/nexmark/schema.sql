-- The tables of Nexmark: an auction house, its people, what they offer and what they bid. Bids have no
-- key, as in a stream of events.

CREATE TABLE person (
    id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, credit_card text NOT NULL,
    city text NOT NULL, state text NOT NULL, at timestamp NOT NULL, extra text
);
CREATE TABLE auction (
    id bigint PRIMARY KEY, item text NOT NULL, description text, initial_bid bigint NOT NULL,
    reserve bigint NOT NULL, at timestamp NOT NULL, expires timestamp NOT NULL,
    seller bigint NOT NULL, category bigint NOT NULL, extra text
);
CREATE TABLE bid (
    auction bigint NOT NULL, bidder bigint NOT NULL, price bigint NOT NULL, channel text NOT NULL,
    url text NOT NULL, at timestamp NOT NULL, extra text
);
CREATE INDEX ON auction (seller);
CREATE INDEX ON bid (auction);
CREATE INDEX ON bid (bidder, at);

-- What the bounded side input is joined with.
CREATE TABLE side (key bigint PRIMARY KEY, value text NOT NULL);
INSERT INTO side SELECT k, 'value ' || k FROM generate_series(0, 9) AS k;
