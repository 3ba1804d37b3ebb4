//! `WindowStep`: functions over windows, of the rows that follow a place of their partition.
//!
//! What stood before them is put before them, as rows: one with what is carried, and those that are
//! looked back at. Then the functions go on as they would have.
//!
//! ```text
//! rows     kind 0, what is carried  ⊎  kind 1, the rows before  ⊎  kind 2, the rows
//! number   first_value(c) + row_number() OVER w            c = n − 1 of kind 0, else 0
//! count    first_value(c) + count(…) FILTER (kind 2) OVER w
//! sum      first_value(c) + sum(…) OVER w, as far as they are not NULL
//! others   f(a) OVER w                                     a = c of kind 0
//! w        PARTITION BY keys, kind = 1 ORDER BY kind, …    what looks back: kind = 0
//! ```
//!
//! So each sort of call sees only what it asks for, no partition is joined with what is carried of it
//! (in which NULL would have to match NULL), and sums are added up in the order of their rows.

use crate::error::{CodegenError, Result};
use crate::expr::{Printer, Scalar, Strength, agree};
use crate::keys::present;
use crate::lower::Lowering;
use crate::ordering::by_image;
use crate::rel::{Branch, Rel};
use crate::sql::ident::Namer;
use crate::sql::types::TypeName;
use crate::sql::{Name, SortBy, Sql, WindowCall as Over};
use spec::eval::window::{Kind, kind};
use spec::op::Op;
use spec::types::{ColType, SqlType, oids};
use spec::window::{Carry, Reach, WindowCall, WindowStep};
use spec::{Expr, NodeId};

const BOOL: SqlType = SqlType::new(oids::BOOL);
const INT8: SqlType = SqlType::new(oids::INT8);

/// The kinds of rows, in their order.
const CARRIED: i64 = 0;
const BEFORE: i64 = 1;
const HERE: i64 = 2;

/// Where a call finds what it reads, among the columns of the rows.
#[derive(Default)]
struct Places {
    carried: Option<usize>,
    args: Vec<usize>,
    filter: Option<usize>,
}

/// What calls read of the rows of all kinds, behind the columns that these have themselves.
struct Read {
    columns: Vec<ColType>,
    /// Of each kind that is one of rows.
    of_rows: Vec<Vec<Scalar>>,
    of_carried: Vec<Scalar>,
}

impl Read {
    /// One more column; where it is.
    fn add(&mut self, of_rows: Vec<Scalar>, of_carried: Scalar, ty: SqlType) -> usize {
        for (all, one) in self.of_rows.iter_mut().zip(of_rows) {
            all.push(one);
        }
        self.of_carried.push(of_carried);
        self.columns.push(ColType { ty, nullable: true });
        self.columns.len() - 1
    }
}

impl Lowering<'_> {
    pub(crate) fn window_step(&mut self, step: &WindowStep, id: NodeId) -> Result<Rel> {
        let w = &step.window;
        let [x, carried, before] = [0, 1, 2].map(|i| self.input(id, i));
        let (x, carried, before) = (x?, carried?, before?);
        let schema = self.circuit.schema(x).to_vec();
        let width = schema.len();
        let mut here = self.lower_flat(x)?;
        if !here.weight.is_one() {
            here = self.repeated(here, x)?;
        }
        let nothing =
            |id: NodeId| matches!(self.circuit.op(id), Op::Constant(c) if c.rows.is_empty());
        let (is_carried, looks_back) = (!nothing(carried), !nothing(before));
        let mut parts = vec![(HERE, here)];
        if looks_back {
            parts.insert(0, (BEFORE, self.lower_flat(before)?));
        }
        let values = match is_carried {
            true => Some(self.lower_flat(carried)?),
            false => None,
        };
        // What each call reads of each kind of rows, besides the columns of x.
        let demand = self.demand[id.index()].clone();
        let mut read = Read {
            columns: schema.clone(),
            of_rows: vec![vec![]; parts.len()],
            of_carried: vec![],
        };
        let null = |ty: SqlType| self.printer(&[]).scalar(&Expr::null(ty));
        let mut places = vec![];
        for (i, (call, reach)) in w.calls.iter().zip(&step.reach).enumerate() {
            let mut at = Places::default();
            if !demand.contains(&(width + i)) {
                places.push(at);
                continue;
            }
            let value = match &values {
                Some(values) => Some(self.carried_value(step, i, values)?),
                None => None,
            };
            let adds = [Carry::Number, Carry::Count, Carry::Sum];
            let is_added = adds.iter().any(|c| *reach == Reach::Carried(*c));
            if let (true, Some(value)) = (is_added, &value) {
                let none = match reach {
                    Reach::Carried(Carry::Sum) => null(call.ty)?,
                    _ => Scalar::not_null(Sql::int8(0), INT8),
                };
                let nothing = vec![none; parts.len()];
                at.carried = Some(read.add(nothing, value.clone(), call.ty));
            }
            for (n, arg) in call.args.iter().enumerate() {
                let ty = arg.ty();
                let mut scalars = vec![];
                for (_, rows) in &parts {
                    scalars.push(self.fixed(self.printer(&rows.cols).scalar(arg)?, ty)?);
                }
                let goes_on = matches!(reach, Reach::Carried(Carry::Fold | Carry::First));
                let of_carried = match &value {
                    Some(value) if goes_on && n == 0 => self.fixed(value.clone(), ty)?,
                    _ => null(ty)?,
                };
                at.args.push(read.add(scalars, of_carried, ty));
            }
            let counts = is_carried && *reach == Reach::Carried(Carry::Count);
            if call.filter.is_some() || counts {
                let mut scalars = vec![];
                for (_, rows) in &parts {
                    scalars.push(match &call.filter {
                        Some(filter) => self.printer(&rows.cols).scalar(filter)?,
                        None => Scalar::not_null(self.truth(true)?, BOOL),
                    });
                }
                let goes_on = *reach == Reach::Carried(Carry::Fold);
                let of_carried = Scalar::not_null(self.truth(goes_on)?, BOOL);
                at.filter = Some(read.add(scalars, of_carried, BOOL));
            }
            places.push(at);
        }
        let there: Vec<bool> = parts[0].1.cols.iter().map(Option::is_some).collect();
        let mut columns = read.columns;
        let mut rows = vec![];
        if let Some(values) = values {
            rows.push((
                CARRIED,
                self.keys_only(step, values, &there, &schema)?,
                read.of_carried,
            ));
        }
        for ((kind, part), extra) in parts.into_iter().zip(read.of_rows) {
            rows.push((kind, part, extra));
        }
        let mut branches = vec![];
        for (kind, mut branch, extra) in rows {
            self.agree_on(&mut branch, &schema)?;
            branch.cols.extend(extra.into_iter().map(Some));
            branch
                .cols
                .push(Some(Scalar::not_null(Sql::int8(kind), INT8)));
            branches.push(branch);
        }
        // Names for all of them.
        let mut namer = Namer::reserving([crate::names::WEIGHT]);
        let hints = self.hints[x.index()].clone();
        let mut names: Vec<Option<String>> = hints
            .iter()
            .zip(&there)
            .map(|(hint, there)| there.then(|| namer.unique(hint)))
            .collect();
        for _ in width..columns.len() {
            names.push(Some(namer.unique("read")));
        }
        let kind_name = namer.unique("kind");
        names.push(Some(kind_name.clone()));
        let mut all = self.enclose(Rel { branches }, id, &names)?;
        let alias = all.subquery()?.to_owned();
        columns.push(ColType {
            ty: INT8,
            nullable: false,
        });
        all.cols.truncate(width);
        for (name, ty) in names.iter().zip(&columns).skip(width) {
            let name = name.as_deref().unwrap_or_default();
            all.cols.push(Some(Scalar::column(&alias, name, *ty)));
        }
        let kind = Sql::column(&alias, &kind_name);
        let sees = Sees {
            step,
            kind: kind.clone(),
            partition: present(&all.cols, &w.partition)?,
            width,
            is_carried,
            looks_back,
        };
        let printer = self.printer(&all.cols);
        let mut values = vec![];
        for ((call, reach), at) in w.calls.iter().zip(&step.reach).zip(&places) {
            values.push(match demand.contains(&(width + values.len())) {
                true => Some(sees.value(&printer, call, *reach, at)?),
                false => None,
            });
        }
        all.cols.truncate(width);
        all.cols.extend(values);
        let mut names = self.column_names(id);
        let mut namer = Namer::reserving(names.iter().flatten().map(String::as_str));
        let kind_name = namer.unique("kind");
        names.push(Some(kind_name.clone()));
        all.cols.push(Some(Scalar::not_null(kind, INT8)));
        let mut out = self.enclose(Rel::one(all), id, &names)?;
        let kind = Sql::column(out.subquery()?, &kind_name);
        out.filter.push(Sql::op("=", kind, Sql::int8(HERE)));
        Ok(Rel::one(out))
    }

    /// Rows with the keys of partitions in their places, and NULL for all else.
    fn keys_only(
        &self,
        step: &WindowStep,
        mut carried: Branch,
        there: &[bool],
        schema: &[ColType],
    ) -> Result<Branch> {
        let printer = self.printer(&[]);
        let mut cols = vec![];
        for (c, (there, ty)) in there.iter().zip(schema).enumerate() {
            let key = step.window.partition.iter().position(|k| *k == c);
            cols.push(match (there, key) {
                (false, _) => None,
                (true, Some(key)) => carried.cols.get(key).cloned().flatten(),
                (true, None) => Some(printer.scalar(&Expr::null(ty.ty))?),
            });
        }
        carried.cols = cols;
        Ok(carried)
    }

    /// What the i-th call starts from.
    fn carried_value(&self, step: &WindowStep, i: usize, carried: &Branch) -> Result<Scalar> {
        let n = step.window.partition.len();
        let call = &step.window.calls[i];
        let ties = n + step.window.calls.len();
        let mut value = present(&carried.cols, [&(n + i)])?.remove(0);
        if step.reach[i] == Reach::Carried(Carry::Number) {
            // The row with it counts itself.
            let mut less = Sql::int8(1);
            if kind(call.function) == Some(Kind::Rank) {
                let tied = present(&carried.cols, [&ties])?.remove(0);
                value.sql = Sql::op("+", value.sql, tied.sql);
                less = Sql::int8(2);
            }
            value.sql = Sql::op("-", value.sql, less);
        }
        Ok(value)
    }

    /// With the collation that the column of all kinds has.
    fn fixed(&self, scalar: Scalar, ty: SqlType) -> Result<Scalar> {
        let differs = scalar.strength != Strength::None && scalar.ty.collation != ty.collation;
        let missing = || CodegenError::Plan("no argument".into());
        match differs {
            true => agree(vec![scalar], ty.collation, self.catalog)?
                .pop()
                .ok_or_else(missing),
            false => Ok(scalar),
        }
    }

    fn truth(&self, holds: bool) -> Result<Sql> {
        let text = if holds { "t" } else { "f" };
        Ok(Sql::Literal(
            Some(text.into()),
            TypeName::new(BOOL, self.catalog)?,
        ))
    }
}

/// What calls see of the rows of all kinds.
struct Sees<'a> {
    step: &'a WindowStep,
    kind: Sql,
    partition: Vec<Scalar>,
    /// The number of columns of the rows themselves.
    width: usize,
    is_carried: bool,
    looks_back: bool,
}

impl Sees<'_> {
    fn value(
        &self,
        printer: &Printer,
        call: &WindowCall,
        reach: Reach,
        at: &Places,
    ) -> Result<Scalar> {
        let args = call.args.iter().zip(&at.args);
        let reading = WindowCall {
            args: args.map(|(a, c)| Expr::column(*c, a.ty())).collect(),
            filter: at.filter.map(|c| Expr::column(c, BOOL)),
            ..call.clone()
        };
        let mut partition: Vec<Sql> = self.partition.iter().map(|k| k.sql.clone()).collect();
        let (hides, hidden) = match reach {
            Reach::Carried(_) => (self.looks_back, BEFORE),
            Reach::Near { .. } => (self.is_carried, CARRIED),
        };
        if hides {
            partition.push(Sql::op("=", self.kind.clone(), Sql::int8(hidden)));
        }
        let mut order = vec![SortBy {
            expr: self.kind.clone(),
            operator: Name::pg("<"),
            nulls_first: false,
        }];
        order.extend(printer.sort_keys(&self.step.window.order)?);
        if call.by_image {
            order.push(by_image(&printer.input[..self.width]));
        }
        let value = printer.over(&reading, &partition, order.clone())?;
        let Some(carried) = at.carried else {
            return Ok(value);
        };
        let carried = printer.scalar(&Expr::column(carried, call.ty))?.sql;
        let carried = Sql::Over(Box::new(Over {
            call: Sql::call("first_value", vec![carried]),
            partition_by: partition,
            order_by: order,
            frame: None,
        }));
        let added = Sql::op("+", carried.clone(), value.sql.clone());
        let sql = match reach {
            Reach::Carried(Carry::Sum) => Sql::Coalesce(vec![added, carried, value.sql]),
            _ => added,
        };
        Ok(Scalar { sql, ..value })
    }
}
