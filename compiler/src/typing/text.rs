//! Names in text: of types in messages, of objects in literals, and where a token ends.

use spec::catalog::Catalog;
use spec::types::{Oid, oids};

/// Bytes of the token at the start of a text.
pub(super) fn token_length(rest: &str) -> usize {
    let Some(first) = rest.chars().next() else {
        return 0;
    };
    let while_ = |keep: &dyn Fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
    match first {
        '"' | '\'' => {
            // A doubled quote stands for itself.
            let mut chars = rest.char_indices().skip(1).peekable();
            while let Some((at, c)) = chars.next() {
                if c == first {
                    match chars.peek() {
                        Some((_, next)) if *next == first => {
                            chars.next();
                        }
                        _ => return at + c.len_utf8(),
                    }
                }
            }
            rest.len()
        }
        c if c.is_alphanumeric() || c == '_' => {
            while_(&|c| c.is_alphanumeric() || c == '_' || c == '$')
        }
        c if "+-*/<>=~!@#%^&|`?:".contains(c) => while_(&|c| "+-*/<>=~!@#%^&|`?:".contains(c)),
        c => c.len_utf8(),
    }
}

/// `a."B"` as its parts, folded to lower case where they are not quoted. None if it is not a name.
pub(super) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![];
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let length = token_length(rest);
            let inner = quoted.get(..length.checked_sub(2)?)?;
            if !rest.get(..length)?.ends_with('"') || inner.is_empty() {
                return None;
            }
            parts.push(inner.replace("\"\"", "\""));
            rest = rest.get(length..)?;
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            if word.is_empty() {
                return None;
            }
            parts.push(word.to_lowercase());
            rest = after;
        }
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix('.')?.trim_start();
    }
}

/// A type as PostgreSQL's messages call it (`format_type`).
pub(super) fn type_name(catalog: &Catalog, oid: Oid, typmod: i32) -> String {
    let Some(ty) = catalog.ty(oid) else {
        return if oid.is_valid() {
            format!("??? ({oid})")
        } else {
            "-".into()
        };
    };
    if ty.is_array && ty.element.is_valid() && ty.name.starts_with('_') {
        return format!("{}[]", type_name(catalog, ty.element, typmod));
    }
    let length = |base: &str| match typmod {
        t if t > 4 => format!("{base}({})", t - 4),
        _ => base.to_owned(),
    };
    let precision = |base: &str, zone: &str| match typmod {
        t if t >= 0 => format!("{base}({t}){zone}"),
        _ => format!("{base}{zone}"),
    };
    let bits = |base: &str| match typmod {
        t if t > 0 => format!("{base}({t})"),
        _ => base.to_owned(),
    };
    match oid {
        oids::BOOL => "boolean".into(),
        oids::CHAR => "\"char\"".into(),
        oids::INT2 => "smallint".into(),
        oids::INT4 => "integer".into(),
        oids::INT8 => "bigint".into(),
        oids::FLOAT4 => "real".into(),
        oids::FLOAT8 => "double precision".into(),
        oids::BPCHAR => length("character"),
        oids::VARCHAR => length("character varying"),
        oids::NUMERIC => numeric_name(typmod),
        oids::TIME => precision("time", " without time zone"),
        oids::TIMETZ => precision("time", " with time zone"),
        oids::TIMESTAMP => precision("timestamp", " without time zone"),
        oids::TIMESTAMPTZ => precision("timestamp", " with time zone"),
        oids::INTERVAL => interval_name(typmod),
        oids::BIT => bits("bit"),
        oids::VARBIT => bits("bit varying"),
        _ => match catalog.type_named(None, &ty.name) {
            Some(visible) if visible.oid == oid => ty.name.clone(),
            _ => match catalog.namespace(ty.namespace) {
                Some(namespace) => format!("{}.{}", namespace.name, ty.name),
                None => ty.name.clone(),
            },
        },
    }
}

/// The fields of an interval are a set in the upper half of its typmod, the precision is the lower.
fn interval_name(typmod: i32) -> String {
    if typmod < 0 {
        return "interval".into();
    }
    const NAMES: [(i32, &str); 6] = [
        (2, "year"),
        (1, "month"),
        (3, "day"),
        (10, "hour"),
        (11, "minute"),
        (12, "second"),
    ];
    let set = (typmod >> 16) & 0x7fff;
    let fields: Vec<&str> = NAMES
        .iter()
        .filter(|(bit, _)| set & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect();
    let fields = match (set, fields.as_slice()) {
        (0x7fff, _) | (_, []) => String::new(),
        (_, [only]) => format!(" {only}"),
        (_, [first, .., last]) => format!(" {first} to {last}"),
    };
    match typmod & 0xffff {
        0xffff => format!("interval{fields}"),
        precision => format!("interval{fields}({precision})"),
    }
}

fn numeric_name(typmod: i32) -> String {
    if typmod < 4 {
        return "numeric".into();
    }
    let precision = ((typmod - 4) >> 16) & 0xffff;
    // Eleven bits in two's complement.
    let scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    format!("numeric({precision},{scale})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        for (text, token) in [
            ("abc + 1", "abc"),
            ("\"a \"\" b\" x", "\"a \"\" b\""),
            ("'it''s' x", "'it''s'"),
            ("<= 1", "<="),
            ("(1)", "("),
            ("", ""),
            ("été x", "été"),
        ] {
            assert_eq!(&text[..token_length(text)], token);
        }
    }

    #[test]
    fn names() {
        assert_eq!(
            split_name("Public.\"T x\""),
            Some(vec!["public".into(), "T x".into()])
        );
        assert_eq!(split_name("a b"), None);
        assert_eq!(split_name("\"\""), None);
        assert_eq!(split_name("\"open"), None);
        assert_eq!(split_name("a."), None);
    }

    #[test]
    fn types_by_their_sql_names() {
        let catalog = Catalog::builtin();
        let name = |oid, typmod| type_name(&catalog, Oid(oid), typmod);
        assert_eq!(name(1043, 14), "character varying(10)");
        assert_eq!(name(1700, ((12 << 16) | 2) + 4), "numeric(12,2)");
        assert_eq!(name(1700, ((3 << 16) | (-2 & 0x7ff)) + 4), "numeric(3,-2)");
        assert_eq!(name(1007, -1), "integer[]");
        assert_eq!(name(1184, 3), "timestamp(3) with time zone");
        assert_eq!(name(3802, -1), "jsonb");
        assert_eq!(name(1186, (1 << 18) | 0xffff), "interval year");
        assert_eq!(name(1186, (0x7fff << 16) | 3), "interval(3)");
        assert_eq!(name(1186, (0x1c08 << 16) | 2), "interval day to second(2)");
    }
}
