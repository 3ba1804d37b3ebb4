//! The rewrite rules: one function each, `left = right` for every database and every change.
//!
//! A rule looks at one term (and, through its inputs' classes, below it) and answers with the
//! terms that are equal to it. Guards live in the rule; each states why it is there. All rules
//! are in [`ALL`], from where the tests take them: a rule that is not listed does not run, and one
//! that is listed is tested against the reference evaluator.
//!
//! Law for authors: a rule may only build right-hand sides whose *value* is that of the left-hand
//! side. `Consolidate(x)` has the value of `x` but is never united with it, because it is a
//! fence: expressions above it see no ghost rows.

pub mod aggregate;
pub mod closure;
pub mod distinct;
pub mod epoch;
pub mod filter;
pub mod flat_map;
pub mod join;
pub mod left;
pub mod map;
pub mod plus;
pub mod probe;
pub mod repeat;
pub mod reserve;
pub mod row_by_row;
pub mod semi;
mod shown;
pub mod suffix;
pub mod top_k;
pub mod whole_group;
pub mod window;

use super::term::{Graph, Recipe, Term};
use egg::Id;
use spec::compiled::Dependency;
use std::collections::BTreeSet;

/// When a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On the query's circuit, at creation.
    Query,
    /// On the deltas.
    Refresh,
    Both,
}

pub struct Rule {
    pub name: &'static str,
    pub phase: Phase,
    pub rewrite: fn(&Graph, &Term) -> Vec<Recipe>,
    /// Facts of the catalog that an application rests on.
    pub relies_on: fn(&Graph, &Term) -> BTreeSet<Dependency>,
}

impl Rule {
    const fn new(
        name: &'static str,
        phase: Phase,
        rewrite: fn(&Graph, &Term) -> Vec<Recipe>,
    ) -> Rule {
        Rule {
            name,
            phase,
            rewrite,
            relies_on: |_, _| BTreeSet::new(),
        }
    }

    pub fn runs_in(&self, phase: Phase) -> bool {
        self.phase == Phase::Both || self.phase == phase
    }
}

/// The rule that makes a class empty for all to see; the only one for classes that are.
pub const ZERO: &str = "zero";

pub const ALL: &[Rule] = &[
    Rule::new(ZERO, Phase::Both, epoch::zero),
    Rule::new("old_unchanged", Phase::Refresh, epoch::old_unchanged),
    Rule::new("old_source", Phase::Refresh, epoch::old_source),
    Rule::new("new_kept", Phase::Refresh, epoch::new_kept),
    Rule::new("new_distributes", Phase::Refresh, epoch::new_distributes),
    Rule::new("old_distributes", Phase::Refresh, epoch::old_distributes),
    Rule::new("plus_drop_empty", Phase::Both, plus::drop_empty),
    Rule::new("plus_single", Phase::Both, plus::single),
    Rule::new("plus_flatten", Phase::Query, plus::flatten),
    Rule::new("neg_neg", Phase::Both, plus::neg_neg),
    Rule::new("delta_plus", Phase::Refresh, plus::delta),
    Rule::new("delta_neg", Phase::Refresh, plus::delta_neg),
    Rule::new("map_identity", Phase::Both, map::identity),
    Rule::new("map_fusion", Phase::Both, map::fusion),
    Rule::new("delta_map", Phase::Refresh, map::delta),
    Rule::new("filter_fusion", Phase::Query, filter::fusion),
    Rule::new("filter_map", Phase::Query, filter::below_map),
    Rule::new("filter_join", Phase::Query, filter::into_join),
    Rule::new("filter_plus", Phase::Query, filter::below_plus),
    Rule::new("filter_neg", Phase::Query, filter::below_neg),
    Rule::new("filter_aggregate", Phase::Query, filter::below_aggregate),
    Rule::new("filter_distinct", Phase::Query, filter::below_distinct),
    Rule::new("delta_filter", Phase::Refresh, filter::delta),
    Rule::new("delta_row_by_row", Phase::Refresh, row_by_row::delta),
    Rule::new("filter_row_by_row", Phase::Query, row_by_row::filter_below),
    Rule::new("probe_repeat", Phase::Refresh, repeat::probe_below),
    Rule::new("flat_map_strict", Phase::Query, flat_map::outer_strict),
    Rule::new("probe_flat_map", Phase::Refresh, flat_map::probe_below),
    Rule::new("join_single", Phase::Both, join::single),
    Rule::new("join_hoist", Phase::Both, join::hoist),
    Rule::new("join_push", Phase::Query, join::push),
    Rule::new("join_flatten", Phase::Query, join::flatten),
    Rule::new("join_map", Phase::Query, join::above_map),
    Rule::new("delta_join", Phase::Refresh, join::delta),
    Rule::new("join_probe", Phase::Refresh, join::probe),
    Rule::new("anti_nothing", Phase::Both, semi::anti_nothing),
    Rule {
        relies_on: semi::join_relies_on,
        ..Rule::new("semi_as_join", Phase::Query, semi::as_join)
    },
    Rule::new("semi_push", Phase::Query, semi::push),
    Rule::new("filter_semi", Phase::Query, semi::below),
    Rule::new("semi_map", Phase::Query, semi::right_map),
    Rule::new("semi_distinct", Phase::Query, semi::right_distinct),
    Rule::new("delta_semi", Phase::Refresh, semi::delta),
    Rule::new(
        "delta_semi_recompute",
        Phase::Refresh,
        semi::delta_recompute,
    ),
    Rule::new("probe_semi", Phase::Refresh, semi::probe_below),
    Rule::new("semi_probe", Phase::Refresh, semi::probe_right),
    Rule::new("left_expand", Phase::Refresh, left::expand),
    Rule::new("filter_left_strict", Phase::Query, left::strict_filter),
    Rule::new("join_left_strict", Phase::Query, left::strict_join),
    Rule::new("left_as_anti", Phase::Query, left::as_anti),
    Rule::new("filter_left", Phase::Query, left::filter_below),
    Rule::new("left_push", Phase::Query, left::push),
    Rule::new("left_map", Phase::Query, left::above_map),
    Rule {
        relies_on: distinct::set_relies_on,
        ..Rule::new("distinct_of_set", Phase::Query, distinct::of_set)
    },
    Rule::new(
        "distinct_as_aggregate",
        Phase::Query,
        distinct::as_aggregate,
    ),
    Rule::new("delta_distinct", Phase::Refresh, distinct::delta),
    Rule::new(
        "delta_aggregate_step",
        Phase::Refresh,
        aggregate::delta_step,
    ),
    Rule::new(
        "delta_aggregate_recompute",
        Phase::Refresh,
        aggregate::delta_recompute,
    ),
    Rule::new(
        "step_of_insertions",
        Phase::Refresh,
        aggregate::step_of_insertions,
    ),
    Rule {
        relies_on: top_k::total_relies_on,
        ..Rule::new("top_k_total", Phase::Query, top_k::total)
    },
    Rule::new("window_bounded", Phase::Query, window::bounded),
    Rule::new(
        "filter_whole_group",
        Phase::Query,
        whole_group::filter_below,
    ),
    Rule::new("delta_whole_group", Phase::Refresh, whole_group::delta),
    Rule::new(
        "probe_whole_group",
        Phase::Refresh,
        whole_group::probe_below,
    ),
    Rule::new("delta_window_step", Phase::Refresh, suffix::delta),
    Rule::new("suffix_below", Phase::Refresh, suffix::below),
    Rule::new("suffix_probe", Phase::Refresh, suffix::probed),
    Rule::new("delta_reserve", Phase::Refresh, reserve::delta),
    Rule::new("delta_closure_all", Phase::Refresh, closure::delta_all),
    Rule::new(
        "delta_closure_distinct",
        Phase::Refresh,
        closure::delta_distinct,
    ),
    Rule::new("probe_map", Phase::Refresh, probe::below_map),
    Rule::new("probe_filter", Phase::Refresh, probe::below_filter),
    Rule::new("probe_join", Phase::Refresh, probe::into_join),
    Rule::new("probe_plus", Phase::Refresh, probe::below_plus),
    Rule::new("probe_neg", Phase::Refresh, probe::below_neg),
    Rule::new("probe_aggregate", Phase::Refresh, probe::below_aggregate),
    Rule::new("probe_distinct", Phase::Refresh, probe::below_distinct),
    Rule::new(
        "probe_consolidate",
        Phase::Refresh,
        probe::below_consolidate,
    ),
];

/// The terms of a class.
fn terms<'g>(graph: &'g Graph, class: Id) -> impl Iterator<Item = &'g Term> {
    graph[class].nodes.iter()
}

/// The number of columns of a class.
fn width(graph: &Graph, class: Id) -> usize {
    graph[class].data.types.as_ref().map_or(0, |t| t.len())
}

/// Does no refresh of this kind change it?
fn unchanged(graph: &Graph, class: Id) -> bool {
    graph[class]
        .data
        .sources
        .is_disjoint(&graph.analysis.changed)
}

/// The first column of each input within the columns of a join.
fn offsets(graph: &Graph, inputs: &[Id]) -> Vec<usize> {
    inputs
        .iter()
        .scan(0, |at, i| {
            let here = *at;
            *at += width(graph, *i);
            Some(here)
        })
        .collect()
}

/// Which input of a join, given the offsets, holds a column.
fn owner(offsets: &[usize], column: usize) -> usize {
    offsets.partition_point(|o| *o <= column) - 1
}
