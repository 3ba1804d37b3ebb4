//! SQL text to PostgreSQL's own raw parse tree (libpg_query, the grammar of PostgreSQL 18).
//!
//! The tree is the protobuf form of `pg_query`: positions in it are byte offsets into the text.
//! Nothing is looked up here; names and types are the matter of binding.

mod nesting;
mod raw;

use pg_query::protobuf;
use prost::Message as _;
use spec::{ReasonCode, Span};
use std::ffi::CString;

/// The raw parse tree of a text: its statements, none to many.
pub type ParseTree = protobuf::ParseResult;

/// How many messages may nest. One operator is two of them (the operator and the `Node` that
/// holds it), so about 245 chained operators fit. The rest of the compiler may recurse on the tree.
pub const MAX_NESTING: usize = 500;

/// Why a text has no parse tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// PostgreSQL's scanner or grammar rejects the text.
    #[error("{message}")]
    Syntax { message: String, span: Option<Span> },
    /// The text nests deeper than [`MAX_NESTING`], or than PostgreSQL's parser itself can take.
    #[error("the query is nested too deeply")]
    TooDeep,
    /// PostgreSQL's text has no NUL.
    #[error("the query contains a NUL byte")]
    Nul { span: Span },
    /// The parser's answer cannot be read: a defect of this program, not of the query.
    #[error("the parser returned an unreadable tree: {message}")]
    Internal { message: String },
}

impl ParseError {
    pub fn code(&self) -> ReasonCode {
        match self {
            ParseError::TooDeep => ReasonCode::TooDeep,
            ParseError::Syntax { .. } | ParseError::Nul { .. } | ParseError::Internal { .. } => {
                ReasonCode::Syntax
            }
        }
    }

    /// Where in the text, in bytes; the span of a syntax error is the token it points at.
    pub fn span(&self) -> Option<Span> {
        match self {
            ParseError::Syntax { span, .. } => *span,
            ParseError::Nul { span } => Some(*span),
            ParseError::TooDeep | ParseError::Internal { .. } => None,
        }
    }

    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ParseError::TooDeep => Some(
                "Write long chains of operators with parentheses that balance them, or move \
                 parts of the query into views.",
            ),
            _ => None,
        }
    }
}

/// Parses `sql`, which may hold several statements.
pub fn parse(sql: &str) -> Result<ParseTree, ParseError> {
    let text = CString::new(sql).map_err(|error| {
        let at = error.nul_position();
        ParseError::Nul {
            span: span(at, at + 1),
        }
    })?;
    let bytes = raw::parse(&text).map_err(|error| classify(sql, error))?;
    if nesting::depth(&bytes, MAX_NESTING) > MAX_NESTING {
        return Err(ParseError::TooDeep);
    }
    ParseTree::decode(bytes.as_slice()).map_err(|error| ParseError::Internal {
        message: error.to_string(),
    })
}

/// libpg_query has limits of its own on depth, which it reports as errors of three kinds.
fn classify(sql: &str, error: raw::RawError) -> ParseError {
    let raw::RawError { message, cursor } = error;
    if message.starts_with("stack depth limit exceeded")
        || message.starts_with("memory exhausted at or near")
        || message.starts_with("parse tree is nested too deeply")
    {
        return ParseError::TooDeep;
    }
    ParseError::Syntax {
        span: token_at(sql, cursor),
        message,
    }
}

/// The word, or the single other character, at the character `cursor` (from 1).
fn token_at(sql: &str, cursor: usize) -> Option<Span> {
    let (start, _) = sql
        .char_indices()
        .chain([(sql.len(), ' ')])
        .nth(cursor.checked_sub(1)?)?;
    let rest = &sql[start..];
    let word = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let len = if word > 0 {
        word
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    };
    Some(span(start, start + len))
}

/// A text of 4 GB does not fit into a PostgreSQL value, so positions always fit.
fn span(start: usize, end: usize) -> Span {
    let saturate = |at| u32::try_from(at).unwrap_or(u32::MAX);
    Span {
        start: saturate(start),
        end: saturate(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_query::NodeEnum;

    fn error_at(sql: &str) -> (String, &str) {
        let error = parse(sql).expect_err("must not parse");
        assert_eq!(error.code(), ReasonCode::Syntax);
        let span = error.span().expect("a syntax error has a place");
        (
            error.to_string(),
            &sql[span.start as usize..span.end as usize],
        )
    }

    fn chain(operators: usize) -> String {
        format!("SELECT 1{}", " + 1".repeat(operators))
    }

    #[test]
    fn returns_the_tree() {
        let tree = parse("SELECT a FROM t; SELECT 2").expect("parses");
        assert_eq!(tree.stmts.len(), 2);
        assert_eq!(tree.version / 10_000, 18);
        let node = tree.stmts[0].stmt.as_ref().and_then(|s| s.node.as_ref());
        let Some(NodeEnum::SelectStmt(select)) = node else {
            panic!("a SELECT, not {node:?}")
        };
        assert_eq!((select.target_list.len(), select.from_clause.len()), (1, 1));
        assert_eq!(
            parse("").expect("no statement is a text too").stmts.len(),
            0
        );
    }

    #[test]
    fn an_error_has_a_place() {
        assert_eq!(
            error_at("SELECT a FORM t GROUP"),
            (r#"syntax error at or near "t""#.into(), "t")
        );
        assert_eq!(
            error_at("SELECT ("),
            ("syntax error at end of input".into(), "")
        );
        assert_eq!(
            error_at("SELECT 'ü', é FROM FROM t"),
            (r#"syntax error at or near "FROM""#.into(), "FROM")
        );
        assert_eq!(error_at("SELECT 'open").1, "'");
        assert_eq!(
            parse("SELECT 'a\0b'"),
            Err(ParseError::Nul { span: span(9, 10) })
        );
    }

    #[test]
    fn long_chains_parse_up_to_the_bound() {
        parse(&chain(200)).expect("200 operators parse");
        parse(&chain(244)).expect("244 operators parse");
        assert_eq!(parse(&chain(260)), Err(ParseError::TooDeep));
        parse(&format!("SELECT true{}", " AND true".repeat(10_000))).expect("AND is flat");
    }

    #[test]
    fn hostile_depth_is_an_error() {
        let deep = 100_000;
        let parens = format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep));
        assert_eq!(parse(&parens), Err(ParseError::TooDeep));
        assert_eq!(parse(&chain(1_000_000)), Err(ParseError::TooDeep));
        let not = format!("SELECT {}true", "NOT ".repeat(deep));
        assert_eq!(parse(&not), Err(ParseError::TooDeep));
        let queries = format!(
            "{}SELECT 1{}",
            "SELECT * FROM (".repeat(2_000),
            ") t".repeat(2_000)
        );
        assert_eq!(parse(&queries), Err(ParseError::TooDeep));
        // The state of the parser survives its own errors.
        parse("SELECT 1").expect("parses after errors");
    }

    #[test]
    fn deep_trees_fit_small_stacks() {
        let sql = chain(244);
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let parsed = small.spawn(move || parse(&sql).map(|tree| tree.clone() == tree));
        assert_eq!(
            parsed.expect("a thread").join().expect("no overflow"),
            Ok(true)
        );
    }

    #[test]
    fn long_strings_are_not_deep() {
        for c in ['\n', ' ', 'z', '*', 'ü', '漢'] {
            let sql = format!("SELECT '{}'", String::from(c).repeat(100_000));
            parse(&sql).unwrap_or_else(|error| panic!("{c:?}: {error}"));
        }
    }

    #[test]
    fn many_warnings_do_not_block() {
        parse(&"CREATE GLOBAL TEMP TABLE t (); ".repeat(10_000)).expect("parses");
    }
}
