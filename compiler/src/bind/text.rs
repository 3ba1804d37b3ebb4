//! The text of a query, and places in it.
//!
//! The parse tree says where names and expressions stand, but not where keywords do. A keyword is
//! found from the nearest place that is known: `LEFT JOIN` is the last JOIN before the right side.

use spec::Span;

/// The text into which the locations of a parse tree point; none for the definition of a view,
/// which users did not write in this place.
pub(super) struct Text {
    tokens: Vec<Token>,
}

struct Token {
    span: Span,
    /// In upper case; empty for what is not a word.
    word: String,
}

impl Text {
    pub(super) fn new(sql: Option<&str>) -> Text {
        let scanned = sql.and_then(|sql| Some((sql, pg_query::scan(sql).ok()?)));
        let tokens = scanned.map(|(sql, scanned)| {
            let token = |t: pg_query::protobuf::ScanToken| {
                let span = Span {
                    start: u32::try_from(t.start).ok()?,
                    end: u32::try_from(t.end).ok()?,
                };
                let text = sql.get(span.start as usize..span.end as usize)?;
                let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let word = if is_word {
                    text.to_ascii_uppercase()
                } else {
                    String::new()
                };
                Some(Token { span, word })
            };
            scanned.tokens.into_iter().filter_map(token).collect()
        });
        Text {
            tokens: tokens.unwrap_or_default(),
        }
    }

    /// The last occurrence of one of these words before `location`, together with the words of
    /// `before` that stand directly before it (`LEFT OUTER` before `JOIN`).
    pub(super) fn keyword_before(
        &self,
        location: Option<i32>,
        words: &[&str],
        before: &[&str],
    ) -> Option<Span> {
        let end = self.token_at(location?)?;
        let at = (0..end)
            .rev()
            .find(|&i| words.contains(&self.tokens[i].word.as_str()))?;
        let first = (0..at)
            .rev()
            .take_while(|&i| before.contains(&self.tokens[i].word.as_str()))
            .last()
            .unwrap_or(at);
        Some(self.between(first, at))
    }

    /// The first occurrence of these words, one directly after the other, at or behind `location`.
    pub(super) fn words_after(&self, location: Option<i32>, words: &[&str]) -> Option<Span> {
        let start = location.map_or(Some(0), |l| self.token_at(l))?;
        let at = (start..self.tokens.len()).find(|&i| {
            words
                .iter()
                .enumerate()
                .all(|(k, w)| self.tokens.get(i + k).is_some_and(|t| t.word == *w))
        })?;
        Some(self.between(at, at + words.len().saturating_sub(1)))
    }

    /// The first token that does not end before `location`.
    fn token_at(&self, location: i32) -> Option<usize> {
        let location = u32::try_from(location).ok()?;
        let at = self.tokens.partition_point(|t| t.span.end <= location);
        (at < self.tokens.len()).then_some(at)
    }

    fn between(&self, first: usize, last: usize) -> Span {
        Span {
            start: self.tokens[first].span.start,
            end: self.tokens[last].span.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(sql: &str, span: Option<Span>) -> Option<&str> {
        span.map(|s| &sql[s.start as usize..s.end as usize])
    }

    #[test]
    fn keywords_are_found_from_what_stands_behind_them() {
        let sql = "select * from a left  outer join b on a.x = b.x join c using (x) limit 3";
        let text = Text::new(Some(sql));
        let at = |what: &str| sql.find(what).map(|i| i as i32);
        let join = |l| text.keyword_before(l, &["JOIN"], &["LEFT", "OUTER"]);
        assert_eq!(slice(sql, join(at("b on"))), Some("left  outer join"));
        assert_eq!(slice(sql, join(at("c using"))), Some("join"));
        assert_eq!(slice(sql, join(at("a left"))), None);
        assert_eq!(join(None), None);
    }

    #[test]
    fn words_in_strings_and_quotes_are_not_keywords() {
        let sql = r#"select 'for update', "for" from t for no key update"#;
        let text = Text::new(Some(sql));
        let found = text.words_after(None, &["FOR", "NO"]);
        assert_eq!(slice(sql, found), Some("for no"));
        assert_eq!(text.words_after(None, &["FOR", "UPDATE"]), None);
        assert_eq!(Text::new(None).words_after(None, &["FOR"]), None);
    }
}
