//! Typed scalar expressions: what binding leaves behind.
//!
//! Everything is resolved: functions, operators and casts by OID, columns by position in the
//! node's input, constructs with implicit operator look-up (`IN`, `BETWEEN`, `CASE x WHEN`, row
//! comparison, `USING`) desugared to bound operators. Expressions are shared trees: cloning is a
//! reference count, and comparing, ordering and hashing are structural, so that they can be
//! payload of hash-consed nodes.

use crate::types::{ColType, Oid, SqlType};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A typed expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Expr(Arc<Hashed>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Node {
    kind: ExprKind,
    ty: SqlType,
}

/// A node that knows its hash: those of the nodes below it are not computed again for each one above.
struct Hashed {
    node: Node,
    hash: u64,
}

impl From<Node> for Hashed {
    fn from(node: Node) -> Hashed {
        let mut hasher = DefaultHasher::new();
        node.hash(&mut hasher);
        Hashed {
            hash: hasher.finish(),
            node,
        }
    }
}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Hashed {
    fn eq(&self, other: &Hashed) -> bool {
        self.hash == other.hash && self.node == other.node
    }
}

impl Eq for Hashed {}

impl PartialOrd for Hashed {
    fn partial_cmp(&self, other: &Hashed) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hashed {
    fn cmp(&self, other: &Hashed) -> std::cmp::Ordering {
        match std::ptr::eq(self, other) {
            true => std::cmp::Ordering::Equal,
            false => self.node.cmp(&other.node),
        }
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl Serialize for Hashed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.node.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hashed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hashed, D::Error> {
        Node::deserialize(deserializer).map(Hashed::from)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BoolTest {
    IsTrue,
    IsNotTrue,
    IsFalse,
    IsNotFalse,
    IsUnknown,
    IsNotUnknown,
}

/// How a coercion works; `InOut` goes through the text representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Coercion {
    /// Calls a cast function; also the length coercion of a type to itself.
    Function(Oid),
    InOut,
    /// Same image, other type (also to a domain without constraints, and COLLATE-free typmod
    /// changes).
    Relabel,
    /// Element by element, each by the function (or by relabelling where invalid).
    Array(Oid),
    /// To a domain; checks its constraints.
    Domain,
    /// A row to a composite type or back to record.
    Row,
}

/// Functions of SQL syntax that read the session (`SQLValueFunction`): all STABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SessionValue {
    CurrentDate,
    CurrentTime,
    CurrentTimestamp,
    LocalTime,
    LocalTimestamp,
    CurrentUser,
    SessionUser,
    CurrentCatalog,
    CurrentSchema,
}

/// A piece of [`ExprKind::Verbatim`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// Key words and punctuation, with the blanks around them.
    Sql(Arc<str>),
    /// An identifier.
    Name(Arc<str>),
    /// The text of a string literal.
    Text(Arc<str>),
    Type(SqlType),
    /// The next argument.
    Arg,
}

/// The forms of expressions. Arguments named `collation` are the *input* collation of the call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ExprKind {
    /// The i-th column of the node's input (of the concatenation of its inputs, for a join).
    Column(usize),
    /// A literal in the text form of its type; none is NULL.
    Const(Option<Arc<str>>),
    Call {
        function: Oid,
        args: Vec<Expr>,
        collation: Oid,
        /// The last argument is passed as `VARIADIC array`.
        variadic: bool,
    },
    /// One argument: prefix operator.
    Operator {
        operator: Oid,
        function: Oid,
        args: Vec<Expr>,
        collation: Oid,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Expr),
    /// `IS [NOT] NULL` of a scalar or, where `row`, with the row semantics of SQL.
    IsNull {
        arg: Expr,
        negated: bool,
        row: bool,
    },
    BoolTest {
        arg: Expr,
        test: BoolTest,
    },
    /// `a IS [NOT] DISTINCT FROM b` by the operator `=`.
    Distinct {
        operator: Oid,
        function: Oid,
        args: [Expr; 2],
        collation: Oid,
        negated: bool,
    },
    NullIf {
        operator: Oid,
        function: Oid,
        args: [Expr; 2],
        collation: Oid,
    },
    /// `left op ANY/ALL (array)`.
    ScalarArray {
        operator: Oid,
        function: Oid,
        any: bool,
        left: Expr,
        array: Expr,
        collation: Oid,
    },
    /// Searched CASE; ELSE is always there (a NULL where it was not written).
    Case {
        whens: Vec<(Expr, Expr)>,
        otherwise: Expr,
    },
    Coalesce(Vec<Expr>),
    /// `GREATEST`, `LEAST`; compares by the type's default btree class.
    MinMax {
        greatest: bool,
        args: Vec<Expr>,
        collation: Oid,
    },
    Array(Vec<Expr>),
    Row {
        fields: Vec<Expr>,
        names: Vec<Arc<str>>,
    },
    /// `(composite).name`; `index` counts from 0 over live and dropped attributes.
    Field {
        arg: Expr,
        index: usize,
        name: Arc<str>,
    },
    /// `container[i]`, `container[lo:hi]`; jsonb too. Each subscript is (lower, upper): an index
    /// is (none, Some), `slice` says whether these are slices.
    Subscript {
        container: Expr,
        subscripts: Vec<(Option<Expr>, Option<Expr>)>,
        slice: bool,
    },
    Cast {
        arg: Expr,
        coercion: Coercion,
        /// Written by the user, as opposed to inserted by type resolution.
        explicit: bool,
    },
    Collate(Expr),
    /// Of so many rows, is one what a subquery as an expression shows? TRUE of one, NULL of none (or of
    /// NULL); of more it is an error.
    OneRow(Expr),
    SessionValue(SessionValue),
    /// What has syntax of its own and no look-ups by name (XML and JSON functions): it is printed as
    /// it was written. In FROM it may make rows; its type is `record` then.
    Verbatim {
        pieces: Vec<Piece>,
        /// As many as there are [`Piece::Arg`]s.
        args: Vec<Expr>,
        volatility: crate::catalog::Volatility,
        /// Its collation is derived from its arguments, as that of a call; else it is that of its
        /// type.
        collates: bool,
    },
}

impl Expr {
    pub fn new(kind: ExprKind, ty: SqlType) -> Expr {
        Expr(Arc::new(Hashed::from(Node { kind, ty })))
    }

    pub fn column(index: usize, ty: SqlType) -> Expr {
        Expr::new(ExprKind::Column(index), ty)
    }

    /// Columns of these types, the first of which has this number.
    pub fn of_columns(types: &[ColType], first: usize) -> impl Iterator<Item = Expr> {
        let columns = types.iter().enumerate();
        columns.map(move |(i, c)| Expr::column(first + i, c.ty))
    }

    pub fn null(ty: SqlType) -> Expr {
        Expr::new(ExprKind::Const(None), ty)
    }

    pub fn literal(text: &str, ty: SqlType) -> Expr {
        Expr::new(ExprKind::Const(Some(text.into())), ty)
    }

    pub fn kind(&self) -> &ExprKind {
        &self.0.node.kind
    }

    pub fn ty(&self) -> SqlType {
        self.0.node.ty
    }

    pub fn as_column(&self) -> Option<usize> {
        match self.kind() {
            ExprKind::Column(i) => Some(*i),
            _ => None,
        }
    }

    /// The direct sub-expressions, in order.
    pub fn children(&self) -> Vec<&Expr> {
        use ExprKind::*;
        match self.kind() {
            Column(_) | Const(_) | SessionValue(_) => vec![],
            Call { args, .. }
            | Operator { args, .. }
            | MinMax { args, .. }
            | Verbatim { args, .. } => args.iter().collect(),
            And(args) | Or(args) | Coalesce(args) | Array(args) => args.iter().collect(),
            Row { fields, .. } => fields.iter().collect(),
            Not(arg)
            | IsNull { arg, .. }
            | BoolTest { arg, .. }
            | Field { arg, .. }
            | Cast { arg, .. }
            | OneRow(arg)
            | Collate(arg) => vec![arg],
            Distinct { args, .. } | NullIf { args, .. } => args.iter().collect(),
            ScalarArray { left, array, .. } => vec![left, array],
            Case { whens, otherwise } => whens
                .iter()
                .flat_map(|(w, t)| [w, t])
                .chain([otherwise])
                .collect(),
            Subscript {
                container,
                subscripts,
                ..
            } => std::iter::once(container)
                .chain(subscripts.iter().flat_map(|(l, u)| l.iter().chain(u)))
                .collect(),
        }
    }

    /// The same expression over other direct sub-expressions, given in the order of
    /// [`Expr::children`].
    pub fn map_children(&self, f: &mut impl FnMut(&Expr) -> Expr) -> Expr {
        use ExprKind::*;
        let kind = match self.kind() {
            k @ (Column(_) | Const(_) | SessionValue(_)) => k.clone(),
            Call {
                function,
                args,
                collation,
                variadic,
            } => Call {
                function: *function,
                args: args.iter().map(f).collect(),
                collation: *collation,
                variadic: *variadic,
            },
            Operator {
                operator,
                function,
                args,
                collation,
            } => Operator {
                operator: *operator,
                function: *function,
                args: args.iter().map(f).collect(),
                collation: *collation,
            },
            And(args) => And(args.iter().map(f).collect()),
            Or(args) => Or(args.iter().map(f).collect()),
            Not(arg) => Not(f(arg)),
            IsNull { arg, negated, row } => IsNull {
                arg: f(arg),
                negated: *negated,
                row: *row,
            },
            BoolTest { arg, test } => BoolTest {
                arg: f(arg),
                test: *test,
            },
            Distinct {
                operator,
                function,
                args: [a, b],
                collation,
                negated,
            } => Distinct {
                operator: *operator,
                function: *function,
                args: [f(a), f(b)],
                collation: *collation,
                negated: *negated,
            },
            NullIf {
                operator,
                function,
                args: [a, b],
                collation,
            } => NullIf {
                operator: *operator,
                function: *function,
                args: [f(a), f(b)],
                collation: *collation,
            },
            ScalarArray {
                operator,
                function,
                any,
                left,
                array,
                collation,
            } => ScalarArray {
                operator: *operator,
                function: *function,
                any: *any,
                left: f(left),
                array: f(array),
                collation: *collation,
            },
            Case { whens, otherwise } => Case {
                whens: whens.iter().map(|(w, t)| (f(w), f(t))).collect(),
                otherwise: f(otherwise),
            },
            Coalesce(args) => Coalesce(args.iter().map(f).collect()),
            MinMax {
                greatest,
                args,
                collation,
            } => MinMax {
                greatest: *greatest,
                args: args.iter().map(f).collect(),
                collation: *collation,
            },
            Array(args) => Array(args.iter().map(f).collect()),
            Row { fields, names } => Row {
                fields: fields.iter().map(f).collect(),
                names: names.clone(),
            },
            Field { arg, index, name } => Field {
                arg: f(arg),
                index: *index,
                name: name.clone(),
            },
            Subscript {
                container,
                subscripts,
                slice,
            } => Subscript {
                container: f(container),
                subscripts: subscripts
                    .iter()
                    .map(|(l, u)| (l.as_ref().map(&mut *f), u.as_ref().map(&mut *f)))
                    .collect(),
                slice: *slice,
            },
            Cast {
                arg,
                coercion,
                explicit,
            } => Cast {
                arg: f(arg),
                coercion: *coercion,
                explicit: *explicit,
            },
            Collate(arg) => Collate(f(arg)),
            OneRow(arg) => OneRow(f(arg)),
            Verbatim {
                pieces,
                args,
                volatility,
                collates,
            } => Verbatim {
                pieces: pieces.clone(),
                args: args.iter().map(f).collect(),
                volatility: *volatility,
                collates: *collates,
            },
        };
        Expr::new(kind, self.ty())
    }

    /// Replaces every column reference.
    pub fn substitute(&self, f: &mut impl FnMut(usize, SqlType) -> Expr) -> Expr {
        match self.kind() {
            ExprKind::Column(i) => f(*i, self.ty()),
            ExprKind::Const(_) => self.clone(),
            _ => self.map_children(&mut |e| e.substitute(f)),
        }
    }

    /// Renumbers column references.
    pub fn remap(&self, f: &mut impl FnMut(usize) -> usize) -> Expr {
        self.substitute(&mut |i, ty| Expr::column(f(i), ty))
    }

    /// Calls `f` on this expression and everything below it, outside in.
    pub fn walk(&self, f: &mut impl FnMut(&Expr)) {
        f(self);
        for child in self.children() {
            child.walk(f);
        }
    }

    /// The columns that it reads, ascending, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut out = vec![];
        self.walk(&mut |e| out.extend(e.as_column()));
        out.sort_unstable();
        out.dedup();
        out
    }
}
