//! Names and literals in SQL text: the only place where either is quoted.

/// PostgreSQL truncates longer identifiers, so none may be longer.
pub const MAX_IDENT: usize = 63;

/// Every keyword of PostgreSQL 18 that cannot stand for any name (`pg_get_keywords`, all but
/// category U), in order: each identifier that is printed is looked up here.
#[rustfmt::skip]
const KEYWORDS: [&str; 164] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "between", "bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character",
    "check", "coalesce", "collate", "collation", "column", "concurrently", "constraint", "create",
    "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc",
    "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float",
    "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having",
    "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into",
    "is", "isnull", "join", "json", "json_array", "json_arrayagg", "json_exists", "json_object",
    "json_objectagg", "json_query", "json_scalar", "json_serialize", "json_table", "json_value",
    "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp",
    "merge_action", "national", "natural", "nchar", "none", "normalize", "not", "notnull", "null",
    "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps",
    "overlay", "placing", "position", "precision", "primary", "real", "references", "returning",
    "right", "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring",
    "symmetric", "system_user", "table", "tablesample", "then", "time", "timestamp", "to",
    "trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values", "varchar",
    "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat",
    "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
    "xmlserialize", "xmltable",
];

fn plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    first
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && KEYWORDS.binary_search(&name).is_err()
}

/// An identifier, quoted where it must be.
pub fn ident(name: &str) -> String {
    if plain(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A string literal, the same under both values of `standard_conforming_strings`.
pub fn string(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// The longest prefix of `name` that leaves room for `suffix`, and the suffix.
pub fn fit(name: &str, suffix: &str) -> String {
    let mut end = name.len().min(MAX_IDENT.saturating_sub(suffix.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// Hands out names that are unique among themselves: `orders`, `orders_1`, …
#[derive(Clone, Debug, Default)]
pub struct Namer {
    taken: std::collections::HashSet<String>,
}

impl Namer {
    /// A namer that will not give these names away.
    pub fn reserving<'a>(names: impl IntoIterator<Item = &'a str>) -> Namer {
        Namer {
            taken: names.into_iter().map(str::to_owned).collect(),
        }
    }

    pub fn unique(&mut self, wish: &str) -> String {
        let wish = if wish.is_empty() { "column" } else { wish };
        let mut name = fit(wish, "");
        let mut n = 0;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = fit(wish, &format!("_{n}"));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for (name, want) in [
            ("orders", "orders"),
            ("_x1", "_x1"),
            ("1x", "\"1x\""),
            ("Orders", "\"Orders\""),
            ("select", "\"select\""),
            ("user", "\"user\""),
            ("timestamp", "\"timestamp\""),
            ("name", "name"),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("\"; DROP TABLE x; --", "\"\"\"; DROP TABLE x; --\""),
            ("größe", "\"größe\""),
            ("a$b", "\"a$b\""),
            ("", "\"\""),
        ] {
            assert_eq!(ident(name), want);
        }
    }

    #[test]
    fn keywords_are_in_order() {
        assert!(KEYWORDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn strings() {
        assert_eq!(string("it's"), "'it''s'");
        assert_eq!(string("a\\'b"), "E'a\\\\''b'");
        assert_eq!(string(""), "''");
    }

    #[test]
    fn names_fit_and_stay_unique() {
        let long = "é".repeat(40);
        let mut namer = Namer::reserving(["w"]);
        let first = namer.unique(&long);
        let second = namer.unique(&long);
        assert_eq!(first.len(), 62);
        assert!(second.len() <= MAX_IDENT && second.ends_with("_1") && first != second);
        assert_eq!(namer.unique("w"), "w_1");
        assert_eq!(namer.unique("w"), "w_2");
        let exact = "x".repeat(63);
        assert_eq!(namer.unique(&exact), exact);
        assert_eq!(namer.unique(&exact), format!("{}_1", "x".repeat(61)));
    }
}
