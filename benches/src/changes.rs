//! Streams of changes to the TPC-H tables, in the manner of its refresh functions RF1 and RF2,
//! with updates besides.
//!
//! New orders take keys that the specification leaves free (each block of 32 keys uses the first
//! 8) and copy the shape of orders that exist; what is chosen follows from a seed alone.

use postgres::{Client, Error};

/// How many rows of each kind a batch changes.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Orders to insert, and as many others to delete, each with its lineitems.
    pub orders: i64,
    /// Lineitems to update: quantity, price and discount.
    pub lineitems: i64,
    /// Customers to update: balance and market segment.
    pub customers: i64,
    /// Parts to update: price and type.
    pub parts: i64,
    /// Offers of parts by suppliers to update: cost and quantity.
    pub partsupps: i64,
    /// Suppliers to update: balance and address.
    pub suppliers: i64,
}

impl Batch {
    /// A mixed batch that changes about this many rows in all: of each table about the same share,
    /// of orders and lineitems most.
    pub fn of(rows: i64) -> Batch {
        // An order comes and goes with four lineitems on average: ten rows for each.
        Batch {
            orders: (rows * 6 / 10 / 10).max(1),
            lineitems: (rows * 3 / 10).max(1),
            customers: (rows / 50).max(1),
            parts: (rows / 40).max(1),
            partsupps: (rows / 20).max(1),
            suppliers: (rows / 800).max(1),
        }
    }
}

/// Temporary tables hold what was chosen, so that the statements themselves are plain ones.
const CHOOSE: &str = "
    CREATE TEMP TABLE IF NOT EXISTS pick_new (n bigint, old_key bigint, new_key bigint);
    CREATE TEMP TABLE IF NOT EXISTS pick_gone (key bigint);
    TRUNCATE pick_new, pick_gone;";

/// Applies one batch in one transaction; returns the rows that it changed (an update is one).
pub fn apply(client: &mut Client, batch: Batch, seed: i64) -> Result<u64, Error> {
    client.batch_execute(CHOOSE)?;
    let mut tx = client.transaction()?;
    // A hash of the seed picks starting points; index order does the rest.
    let (low, high): (i64, i64) = {
        let row = tx.query_one("SELECT min(o_orderkey), max(o_orderkey) FROM orders", &[])?;
        (row.get(0), row.get(1))
    };
    let span = (high - low).max(1);
    let start = |salt: i64| low + (seed.wrapping_mul(7919).wrapping_add(salt)).rem_euclid(span);
    tx.execute(
        "INSERT INTO pick_new
         SELECT n, old_key, free.key
         FROM (SELECT row_number() OVER () AS n, o_orderkey AS old_key
               FROM (SELECT o_orderkey FROM orders WHERE o_orderkey >= $1::bigint
                     ORDER BY o_orderkey LIMIT $3::bigint) o) o
         JOIN (SELECT row_number() OVER () AS n, key
               FROM (SELECT key
                     FROM generate_series($2::bigint, $2::bigint + $3 * 4 + 64) AS key
                     WHERE key % 32 >= 8
                       AND NOT EXISTS (SELECT FROM orders WHERE o_orderkey = key)
                     ORDER BY key LIMIT $3) k) free USING (n)",
        &[&start(1), &start(2), &batch.orders],
    )?;
    let mut changed = tx.execute(
        "INSERT INTO orders
         SELECT new_key, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority,
                o_clerk, o_shippriority, o_comment
         FROM pick_new JOIN orders ON o_orderkey = old_key",
        &[],
    )?;
    changed += tx.execute(
        "INSERT INTO lineitem
         SELECT new_key, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice,
                l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate,
                l_receiptdate, l_shipinstruct, l_shipmode, l_comment
         FROM pick_new JOIN lineitem ON l_orderkey = old_key",
        &[],
    )?;
    tx.execute(
        "INSERT INTO pick_gone
         SELECT o_orderkey FROM orders
         WHERE o_orderkey >= $1::bigint ORDER BY o_orderkey LIMIT $2::bigint",
        &[&start(3), &batch.orders],
    )?;
    changed += tx.execute(
        "DELETE FROM lineitem USING pick_gone WHERE l_orderkey = key",
        &[],
    )?;
    changed += tx.execute(
        "DELETE FROM orders USING pick_gone WHERE o_orderkey = key",
        &[],
    )?;
    changed += tx.execute(
        "UPDATE lineitem l
         SET l_quantity = l.l_quantity % 50 + 1,
             l_extendedprice = l.l_extendedprice + 1.25,
             l_discount = (l.l_discount + 0.01) % 0.11
         FROM (SELECT l_orderkey, l_linenumber FROM lineitem
               WHERE l_orderkey >= $1::bigint ORDER BY l_orderkey, l_linenumber LIMIT $2::bigint) p
         WHERE l.l_orderkey = p.l_orderkey AND l.l_linenumber = p.l_linenumber",
        &[&start(4), &batch.lineitems],
    )?;
    changed += tx.execute(
        "UPDATE customer c
         SET c_acctbal = c.c_acctbal - 10,
             c_mktsegment = CASE c.c_mktsegment WHEN 'BUILDING' THEN 'MACHINERY' ELSE 'BUILDING' END
         FROM (SELECT c_custkey FROM customer
               WHERE c_custkey >= 1 + $1::bigint % (SELECT max(c_custkey) FROM customer)
               ORDER BY c_custkey LIMIT $2::bigint) p
         WHERE c.c_custkey = p.c_custkey",
        &[&start(5), &batch.customers],
    )?;
    changed += tx.execute(
        "UPDATE part q
         SET p_retailprice = q.p_retailprice + 1,
             p_type = CASE WHEN q.p_type LIKE 'PROMO%' THEN 'STANDARD' || substr(q.p_type, 6)
                           ELSE 'PROMO' || substr(q.p_type, 1 + strpos(q.p_type, ' ') - 1) END
         FROM (SELECT p_partkey FROM part
               WHERE p_partkey >= 1 + $1::bigint % (SELECT max(p_partkey) FROM part)
               ORDER BY p_partkey LIMIT $2::bigint) p
         WHERE q.p_partkey = p.p_partkey",
        &[&start(6), &batch.parts],
    )?;
    changed += tx.execute(
        "UPDATE partsupp s
         SET ps_supplycost = s.ps_supplycost + 0.5, ps_availqty = s.ps_availqty % 9999 + 1
         FROM (SELECT ps_partkey, ps_suppkey FROM partsupp
               WHERE ps_partkey >= 1 + $1::bigint % (SELECT max(ps_partkey) FROM partsupp)
               ORDER BY ps_partkey, ps_suppkey LIMIT $2::bigint) p
         WHERE s.ps_partkey = p.ps_partkey AND s.ps_suppkey = p.ps_suppkey",
        &[&start(7), &batch.partsupps],
    )?;
    changed += tx.execute(
        "UPDATE supplier s
         SET s_acctbal = s.s_acctbal - 10, s_address = reverse(s.s_address)
         FROM (SELECT s_suppkey FROM supplier
               WHERE s_suppkey >= 1 + $1::bigint % (SELECT max(s_suppkey) FROM supplier)
               ORDER BY s_suppkey LIMIT $2::bigint) p
         WHERE s.s_suppkey = p.s_suppkey",
        &[&start(8), &batch.suppliers],
    )?;
    tx.commit()?;
    Ok(changed)
}
