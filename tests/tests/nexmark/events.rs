//! Events of the auction house, the same for the same seed: of every 50, one is a new person, three
//! are new auctions, the others are bids, most of them on recent auctions and by recent people. Time
//! goes on with each event. Between refreshes, things are corrected, too: rows are updated, moved to
//! other keys and windows, deleted, and come late.

use harness::suite::Batch;
use spec::tape::Tape;

const STATES: &[&str] = &["OR", "ID", "CA", "WA", "AZ"];
const CITIES: &[&str] = &["Portland", "Boise", "Palo Alto", "Seattle", "Phoenix"];
const NAMES: &[&str] = &["Peter Jones", "Vicky Smith", "Kate White", "Saul Noris"];
const CHANNELS: &[&str] = &[
    "apple",
    "Google",
    "FACEBOOK",
    "baidu",
    "channel-17",
    "other",
];

/// Milliseconds from one event to the next.
const PACE: usize = 700;
/// New bids are on one of so many last auctions, by one of so many last people.
const RECENT: usize = 8;

pub struct House {
    tape: Tape,
    events: usize,
    people: usize,
    auctions: usize,
}

impl House {
    pub fn new(seed: u64) -> House {
        House {
            tape: Tape::seeded(seed, 200_000),
            events: 0,
            people: 0,
            auctions: 0,
        }
    }

    /// The next events.
    pub fn events(&mut self, count: usize) -> Batch {
        let statements = (0..count).map(|_| self.event()).collect();
        batch("events", statements)
    }

    /// What happened otherwise than was said.
    pub fn corrections(&mut self) -> Batch {
        let mut statements = self.events(10).statements;
        let (auction, other) = (self.auction(), self.auction());
        let (person, seller) = (self.person(), self.person());
        let category = 10 + self.tape.below(3);
        let state = one(&mut self.tape, STATES);
        let past = self.tape.between(1, self.events.max(1));
        statements.extend([
            format!("UPDATE bid SET price = price + 37 WHERE auction = {auction}"),
            format!("UPDATE bid SET auction = {other} WHERE auction = {auction} AND price % 2 = 0"),
            format!("UPDATE bid SET bidder = {person} WHERE price % 7 = 1"),
            "UPDATE bid SET channel = 'apple' WHERE channel = 'baidu' AND price % 3 = 0".to_owned(),
            format!("UPDATE bid SET at = at + interval '9 seconds' WHERE bidder = {person}"),
            format!("UPDATE auction SET expires = expires + interval '20 seconds' WHERE id = {other}"),
            format!("UPDATE auction SET seller = {seller}, category = {category} WHERE id = {auction}"),
            format!("UPDATE person SET state = '{state}' WHERE id = {seller}"),
            // Late.
            format!(
                "INSERT INTO bid SELECT auction, bidder, price + 5, channel, url, {}, extra FROM bid WHERE price % 11 = 3",
                time(past)
            ),
        ]);
        batch("corrections", statements)
    }

    /// Auctions, people and bids that are gone, the best bids among them.
    pub fn withdrawals(&mut self) -> Batch {
        let mut statements = self.events(10).statements;
        let (auction, person) = (self.auction(), self.person());
        let past = self.tape.between(1, self.events.max(1));
        statements.extend([
            "DELETE FROM bid AS b WHERE price = (SELECT max(price) FROM bid AS o WHERE o.auction = b.auction) \
             AND auction % 3 = 0"
                .to_owned(),
            format!("DELETE FROM auction WHERE id = {auction}"),
            format!("DELETE FROM person WHERE id = {person}"),
            format!("DELETE FROM bid WHERE bidder = {person} AND price % 2 = 1"),
            format!("DELETE FROM bid WHERE at BETWEEN {0} AND {0} + interval '15 seconds'", time(past)),
        ]);
        batch("withdrawals", statements)
    }

    /// The same bids once more, and what one transaction gives and takes.
    pub fn repetitions(&mut self) -> Batch {
        let auction = self.auction();
        let mut statements = vec![
            format!("INSERT INTO bid SELECT * FROM bid WHERE auction IN ({auction}, {auction} + 1)"),
            "INSERT INTO bid SELECT auction, bidder, 99999, channel, url, at, 'c' FROM bid WHERE price % 5 = 0"
                .to_owned(),
            "DELETE FROM bid WHERE price = 99999".to_owned(),
            "UPDATE auction SET category = category + 1".to_owned(),
            "UPDATE auction SET category = category - 1".to_owned(),
        ];
        statements.extend(self.events(3).statements);
        batch("repetitions", statements)
    }

    /// No bid is left.
    pub fn silence(&mut self) -> Batch {
        batch("silence", vec!["DELETE FROM bid".to_owned()])
    }

    fn event(&mut self) -> String {
        self.events += 1;
        let at = time(self.events);
        let tape = &mut self.tape;
        match self.events % 50 {
            1 => {
                self.people += 1;
                let place = tape.below(STATES.len());
                let (state, city) = (STATES[place], CITIES[place]);
                let (id, name) = (self.people, one(tape, NAMES));
                format!(
                    "INSERT INTO person VALUES ({id}, '{name}', 'p{id}@example.org', '{:04} {id:04}', '{city}', '{state}', {at}, NULL)",
                    tape.below(10_000)
                )
            }
            2..=4 => {
                self.auctions += 1;
                let id = self.auctions;
                let low = 100 * tape.between(1, 20);
                let (reserve, category) = (low + tape.below(500), 10 + tape.below(3));
                let open = tape.between(10, 60);
                format!(
                    "INSERT INTO auction VALUES ({id}, 'item {id}', 'of category {category}', {low}, {reserve}, {at}, \
                     {at} + interval '{open} seconds', {}, {category}, NULL)",
                    self.person()
                )
            }
            _ => {
                let price = 100 * tape.between(1, 120) + tape.below(100);
                let channel = one(tape, CHANNELS);
                let path: Vec<String> = (0..3).map(|_| format!("d{}", tape.below(4))).collect();
                let extra = match tape.below(4) {
                    0 => "NULL",
                    1 => "'cc b c'",
                    2 => "''",
                    _ => "'abc'",
                };
                let query = match tape.below(3) {
                    0 => "?query=1".to_owned(),
                    _ => format!("?query=1&channel_id={}", tape.below(5)),
                };
                let (auction, bidder) = (self.auction(), self.person());
                format!(
                    "INSERT INTO bid VALUES ({auction}, {bidder}, {price}, '{channel}', \
                     'https://example.org/{}/item.htm{query}', {at}, {extra})",
                    path.join("/")
                )
            }
        }
    }

    /// A recent auction; one in ten is any.
    fn auction(&mut self) -> usize {
        recent(&mut self.tape, self.auctions)
    }

    fn person(&mut self) -> usize {
        recent(&mut self.tape, self.people)
    }
}

fn recent(tape: &mut Tape, count: usize) -> usize {
    let first = match tape.percent(10) {
        true => 1,
        false => count.saturating_sub(RECENT) + 1,
    };
    tape.between(first, count.max(first))
}

fn one(tape: &mut Tape, of: &'static [&'static str]) -> &'static str {
    tape.pick(of).copied().unwrap_or_default()
}

/// When an event happens.
fn time(event: usize) -> String {
    let ms = event * PACE;
    format!("timestamp '2026-01-01 23:55:00' + interval '{ms} milliseconds'")
}

fn batch(name: &str, statements: Vec<String>) -> Batch {
    Batch {
        name: name.to_owned(),
        statements,
    }
}
