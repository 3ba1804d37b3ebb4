//! Binding: names and types. Expressions are bound by [`expr`], in the [`context`] of a clause.

pub mod context;
pub mod expr;
