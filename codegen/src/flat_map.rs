//! `FlatMap`: functions in FROM, behind what they read. Linear, so that it is printed into every
//! branch of its input.
//!
//! ```sql
//! FROM t, pg_catalog.unnest(t.a) AS u(c)
//! FROM t, LATERAL (SELECT u.c FROM (SELECT) AS here LEFT JOIN pg_catalog.unnest(t.a) AS u(c) ON …) AS o
//! ```
//!
//! The second form is the outer one: a condition of a LEFT JOIN sees no other items of its FROM, but
//! a subquery sees what stands before it.

use crate::error::{CodegenError, Result};
use crate::expr::{Columns, Scalar};
use crate::lower::{Lowering, columns_of};
use crate::rel::{Branch, Rel, Weight};
use crate::sql::ident::Namer;
use crate::sql::types::TypeName;
use crate::sql::{ColumnDef, FromItem, Query, Select, Sql, TableFunction};
use spec::NodeId;
use spec::expr::ExprKind;
use spec::op::{FlatMap, SetFunction};
use spec::types::{ColType, SqlType};

impl Lowering<'_> {
    pub(crate) fn flat_map(&mut self, f: &FlatMap, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let rel = self.lower_branches(input)?;
        let calls = f.functions.iter().map(|f| &f.call);
        let rel = self.there(rel, input, calls.chain(f.outer.iter().flatten()))?;
        let width = self.circuit.schema(input).len();
        let mut branches = vec![];
        for mut branch in rel.branches {
            branch.cols.resize(width, None);
            if computes_for_syntax(f, &branch.cols) {
                let columns = self.column_names(input);
                branch = self.enclose(Rel::one(branch), input, &columns)?;
            }
            let names = self.made_names(f, id);
            let demand = &self.demand[id.index()];
            let read = (0..names.len()).map(|i| demand.contains(&(width + i)));
            let read = read.collect();
            let (item, made) = self.flat_map_item(f, &branch.cols, names, read)?;
            branch.from.push(item);
            branch.cols.extend(made);
            branches.push(branch);
        }
        Ok(Rel { branches })
    }

    /// What is made of these columns as an item of FROM, and its columns, with these names; which of
    /// them are read.
    pub(crate) fn flat_map_item(
        &mut self,
        f: &FlatMap,
        input: &Columns,
        names: Vec<String>,
        read: Vec<bool>,
    ) -> Result<(FromItem, Vec<Option<Scalar>>)> {
        let (item, made) = self.functions(f, input, names.clone())?;
        let Some(on) = &f.outer else {
            return Ok((item, made));
        };
        let both: Vec<Option<Scalar>> = input.iter().chain(&made).cloned().collect();
        let on = self.conjuncts(on, &both)?;
        let names = names.into_iter().zip(read);
        let names = names.map(|(name, read)| Some(name).filter(|_| read));
        Ok(self.padded(item, made, on, names.collect()))
    }

    /// The functions as an item of FROM, and its columns.
    fn functions(
        &mut self,
        f: &FlatMap,
        input: &Columns,
        names: Vec<String>,
    ) -> Result<(FromItem, Vec<Option<Scalar>>)> {
        let wish = names.first().map_or("made", String::as_str).to_owned();
        let alias = self.alias(&wish);
        let mut functions = vec![];
        let mut types: Vec<SqlType> = vec![];
        for function in &f.functions {
            let scalar = self.printer(input).call(&function.call)?;
            if !matches!(scalar.sql, Sql::Call { .. } | Sql::Verbatim(..)) {
                return Err(CodegenError::Plan("no function in FROM".into()));
            }
            // The value of a call has the collation of the call; columns have that of their type.
            match function.columns.as_slice() {
                [one] if one.ty.oid == function.call.ty().oid => types.push(SqlType {
                    collation: scalar.ty.collation,
                    ..one.ty
                }),
                columns => types.extend(columns.iter().map(|c| c.ty)),
            }
            functions.push(TableFunction {
                call: scalar.sql,
                definitions: self.definitions(function)?,
            });
        }
        let made = f.made();
        types.extend(made.iter().skip(types.len()).map(|c| c.ty));
        let columns: Vec<ColType> = types
            .into_iter()
            .zip(&made)
            .map(|(ty, made)| ColType {
                ty,
                nullable: made.nullable,
            })
            .collect();
        let shown: Vec<Option<String>> = names.iter().cloned().map(Some).collect();
        let cols = columns_of(&alias, &shown, &columns);
        let item = FromItem::Functions {
            functions,
            ordinality: f.ordinality,
            alias,
            columns: names,
        };
        Ok((item, cols))
    }

    fn definitions(&self, function: &SetFunction) -> Result<Vec<ColumnDef>> {
        let columns = function.definitions.iter().zip(&function.columns);
        columns
            .map(|(name, c)| {
                Ok(ColumnDef {
                    name: name.to_string(),
                    ty: TypeName::new(c.ty, self.catalog)?,
                    collation: None,
                })
            })
            .collect()
    }

    /// Names of the columns behind those of the input, each once.
    fn made_names(&self, f: &FlatMap, id: NodeId) -> Vec<String> {
        let hints = &self.hints[id.index()];
        let mut namer = Namer::default();
        let count = f.made().len();
        let hints = hints.iter().skip(hints.len() - count.min(hints.len()));
        hints.map(|h| namer.unique(h)).collect()
    }

    /// One row of NULLs where nothing is made, as an item of FROM.
    fn padded(
        &mut self,
        item: FromItem,
        made: Vec<Option<Scalar>>,
        on: Vec<Sql>,
        names: Vec<Option<String>>,
    ) -> (FromItem, Vec<Option<Scalar>>) {
        let here = self.alias("here");
        let one = FromItem::query(Query::from(Select::default()), &here);
        let types = made.iter().flatten().map(|c| ColType {
            ty: c.ty,
            nullable: true,
        });
        let types: Vec<ColType> = types.collect();
        let inner = Branch::new(vec![one.left_join(item, on)], made, Weight::one());
        let alias = self.alias("padded");
        let query = Query::from(inner.select(None, &names));
        let cols = columns_of(&alias, &names, &types);
        (FromItem::lateral(query, &alias), cols)
    }
}

/// Would an expression be written into a function with a syntax of its own? PostgreSQL 18.6 does not
/// derive collations within JSON_TABLE, where `lower(x)` is an error then: it is to read columns.
pub(crate) fn computes_for_syntax(f: &FlatMap, input: &Columns) -> bool {
    let syntax = f.functions.iter().map(|f| &f.call);
    let syntax = syntax.filter(|c| matches!(c.kind(), ExprKind::Verbatim { .. }));
    let mut read = syntax.flat_map(|c| c.columns());
    read.any(|c| match input.get(c) {
        Some(Some(scalar)) => !matches!(scalar.sql, Sql::Column(..)),
        _ => false,
    })
}
