//! The text in which the built-in layer is kept: one object a line, one field a column, separated
//! by tabs, empty fields at the end of a line left out. Compact, quick to read, and a new version
//! of PostgreSQL shows as a readable difference.
//!
//! Tabs, newlines and backslashes in a value are written `\t`, `\n`, `\\`. Items of a list are
//! separated by blanks; in them a blank is `\s`, and an empty item is `\e`. Flags are letters. The columns are those of the `read` and `write` of each type below.

use super::data::*;
use crate::types::Oid;
use std::borrow::Cow;
use std::fmt::Write as _;
use thiserror::Error;

/// A line that is not what [`write`] writes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}, column {column}: {problem}")]
pub struct TsvError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    pub problem: &'static str,
}

/// An object that is one line.
pub trait Record: Sized {
    fn read(fields: &mut Fields<'_>) -> Result<Self, TsvError>;
    fn write(&self, line: &mut Line);
}

/// Reads one object a line.
pub fn read<T: Record>(text: &str) -> Result<Vec<T>, TsvError> {
    let mut all = Vec::with_capacity(text.len() / 64);
    for (i, line) in text.lines().enumerate() {
        let mut fields = Fields {
            line: i + 1,
            column: 0,
            rest: line.split('\t'),
        };
        let record = T::read(&mut fields)?;
        if fields.rest.next().is_some() {
            fields.column += 1;
            return Err(fields.error("unexpected column"));
        }
        all.push(record);
    }
    Ok(all)
}

/// Writes one object a line.
pub fn write<T: Record>(records: &[T]) -> String {
    let mut text = String::new();
    for record in records {
        let mut line = Line(String::new());
        record.write(&mut line);
        text.push_str(line.0.trim_end_matches('\t'));
        text.push('\n');
    }
    text
}

/// The columns of a line, left to right. A column that is missing is empty.
pub struct Fields<'a> {
    line: usize,
    column: usize,
    rest: std::str::Split<'a, char>,
}

impl<'a> Fields<'a> {
    fn error(&self, problem: &'static str) -> TsvError {
        TsvError {
            line: self.line,
            column: self.column,
            problem,
        }
    }

    fn raw(&mut self) -> &'a str {
        self.column += 1;
        self.rest.next().unwrap_or("")
    }

    fn text(&mut self) -> Result<Cow<'a, str>, TsvError> {
        let raw = self.raw();
        self.unescape(raw)
    }

    fn unescape(&self, raw: &'a str) -> Result<Cow<'a, str>, TsvError> {
        if !raw.contains('\\') {
            return Ok(Cow::Borrowed(raw));
        }
        let mut out = String::with_capacity(raw.len());
        let mut chars = raw.chars();
        while let Some(c) = chars.next() {
            out.push(match c {
                '\\' => match chars.next() {
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('s') => ' ',
                    Some('e') => continue,
                    Some('\\') => '\\',
                    _ => return Err(self.error("bad escape")),
                },
                c => c,
            });
        }
        Ok(Cow::Owned(out))
    }

    /// A number; an empty column is 0.
    fn number<T: std::str::FromStr + Default>(&mut self) -> Result<T, TsvError> {
        match self.raw() {
            "" => Ok(T::default()),
            text => text.parse().map_err(|_| self.error("not a number")),
        }
    }

    fn oid(&mut self) -> Result<Oid, TsvError> {
        self.number().map(Oid)
    }

    fn letter(&mut self) -> Result<char, TsvError> {
        let raw = self.raw();
        let mut chars = raw.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(self.error("not one letter")),
        }
    }

    fn one_of<T: Copy>(&mut self, letters: &[(char, T)]) -> Result<T, TsvError> {
        let letter = self.letter()?;
        let found = letters.iter().find(|(c, _)| *c == letter);
        found
            .map(|x| x.1)
            .ok_or_else(|| self.error("unknown letter"))
    }

    fn list<T>(
        &mut self,
        item: impl Fn(&Self, &'a str) -> Result<T, TsvError>,
    ) -> Result<Vec<T>, TsvError> {
        let raw = self.raw();
        if raw.is_empty() {
            return Ok(Vec::new());
        }
        raw.split(' ').map(|x| item(self, x)).collect()
    }

    fn parse<T: std::str::FromStr>(&self, text: &str) -> Result<T, TsvError> {
        text.parse().map_err(|_| self.error("not a number"))
    }

    fn pair(&self, text: &'a str) -> Result<(&'a str, &'a str), TsvError> {
        text.rsplit_once(':')
            .ok_or_else(|| self.error("not a pair"))
    }
}

/// A line as it grows.
pub struct Line(String);

impl Line {
    fn end(&mut self) {
        self.0.push('\t');
    }

    fn text(&mut self, text: &str) {
        self.escape(text);
        self.end();
    }

    fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\t' => self.0.push_str("\\t"),
                '\n' => self.0.push_str("\\n"),
                '\\' => self.0.push_str("\\\\"),
                c => self.0.push(c),
            }
        }
    }

    fn number<T: std::fmt::Display + Default + PartialEq>(&mut self, number: T) {
        if number != T::default() {
            // Writing to a string cannot fail.
            let _ = write!(self.0, "{number}");
        }
        self.end();
    }

    fn oid(&mut self, oid: Oid) {
        self.number(oid.0);
    }

    fn letter<T: PartialEq>(&mut self, value: T, letters: &[(char, T)]) {
        let found = letters.iter().find(|(_, v)| *v == value);
        self.0.extend(found.map(|(c, _)| *c));
        self.end();
    }

    fn list<T>(&mut self, items: &[T], item: impl Fn(&mut Self, &T)) {
        for (i, x) in items.iter().enumerate() {
            if i > 0 {
                self.0.push(' ');
            }
            item(self, x);
        }
        self.end();
    }

    /// An item of a list: blanks are escaped too, and it is never empty.
    fn item(&mut self, text: &str) {
        if text.is_empty() {
            self.0.push_str("\\e");
        }
        let start = self.0.len();
        self.escape(text);
        if text.contains(' ') {
            let escaped = self.0.split_off(start).replace(' ', "\\s");
            self.0.push_str(&escaped);
        }
    }

    fn flags(&mut self, flags: &[(bool, char)]) {
        self.0.extend(flags.iter().filter(|f| f.0).map(|f| f.1));
        self.end();
    }
}

impl Record for Namespace {
    fn read(f: &mut Fields<'_>) -> Result<Self, TsvError> {
        Ok(Namespace {
            oid: f.oid()?,
            name: f.text()?.into_owned(),
        })
    }

    fn write(&self, line: &mut Line) {
        line.oid(self.oid);
        line.text(&self.name);
    }
}

const TYPE_KINDS: &[(char, TypeKind)] = &[
    ('b', TypeKind::Base),
    ('c', TypeKind::Composite),
    ('d', TypeKind::Domain),
    ('e', TypeKind::Enum),
    ('p', TypeKind::Pseudo),
    ('r', TypeKind::Range),
    ('m', TypeKind::Multirange),
];

impl Record for Type {
    fn read(f: &mut Fields<'_>) -> Result<Self, TsvError> {
        let oid = f.oid()?;
        let name = f.text()?.into_owned();
        let namespace = f.oid()?;
        let kind = f.one_of(TYPE_KINDS)?;
        let category = f.letter()?;
        let flags = f.raw();
        let len = f.number()?;
        let (element, array) = (f.oid()?, f.oid()?);
        let (relation, base) = (f.oid()?, f.oid()?);
        let base_typmod = f.number()?;
        let collation = f.oid()?;
        let (subtype, range) = (f.oid()?, f.oid()?);
        let (eq, lt, gt) = (f.oid()?, f.oid()?, f.oid()?);
        let labels = f.list(|f, x| Ok(f.unescape(x)?.into_owned()))?;
        Ok(Type {
            oid,
            name,
            namespace,
            kind,
            category,
            preferred: flags.contains('p'),
            len,
            element,
            array,
            is_array: flags.contains('a'),
            relation,
            base,
            base_typmod,
            domain_checked: flags.contains('c'),
            collation,
            subtype,
            range,
            equality: eq.is_valid().then(|| Equality {
                eq,
                lt,
                gt,
                equal_image: flags.contains('i'),
                hashable: flags.contains('h'),
            }),
            labels,
        })
    }

    fn write(&self, line: &mut Line) {
        let equality = self.equality;
        line.oid(self.oid);
        line.text(&self.name);
        line.oid(self.namespace);
        line.letter(self.kind, TYPE_KINDS);
        line.text(self.category.encode_utf8(&mut [0; 4]));
        line.flags(&[
            (self.preferred, 'p'),
            (self.is_array, 'a'),
            (self.domain_checked, 'c'),
            (equality.is_some_and(|e| e.equal_image), 'i'),
            (equality.is_some_and(|e| e.hashable), 'h'),
        ]);
        line.number(self.len);
        line.oid(self.element);
        line.oid(self.array);
        line.oid(self.relation);
        line.oid(self.base);
        line.number(self.base_typmod);
        line.oid(self.collation);
        line.oid(self.subtype);
        line.oid(self.range);
        line.oid(equality.map_or(Oid::INVALID, |e| e.eq));
        line.oid(equality.map_or(Oid::INVALID, |e| e.lt));
        line.oid(equality.map_or(Oid::INVALID, |e| e.gt));
        line.list(&self.labels, |line, x| line.item(x));
    }
}

const FUNCTION_KINDS: &[(char, FunctionKind)] = &[
    ('f', FunctionKind::Function),
    ('a', FunctionKind::Aggregate),
    ('w', FunctionKind::Window),
    ('p', FunctionKind::Procedure),
];

const VOLATILITIES: &[(char, Volatility)] = &[
    ('i', Volatility::Immutable),
    ('s', Volatility::Stable),
    ('v', Volatility::Volatile),
];

const AGGREGATE_KINDS: &[(char, Option<AggregateKind>)] = &[
    ('-', None),
    ('n', Some(AggregateKind::Normal)),
    ('o', Some(AggregateKind::OrderedSet)),
    ('h', Some(AggregateKind::Hypothetical)),
];

impl Record for Function {
    fn read(f: &mut Fields<'_>) -> Result<Self, TsvError> {
        let oid = f.oid()?;
        let name = f.text()?.into_owned();
        let namespace = f.oid()?;
        let kind = f.one_of(FUNCTION_KINDS)?;
        let volatility = f.one_of(VOLATILITIES)?;
        let flags = f.raw();
        let result = f.oid()?;
        let args = f.list(|f, x| f.parse(x).map(Oid))?;
        let aggregate_kind = f.one_of(AGGREGATE_KINDS)?;
        let (direct_args, sort_operator) = (f.number()?, f.oid()?);
        let variadic = f.oid()?;
        let defaults = f.number()?;
        let arg_names = f.list(|f, x| Ok(f.unescape(x)?.into_owned()))?;
        let out_args = f.list(|f, x| {
            let (name, ty) = f.pair(x)?;
            Ok((f.unescape(name)?.into_owned(), Oid(f.parse(ty)?)))
        })?;
        let default_exprs = f.list(|f, x| Ok(f.unescape(x)?.into_owned()))?;
        Ok(Function {
            oid,
            name,
            namespace,
            kind,
            args,
            arg_names,
            defaults,
            default_exprs,
            variadic,
            result,
            out_args,
            returns_set: flags.contains('r'),
            strict: flags.contains('s'),
            volatility,
            leakproof: flags.contains('l'),
            aggregate: aggregate_kind.map(|kind| Aggregate {
                kind,
                direct_args,
                sort_operator,
            }),
        })
    }

    fn write(&self, line: &mut Line) {
        let aggregate = self.aggregate.as_ref();
        line.oid(self.oid);
        line.text(&self.name);
        line.oid(self.namespace);
        line.letter(self.kind, FUNCTION_KINDS);
        line.letter(self.volatility, VOLATILITIES);
        line.flags(&[
            (self.returns_set, 'r'),
            (self.strict, 's'),
            (self.leakproof, 'l'),
        ]);
        line.oid(self.result);
        line.list(&self.args, |line, x| line.0.push_str(&x.0.to_string()));
        line.letter(aggregate.map(|a| a.kind), AGGREGATE_KINDS);
        line.number(aggregate.map_or(0, |a| a.direct_args));
        line.oid(aggregate.map_or(Oid::INVALID, |a| a.sort_operator));
        line.oid(self.variadic);
        line.number(self.defaults);
        line.list(&self.arg_names, |line, x| line.item(x));
        line.list(&self.out_args, |line, (name, ty)| {
            line.item(name);
            let _ = write!(line.0, ":{ty}");
        });
        line.list(&self.default_exprs, |line, x| line.item(x));
    }
}

impl Record for Operator {
    fn read(f: &mut Fields<'_>) -> Result<Self, TsvError> {
        let oid = f.oid()?;
        let name = f.text()?.into_owned();
        let namespace = f.oid()?;
        let (left, right, result) = (f.oid()?, f.oid()?, f.oid()?);
        let function = f.oid()?;
        let (commutator, negator) = (f.oid()?, f.oid()?);
        let flags = f.raw();
        let btree = f.list(|f, x| {
            let (family, strategy) = f.pair(x)?;
            Ok((Oid(f.parse(family)?), f.parse(strategy)?))
        })?;
        Ok(Operator {
            oid,
            name,
            namespace,
            left,
            right,
            result,
            function,
            commutator,
            negator,
            can_hash: flags.contains('h'),
            can_merge: flags.contains('m'),
            btree,
        })
    }

    fn write(&self, line: &mut Line) {
        line.oid(self.oid);
        line.text(&self.name);
        line.oid(self.namespace);
        line.oid(self.left);
        line.oid(self.right);
        line.oid(self.result);
        line.oid(self.function);
        line.oid(self.commutator);
        line.oid(self.negator);
        line.flags(&[(self.can_hash, 'h'), (self.can_merge, 'm')]);
        line.list(&self.btree, |line, (family, strategy)| {
            let _ = write!(line.0, "{family}:{strategy}");
        });
    }
}

const CONTEXTS: &[(char, CastContext)] = &[
    ('i', CastContext::Implicit),
    ('a', CastContext::Assignment),
    ('e', CastContext::Explicit),
];

impl Record for Cast {
    fn read(f: &mut Fields<'_>) -> Result<Self, TsvError> {
        let (source, target) = (f.oid()?, f.oid()?);
        let context = f.one_of(CONTEXTS)?;
        let method = match f.letter()? {
            'b' => CastMethod::Binary,
            'i' => CastMethod::InOut,
            'f' => CastMethod::Function(f.oid()?),
            _ => return Err(f.error("unknown letter")),
        };
        Ok(Cast {
            source,
            target,
            context,
            method,
        })
    }

    fn write(&self, line: &mut Line) {
        line.oid(self.source);
        line.oid(self.target);
        line.letter(self.context, CONTEXTS);
        match self.method {
            CastMethod::Binary => line.text("b"),
            CastMethod::InOut => line.text("i"),
            CastMethod::Function(oid) => {
                line.text("f");
                line.oid(oid);
            }
        }
    }
}

impl Record for Collation {
    fn read(f: &mut Fields<'_>) -> Result<Self, TsvError> {
        Ok(Collation {
            oid: f.oid()?,
            name: f.text()?.into_owned(),
            namespace: f.oid()?,
            deterministic: f.raw() == "d",
        })
    }

    fn write(&self, line: &mut Line) {
        line.oid(self.oid);
        line.text(&self.name);
        line.oid(self.namespace);
        line.flags(&[(self.deterministic, 'd')]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> Function {
        Function {
            oid: Oid(1),
            name: "odd\tname\\".into(),
            namespace: Oid(11),
            kind: FunctionKind::Aggregate,
            args: vec![Oid(23), Oid(25)],
            arg_names: vec!["a b".into(), String::new()],
            defaults: 2,
            default_exprs: vec!["'x y'::text".into(), "1\n".into()],
            variadic: Oid(25),
            result: Oid(2249),
            out_args: vec![("x:y \\e".into(), Oid(16)), (String::new(), Oid(17))],
            returns_set: true,
            strict: false,
            volatility: Volatility::Stable,
            leakproof: true,
            aggregate: Some(Aggregate {
                kind: AggregateKind::OrderedSet,
                direct_args: 1,
                sort_operator: Oid(97),
            }),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut unnamed = function();
        unnamed.arg_names = vec![String::new()];
        unnamed.aggregate = None;
        let both = vec![function(), unnamed];
        assert_eq!(read::<Function>(&write(&both)), Ok(both));
    }

    #[test]
    fn says_where_a_line_is_wrong() {
        let wrong = write(&[function()]).replace("23 25", "23 x");
        let error = read::<Function>(&wrong).unwrap_err();
        assert_eq!((error.line, error.column), (1, 8));
        let error = read::<Namespace>("1\ta\n2\tb\tc\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 3));
        assert_eq!(error.problem, "unexpected column");
    }
}
