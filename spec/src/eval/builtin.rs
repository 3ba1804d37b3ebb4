//! The built-in operators and functions of PostgreSQL that the oracle knows, by OID, and one
//! made-up case-insensitive text type.
//!
//! The OIDs are those of PostgreSQL 18's `pg_operator` and `pg_proc`; built-in OIDs never change.

use crate::types::{Oid, oids};

/// A type like citext: its equality ignores case, its image does not. Extension types have no
/// fixed OID; this one is beyond every built-in.
pub const CITEXT: Oid = Oid(90_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What a function computes. All are strict, immutable and deterministic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Compare(Comparison),
    Add,
    Subtract,
    Multiply,
    /// Raises on a zero divisor.
    Divide,
    /// Raises on a zero divisor.
    Modulo,
    Negate,
    /// Unary plus.
    Identity,
    Absolute,
    Concatenate,
    Lower,
    Upper,
    Length,
    /// A cast between integers, numeric, float8 and bool: rounds, raises out of range.
    Convert,
    /// The text form.
    ToText,
    /// `numeric(numeric, int4)`: applies a typmod.
    Typmod,
}

use Comparison::*;
use Meaning::*;

/// An operator and the function behind it. `left` is invalid for a prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorRow {
    pub operator: Oid,
    pub symbol: &'static str,
    pub function: Oid,
    pub left: Oid,
    pub right: Oid,
    pub result: Oid,
    pub meaning: Meaning,
}

const fn op(
    operator: u32,
    symbol: &'static str,
    function: u32,
    left: Oid,
    right: Oid,
    result: Oid,
    meaning: Meaning,
) -> OperatorRow {
    OperatorRow {
        operator: Oid(operator),
        symbol,
        function: Oid(function),
        left,
        right,
        result,
        meaning,
    }
}

const NONE: Oid = Oid::INVALID;
const BOOL: Oid = oids::BOOL;
const INT2: Oid = oids::INT2;
const INT4: Oid = oids::INT4;
const INT8: Oid = oids::INT8;
const TEXT: Oid = oids::TEXT;
const FLOAT8: Oid = oids::FLOAT8;
const NUMERIC: Oid = oids::NUMERIC;

#[rustfmt::skip]
pub const OPERATORS: &[OperatorRow] = &[
    op(15, "=", 852, INT4, INT8, BOOL, Compare(Equal)),
    op(36, "<>", 853, INT4, INT8, BOOL, Compare(NotEqual)),
    op(37, "<", 854, INT4, INT8, BOOL, Compare(Less)),
    op(58, "<", 56, BOOL, BOOL, BOOL, Compare(Less)),
    op(59, ">", 57, BOOL, BOOL, BOOL, Compare(Greater)),
    op(76, ">", 855, INT4, INT8, BOOL, Compare(Greater)),
    op(80, "<=", 856, INT4, INT8, BOOL, Compare(LessEqual)),
    op(82, ">=", 857, INT4, INT8, BOOL, Compare(GreaterEqual)),
    op(85, "<>", 84, BOOL, BOOL, BOOL, Compare(NotEqual)),
    op(91, "=", 60, BOOL, BOOL, BOOL, Compare(Equal)),
    op(94, "=", 63, INT2, INT2, BOOL, Compare(Equal)),
    op(95, "<", 64, INT2, INT2, BOOL, Compare(Less)),
    op(96, "=", 65, INT4, INT4, BOOL, Compare(Equal)),
    op(97, "<", 66, INT4, INT4, BOOL, Compare(Less)),
    op(98, "=", 67, TEXT, TEXT, BOOL, Compare(Equal)),
    op(410, "=", 467, INT8, INT8, BOOL, Compare(Equal)),
    op(411, "<>", 468, INT8, INT8, BOOL, Compare(NotEqual)),
    op(412, "<", 469, INT8, INT8, BOOL, Compare(Less)),
    op(413, ">", 470, INT8, INT8, BOOL, Compare(Greater)),
    op(414, "<=", 471, INT8, INT8, BOOL, Compare(LessEqual)),
    op(415, ">=", 472, INT8, INT8, BOOL, Compare(GreaterEqual)),
    op(416, "=", 474, INT8, INT4, BOOL, Compare(Equal)),
    op(417, "<>", 475, INT8, INT4, BOOL, Compare(NotEqual)),
    op(418, "<", 476, INT8, INT4, BOOL, Compare(Less)),
    op(419, ">", 477, INT8, INT4, BOOL, Compare(Greater)),
    op(420, "<=", 478, INT8, INT4, BOOL, Compare(LessEqual)),
    op(430, ">=", 479, INT8, INT4, BOOL, Compare(GreaterEqual)),
    op(439, "%", 945, INT8, INT8, INT8, Modulo),
    op(484, "-", 462, NONE, INT8, INT8, Negate),
    op(514, "*", 141, INT4, INT4, INT4, Multiply),
    op(518, "<>", 144, INT4, INT4, BOOL, Compare(NotEqual)),
    op(519, "<>", 145, INT2, INT2, BOOL, Compare(NotEqual)),
    op(520, ">", 146, INT2, INT2, BOOL, Compare(Greater)),
    op(521, ">", 147, INT4, INT4, BOOL, Compare(Greater)),
    op(522, "<=", 148, INT2, INT2, BOOL, Compare(LessEqual)),
    op(523, "<=", 149, INT4, INT4, BOOL, Compare(LessEqual)),
    op(524, ">=", 151, INT2, INT2, BOOL, Compare(GreaterEqual)),
    op(525, ">=", 150, INT4, INT4, BOOL, Compare(GreaterEqual)),
    op(526, "*", 152, INT2, INT2, INT2, Multiply),
    op(527, "/", 153, INT2, INT2, INT2, Divide),
    op(528, "/", 154, INT4, INT4, INT4, Divide),
    op(529, "%", 155, INT2, INT2, INT2, Modulo),
    op(530, "%", 156, INT4, INT4, INT4, Modulo),
    op(531, "<>", 157, TEXT, TEXT, BOOL, Compare(NotEqual)),
    op(532, "=", 158, INT2, INT4, BOOL, Compare(Equal)),
    op(533, "=", 159, INT4, INT2, BOOL, Compare(Equal)),
    op(534, "<", 160, INT2, INT4, BOOL, Compare(Less)),
    op(535, "<", 161, INT4, INT2, BOOL, Compare(Less)),
    op(536, ">", 162, INT2, INT4, BOOL, Compare(Greater)),
    op(537, ">", 163, INT4, INT2, BOOL, Compare(Greater)),
    op(538, "<>", 164, INT2, INT4, BOOL, Compare(NotEqual)),
    op(539, "<>", 165, INT4, INT2, BOOL, Compare(NotEqual)),
    op(540, "<=", 166, INT2, INT4, BOOL, Compare(LessEqual)),
    op(541, "<=", 167, INT4, INT2, BOOL, Compare(LessEqual)),
    op(542, ">=", 168, INT2, INT4, BOOL, Compare(GreaterEqual)),
    op(543, ">=", 169, INT4, INT2, BOOL, Compare(GreaterEqual)),
    op(544, "*", 170, INT2, INT4, INT4, Multiply),
    op(545, "*", 171, INT4, INT2, INT4, Multiply),
    op(546, "/", 172, INT2, INT4, INT4, Divide),
    op(547, "/", 173, INT4, INT2, INT4, Divide),
    op(550, "+", 176, INT2, INT2, INT2, Add),
    op(551, "+", 177, INT4, INT4, INT4, Add),
    op(552, "+", 178, INT2, INT4, INT4, Add),
    op(553, "+", 179, INT4, INT2, INT4, Add),
    op(554, "-", 180, INT2, INT2, INT2, Subtract),
    op(555, "-", 181, INT4, INT4, INT4, Subtract),
    op(556, "-", 182, INT2, INT4, INT4, Subtract),
    op(557, "-", 183, INT4, INT2, INT4, Subtract),
    op(558, "-", 212, NONE, INT4, INT4, Negate),
    op(559, "-", 213, NONE, INT2, INT2, Negate),
    op(585, "-", 220, NONE, FLOAT8, FLOAT8, Negate),
    op(591, "+", 218, FLOAT8, FLOAT8, FLOAT8, Add),
    op(592, "-", 219, FLOAT8, FLOAT8, FLOAT8, Subtract),
    op(593, "/", 217, FLOAT8, FLOAT8, FLOAT8, Divide),
    op(594, "*", 216, FLOAT8, FLOAT8, FLOAT8, Multiply),
    op(654, "||", 1258, TEXT, TEXT, TEXT, Concatenate),
    op(664, "<", 740, TEXT, TEXT, BOOL, Compare(Less)),
    op(665, "<=", 741, TEXT, TEXT, BOOL, Compare(LessEqual)),
    op(666, ">", 742, TEXT, TEXT, BOOL, Compare(Greater)),
    op(667, ">=", 743, TEXT, TEXT, BOOL, Compare(GreaterEqual)),
    op(670, "=", 293, FLOAT8, FLOAT8, BOOL, Compare(Equal)),
    op(671, "<>", 294, FLOAT8, FLOAT8, BOOL, Compare(NotEqual)),
    op(672, "<", 295, FLOAT8, FLOAT8, BOOL, Compare(Less)),
    op(673, "<=", 296, FLOAT8, FLOAT8, BOOL, Compare(LessEqual)),
    op(674, ">", 297, FLOAT8, FLOAT8, BOOL, Compare(Greater)),
    op(675, ">=", 298, FLOAT8, FLOAT8, BOOL, Compare(GreaterEqual)),
    op(684, "+", 463, INT8, INT8, INT8, Add),
    op(685, "-", 464, INT8, INT8, INT8, Subtract),
    op(686, "*", 465, INT8, INT8, INT8, Multiply),
    op(687, "/", 466, INT8, INT8, INT8, Divide),
    op(688, "+", 1274, INT8, INT4, INT8, Add),
    op(689, "-", 1275, INT8, INT4, INT8, Subtract),
    op(690, "*", 1276, INT8, INT4, INT8, Multiply),
    op(691, "/", 1277, INT8, INT4, INT8, Divide),
    op(692, "+", 1278, INT4, INT8, INT8, Add),
    op(693, "-", 1279, INT4, INT8, INT8, Subtract),
    op(694, "*", 1280, INT4, INT8, INT8, Multiply),
    op(695, "/", 1281, INT4, INT8, INT8, Divide),
    op(818, "+", 837, INT8, INT2, INT8, Add),
    op(819, "-", 838, INT8, INT2, INT8, Subtract),
    op(820, "*", 839, INT8, INT2, INT8, Multiply),
    op(821, "/", 840, INT8, INT2, INT8, Divide),
    op(822, "+", 841, INT2, INT8, INT8, Add),
    op(823, "-", 942, INT2, INT8, INT8, Subtract),
    op(824, "*", 943, INT2, INT8, INT8, Multiply),
    op(825, "/", 948, INT2, INT8, INT8, Divide),
    op(1694, "<=", 1691, BOOL, BOOL, BOOL, Compare(LessEqual)),
    op(1695, ">=", 1692, BOOL, BOOL, BOOL, Compare(GreaterEqual)),
    op(1751, "-", 1771, NONE, NUMERIC, NUMERIC, Negate),
    op(1752, "=", 1718, NUMERIC, NUMERIC, BOOL, Compare(Equal)),
    op(1753, "<>", 1719, NUMERIC, NUMERIC, BOOL, Compare(NotEqual)),
    op(1754, "<", 1722, NUMERIC, NUMERIC, BOOL, Compare(Less)),
    op(1755, "<=", 1723, NUMERIC, NUMERIC, BOOL, Compare(LessEqual)),
    op(1756, ">", 1720, NUMERIC, NUMERIC, BOOL, Compare(Greater)),
    op(1757, ">=", 1721, NUMERIC, NUMERIC, BOOL, Compare(GreaterEqual)),
    op(1758, "+", 1724, NUMERIC, NUMERIC, NUMERIC, Add),
    op(1759, "-", 1725, NUMERIC, NUMERIC, NUMERIC, Subtract),
    op(1760, "*", 1726, NUMERIC, NUMERIC, NUMERIC, Multiply),
    op(1761, "/", 1727, NUMERIC, NUMERIC, NUMERIC, Divide),
    op(1762, "%", 1729, NUMERIC, NUMERIC, NUMERIC, Modulo),
    op(1862, "=", 1850, INT2, INT8, BOOL, Compare(Equal)),
    op(1863, "<>", 1851, INT2, INT8, BOOL, Compare(NotEqual)),
    op(1864, "<", 1852, INT2, INT8, BOOL, Compare(Less)),
    op(1865, ">", 1853, INT2, INT8, BOOL, Compare(Greater)),
    op(1866, "<=", 1854, INT2, INT8, BOOL, Compare(LessEqual)),
    op(1867, ">=", 1855, INT2, INT8, BOOL, Compare(GreaterEqual)),
    op(1868, "=", 1856, INT8, INT2, BOOL, Compare(Equal)),
    op(1869, "<>", 1857, INT8, INT2, BOOL, Compare(NotEqual)),
    op(1870, "<", 1858, INT8, INT2, BOOL, Compare(Less)),
    op(1871, ">", 1859, INT8, INT2, BOOL, Compare(Greater)),
    op(1872, "<=", 1860, INT8, INT2, BOOL, Compare(LessEqual)),
    op(1873, ">=", 1861, INT8, INT2, BOOL, Compare(GreaterEqual)),
    op(1916, "+", 1910, NONE, INT8, INT8, Identity),
    op(1917, "+", 1911, NONE, INT2, INT2, Identity),
    op(1918, "+", 1912, NONE, INT4, INT4, Identity),
    op(1920, "+", 1914, NONE, FLOAT8, FLOAT8, Identity),
    op(1921, "+", 1915, NONE, NUMERIC, NUMERIC, Identity),
    op(90010, "=", 90020, CITEXT, CITEXT, BOOL, Compare(Equal)),
    op(90011, "<>", 90021, CITEXT, CITEXT, BOOL, Compare(NotEqual)),
    op(90012, "<", 90022, CITEXT, CITEXT, BOOL, Compare(Less)),
    op(90013, "<=", 90023, CITEXT, CITEXT, BOOL, Compare(LessEqual)),
    op(90014, ">", 90024, CITEXT, CITEXT, BOOL, Compare(Greater)),
    op(90015, ">=", 90025, CITEXT, CITEXT, BOOL, Compare(GreaterEqual)),
];

/// Functions that are no operator's: OID, name, arguments, result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    pub function: Oid,
    pub name: &'static str,
    pub args: &'static [Oid],
    pub result: Oid,
    pub meaning: Meaning,
}

const fn function(
    oid: u32,
    name: &'static str,
    args: &'static [Oid],
    result: Oid,
    meaning: Meaning,
) -> FunctionRow {
    FunctionRow {
        function: Oid(oid),
        name,
        args,
        result,
        meaning,
    }
}

#[rustfmt::skip]
pub const FUNCTIONS: &[FunctionRow] = &[
    function(235, "float8", &[INT2], FLOAT8, Convert),
    function(237, "int2", &[FLOAT8], INT2, Convert),
    function(313, "int4", &[INT2], INT4, Convert),
    function(314, "int2", &[INT4], INT2, Convert),
    function(316, "float8", &[INT4], FLOAT8, Convert),
    function(317, "int4", &[FLOAT8], INT4, Convert),
    function(480, "int4", &[INT8], INT4, Convert),
    function(481, "int8", &[INT4], INT8, Convert),
    function(482, "float8", &[INT8], FLOAT8, Convert),
    function(483, "int8", &[FLOAT8], INT8, Convert),
    function(714, "int2", &[INT8], INT2, Convert),
    function(754, "int8", &[INT2], INT8, Convert),
    function(870, "lower", &[TEXT], TEXT, Lower),
    function(871, "upper", &[TEXT], TEXT, Upper),
    function(1317, "length", &[TEXT], INT4, Length),
    function(1395, "abs", &[FLOAT8], FLOAT8, Absolute),
    function(1396, "abs", &[INT8], INT8, Absolute),
    function(1397, "abs", &[INT4], INT4, Absolute),
    function(1398, "abs", &[INT2], INT2, Absolute),
    function(1703, "numeric", &[NUMERIC, INT4], NUMERIC, Typmod),
    function(1705, "abs", &[NUMERIC], NUMERIC, Absolute),
    function(1740, "numeric", &[INT4], NUMERIC, Convert),
    function(1743, "numeric", &[FLOAT8], NUMERIC, Convert),
    function(1744, "int4", &[NUMERIC], INT4, Convert),
    function(1746, "float8", &[NUMERIC], FLOAT8, Convert),
    function(1779, "int8", &[NUMERIC], INT8, Convert),
    function(1781, "numeric", &[INT8], NUMERIC, Convert),
    function(1782, "numeric", &[INT2], NUMERIC, Convert),
    function(1783, "int2", &[NUMERIC], INT2, Convert),
    function(2557, "bool", &[INT4], BOOL, Convert),
    function(2558, "int4", &[BOOL], INT4, Convert),
    function(2971, "text", &[BOOL], TEXT, ToText),
    // The cast from the case-insensitive type: the image shows.
    function(90001, "text", &[CITEXT], TEXT, ToText),
];

/// The meaning and result type of a function.
pub fn meaning(function: Oid) -> Option<(Meaning, Oid)> {
    let operators = OPERATORS
        .iter()
        .map(|o| (o.function, (o.meaning, o.result)));
    let functions = FUNCTIONS
        .iter()
        .map(|f| (f.function, (f.meaning, f.result)));
    operators
        .chain(functions)
        .find_map(|(oid, found)| (oid == function).then_some(found))
}

/// The operator of this name on these operands.
pub fn operator(symbol: &str, left: Oid, right: Oid) -> Option<&'static OperatorRow> {
    OPERATORS
        .iter()
        .find(|o| o.symbol == symbol && o.left == left && o.right == right)
}

/// The one-argument conversion function from one type to another.
pub fn conversion(from: Oid, to: Oid) -> Option<&'static FunctionRow> {
    FUNCTIONS
        .iter()
        .find(|f| matches!(f.meaning, Convert | ToText) && f.args == [from] && f.result == to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, FunctionKind};
    use crate::eval::aggregate;

    #[test]
    fn the_tables_agree_with_the_catalog() {
        let catalog = Catalog::builtin();
        for o in OPERATORS.iter().filter(|o| o.left != CITEXT) {
            let known = catalog.operator(o.operator).expect(o.symbol);
            assert_eq!(
                (known.name.as_str(), known.left, known.right),
                (o.symbol, o.left, o.right)
            );
            assert_eq!((known.function, known.result), (o.function, o.result));
            let function = catalog.function(o.function).expect(o.symbol);
            assert!(function.strict, "{}", o.symbol);
        }
        for f in FUNCTIONS.iter().filter(|f| f.args != [CITEXT]) {
            let known = catalog.function(f.function).expect(f.name);
            assert_eq!(
                (known.name.as_str(), known.args.as_slice(), known.result),
                (f.name, f.args, f.result)
            );
            assert!(known.strict, "{}", f.name);
        }
    }

    #[test]
    fn aggregates_are_what_the_catalog_calls_them() {
        let catalog = Catalog::builtin();
        let mut known = 0;
        for oid in (1..12_000).map(Oid) {
            let Some(kind) = aggregate::kind(oid) else {
                continue;
            };
            let f = catalog.function(oid).expect("an aggregate");
            assert_eq!(f.kind, FunctionKind::Aggregate);
            let expected = match kind {
                aggregate::Kind::CountRows | aggregate::Kind::CountValues => "count",
                aggregate::Kind::Sum => "sum",
                aggregate::Kind::Average => "avg",
                aggregate::Kind::Extremum { greatest: true } => "max",
                aggregate::Kind::Extremum { greatest: false } => "min",
                aggregate::Kind::BoolAnd if f.name == "every" => "every",
                aggregate::Kind::BoolAnd => "bool_and",
                aggregate::Kind::BoolOr => "bool_or",
            };
            assert_eq!(f.name, expected);
            assert!(meaning(oid).is_none(), "{oid} is no scalar function");
            known += 1;
        }
        assert_eq!(known, 27);
    }
}
