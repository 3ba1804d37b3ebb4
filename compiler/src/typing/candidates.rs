//! Which of several overloads.
//!
//! Candidates whose arguments can be had by implicit coercion compete in rounds, each of which keeps
//! the best: most exact matches; most exact matches or preferred types; then a guess at the category
//! of each unknown argument (strings win); last, the assumption that unknown arguments have the
//! type that all known ones share.

use super::Typing;
use spec::catalog::CastContext;
use spec::types::{Oid, oids};

/// Something overloaded, with the types that it takes in the order of the call.
pub(super) trait Candidate {
    fn types(&self) -> &[Oid];
}

/// How a competition ended.
pub(super) enum Choice<T> {
    None,
    One(T),
    Ambiguous,
}

impl Typing<'_> {
    /// The best candidate for these arguments, none of which matches exactly.
    pub(super) fn choose<T: Candidate>(&self, candidates: Vec<T>, actual: &[Oid]) -> Choice<T> {
        let fits = |c: &T| self.can_coerce_all(actual, c.types(), CastContext::Implicit);
        let mut candidates: Vec<T> = candidates.into_iter().filter(fits).collect();
        match candidates.len() {
            0 => return Choice::None,
            1 => return candidates.pop().map_or(Choice::None, Choice::One),
            _ => {}
        }
        // Functions of a base type are exact matches of a domain over it.
        let base: Vec<Oid> = actual.iter().map(|&t| self.catalog.base_of(t)).collect();
        let category: Vec<char> = base.iter().map(|&t| self.category(t)).collect();

        candidates = best(candidates, |c| count(c, &base, |i, t| t == base[i]));
        if candidates.len() > 1 {
            candidates = best(candidates, |c| {
                count(c, &base, |i, t| {
                    t == base[i] || self.is_preferred(category[i], t)
                })
            });
        }
        if candidates.len() == 1 {
            return candidates.pop().map_or(Choice::None, Choice::One);
        }
        let unknown: Vec<usize> = (0..base.len())
            .filter(|&i| base[i] == oids::UNKNOWN)
            .collect();
        if unknown.is_empty() {
            return Choice::Ambiguous;
        }
        candidates = self.by_category_of_unknowns(candidates, &unknown);
        if candidates.len() == 1 {
            return candidates.pop().map_or(Choice::None, Choice::One);
        }
        let mut known = base.iter().filter(|&&t| t != oids::UNKNOWN);
        if let Some(&first) = known.next()
            && known.all(|&t| t == first)
        {
            let assumed = vec![first; base.len()];
            let fits = |c: &T| self.can_coerce_all(&assumed, c.types(), CastContext::Implicit);
            let mut fitting = candidates.into_iter().filter(fits);
            if let (Some(only), None) = (fitting.next(), fitting.next()) {
                return Choice::One(only);
            }
        }
        Choice::Ambiguous
    }

    fn by_category_of_unknowns<T: Candidate>(
        &self,
        candidates: Vec<T>,
        unknown: &[usize],
    ) -> Vec<T> {
        // The category of each unknown argument, and whether some candidate takes a preferred type.
        let mut slots = Vec::with_capacity(unknown.len());
        for &i in unknown {
            let mut slot: Option<(char, bool)> = None;
            let mut conflict = false;
            for candidate in &candidates {
                let ty = candidate.types()[i];
                let (category, preferred) = self
                    .catalog
                    .ty(ty)
                    .map_or(('U', false), |t| (t.category, t.preferred));
                slot = match slot {
                    None => Some((category, preferred)),
                    Some((c, p)) if c == category => Some((c, p || preferred)),
                    Some(_) if category == 'S' => Some((category, preferred)),
                    Some(slot) => {
                        conflict = true;
                        Some(slot)
                    }
                };
            }
            match slot {
                Some((category, _)) if conflict && category != 'S' => return candidates,
                Some(slot) => slots.push((i, slot)),
                None => return candidates,
            }
        }
        let keep: Vec<bool> = candidates
            .iter()
            .map(|c| {
                slots.iter().all(|&(i, (category, preferred))| {
                    let ty = self.catalog.ty(c.types()[i]);
                    let (c, p) = ty.map_or(('U', false), |t| (t.category, t.preferred));
                    c == category && (p || !preferred)
                })
            })
            .collect();
        if !keep.contains(&true) {
            return candidates;
        }
        candidates
            .into_iter()
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(c, _)| c)
            .collect()
    }
}

fn count<T: Candidate>(candidate: &T, base: &[Oid], good: impl Fn(usize, Oid) -> bool) -> usize {
    let known = |i: &usize| base[*i] != oids::UNKNOWN;
    (0..base.len())
        .filter(known)
        .filter(|&i| good(i, candidate.types()[i]))
        .count()
}

fn best<T>(candidates: Vec<T>, score: impl Fn(&T) -> usize) -> Vec<T> {
    let scores: Vec<usize> = candidates.iter().map(score).collect();
    let most = scores.iter().copied().max().unwrap_or(0);
    candidates
        .into_iter()
        .zip(scores)
        .filter(|(_, s)| *s == most)
        .map(|(c, _)| c)
        .collect()
}
