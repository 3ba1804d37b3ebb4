//! Random orders, trades, quotes and edges, and changes of them, the same for the same seed: orders
//! come, are filled in part, moved to another price or broker, and withdrawn.

use harness::suite::Batch;
use spec::tape::Tape;

/// Orders have ids up to this.
const ORDERS: usize = 40;
const BROKERS: usize = 5;
const NODES: usize = 9;
const SYMBOLS: &[&str] = &["'ABC'", "'XYZ'", "'QQQ'"];

pub struct Market {
    tape: Tape,
}

impl Market {
    pub fn new(seed: u64) -> Market {
        Market {
            tape: Tape::seeded(seed, 100_000),
        }
    }

    /// Orders, trades and edges that were not there, or come again.
    pub fn arrivals(&mut self, count: usize) -> Batch {
        let mut statements: Vec<String> = ["'ABC', 10.25", "'XYZ', 99.50", "'QQQ', NULL"]
            .map(|quote| format!("INSERT INTO quote VALUES ({quote}) ON CONFLICT DO NOTHING"))
            .into();
        for _ in 0..count {
            for book in ["bids", "asks"] {
                let order = self.order();
                statements.push(format!(
                    "INSERT INTO {book} VALUES ({order}) ON CONFLICT DO NOTHING"
                ));
            }
            let trade = self.trade();
            statements.push(format!(
                "INSERT INTO trade VALUES ({trade}) ON CONFLICT DO NOTHING"
            ));
            let (src, dst) = (self.node(), self.node());
            statements.push(format!("INSERT INTO edge VALUES ({src}, {dst})"));
        }
        batch("arrivals", statements)
    }

    /// Everything changes a little.
    pub fn changes(&mut self) -> Batch {
        let mut statements = vec![];
        for book in ["bids", "asks"] {
            let (id, broker, t) = (self.id(), self.broker(), self.id());
            let (price, volume) = (self.price(), self.volume());
            statements.extend([
                // Filled in part.
                format!(
                    "UPDATE {book} SET volume = volume - 1 WHERE volume > 1 AND id % 3 = {}",
                    id % 3
                ),
                format!("UPDATE {book} SET price = {price} WHERE id = {id}"),
                format!("UPDATE {book} SET broker = {broker} WHERE t = {t}"),
                format!("DELETE FROM {book} WHERE id BETWEEN {t} AND {t} + 3"),
                format!("INSERT INTO {book} VALUES (1000, {t}, {broker}, {volume}, {price})"),
                format!("DELETE FROM {book} WHERE id = 1000"),
            ]);
        }
        let (id, broker, node, to) = (self.id(), self.broker(), self.node(), self.node());
        let symbol = self.symbol();
        statements.extend([
            format!("UPDATE quote SET price = coalesce(price, 1) + 0.25 WHERE symbol = {symbol}"),
            format!("UPDATE trade SET broker = {broker}, symbol = {symbol} WHERE id % 7 = {}", id % 7),
            format!("UPDATE trade SET side = CASE side WHEN 'B' THEN 'S' ELSE 'B' END WHERE id % 5 = {}", id % 5),
            format!("DELETE FROM trade WHERE id = {id}"),
            format!("UPDATE edge SET dst = {to} WHERE src = {node}"),
            format!("UPDATE edge SET src = dst, dst = src WHERE dst = {to}"),
            format!("DELETE FROM edge WHERE src = {to} AND dst = {node}"),
            // All of several equal edges but one.
            "DELETE FROM edge AS e USING edge AS o WHERE e.src = o.src AND e.dst = o.dst AND e.ctid > o.ctid"
                .to_owned(),
        ]);
        statements.extend(self.arrivals(3).statements);
        batch("changes", statements)
    }

    /// One book is empty, and then some.
    pub fn empty(&mut self, book: &str) -> Batch {
        let mut statements = vec![format!("DELETE FROM {book}")];
        let symbol = self.symbol();
        statements.push(format!("DELETE FROM trade WHERE symbol = {symbol}"));
        statements.push(format!("DELETE FROM quote WHERE symbol = {symbol}"));
        let node = self.node();
        statements.push(format!("DELETE FROM edge WHERE {node} IN (src, dst)"));
        batch("empty", statements)
    }

    fn order(&mut self) -> String {
        let (id, t, broker) = (self.id(), self.id(), self.broker());
        let (volume, price) = (self.volume(), self.price());
        format!("{id}, {t}, {broker}, {volume}, {price}")
    }

    fn trade(&mut self) -> String {
        let id = self.tape.between(1, 3 * ORDERS);
        let broker = match self.tape.percent(10) {
            true => "NULL".to_owned(),
            false => self.broker().to_string(),
        };
        let side = ["'B'", "'S'"][self.tape.below(2)];
        let (symbol, volume, price) = (self.symbol(), self.volume(), self.price());
        format!(
            "{id}, {broker}, {symbol}, {side}, {volume}, {price}.{:02}",
            price % 100
        )
    }

    fn id(&mut self) -> usize {
        self.tape.between(1, ORDERS)
    }

    fn broker(&mut self) -> usize {
        self.tape.between(1, BROKERS)
    }

    fn volume(&mut self) -> usize {
        self.tape.between(1, 30)
    }

    fn price(&mut self) -> usize {
        self.tape.between(80, 120)
    }

    fn node(&mut self) -> usize {
        self.tape.between(1, NODES)
    }

    fn symbol(&mut self) -> &'static str {
        self.tape.pick(SYMBOLS).copied().unwrap_or_default()
    }
}

fn batch(name: &str, statements: Vec<String>) -> Batch {
    Batch {
        name: name.to_owned(),
        statements,
    }
}
