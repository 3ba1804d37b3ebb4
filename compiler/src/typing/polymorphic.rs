//! Polymorphic pseudo-types: `anyelement` and its kin, `anycompatible` and its kin.
//!
//! In the first family all arguments declared with one pseudo-type must have the same type, and the
//! types of different pseudo-types must fit each other (array and element, range and subtype). In
//! the second, arguments are coerced to the common type of all of them. [`Typing::resolve`] deduces
//! the types, replaces the declared ones where a coercion is needed, and says what the result is.

use super::{Typing, error};
use crate::bind::context::BindError;
use spec::ReasonCode;
use spec::Span;
use spec::catalog::{CastContext, TypeKind};
use spec::types::{Oid, oids};

/// `text[]`, what unknown arguments of `anycompatiblearray` become.
const TEXT_ARRAY: Oid = Oid(1009);

pub(super) fn is_polymorphic(ty: Oid) -> bool {
    is_family_one(ty)
        || matches!(
            ty,
            oids::ANYCOMPATIBLE
                | oids::ANYCOMPATIBLEARRAY
                | oids::ANYCOMPATIBLENONARRAY
                | oids::ANYCOMPATIBLERANGE
                | oids::ANYCOMPATIBLEMULTIRANGE
        )
}

fn is_family_one(ty: Oid) -> bool {
    matches!(
        ty,
        oids::ANYELEMENT
            | oids::ANYARRAY
            | oids::ANYNONARRAY
            | oids::ANYENUM
            | oids::ANYRANGE
            | oids::ANYMULTIRANGE
    )
}

/// What is known so far about the pseudo-types of a call.
#[derive(Default)]
struct Deduced {
    element: Option<Oid>,
    array: Option<Oid>,
    range: Option<Oid>,
    multirange: Option<Oid>,
    common: Option<Oid>,
    common_range: Option<Oid>,
    common_multirange: Option<Oid>,
    /// Types that the common type is chosen from.
    candidates: Vec<Oid>,
    family_one: usize,
    family_two: bool,
    unknown_in_one: bool,
    nonarray: bool,
    enumeration: bool,
    wants_multirange: bool,
    common_nonarray: bool,
    common_array_wanted: bool,
    common_range_wanted: bool,
    common_multirange_wanted: bool,
}

impl Typing<'_> {
    /// Could a call with these arguments be consistent?
    pub(super) fn polymorphic_consistent(&self, actual: &[Oid], declared: &[Oid]) -> bool {
        // While candidates are compared, an array of unknown element type passes.
        self.deduce(actual, declared, Oid::INVALID, true).is_ok()
    }

    /// The result type, and the declared types with all pseudo-types replaced that say what an
    /// argument is to be coerced to (`enforce_generic_type_consistency`).
    pub(super) fn resolve_polymorphic(
        &self,
        actual: &[Oid],
        declared: &mut [Oid],
        result: Oid,
        span: Option<Span>,
    ) -> Result<Oid, BindError> {
        self.try_resolve_polymorphic(actual, declared, result)
            .map_err(|message| error(ReasonCode::Type, message, span))
    }

    fn try_resolve_polymorphic(
        &self,
        actual: &[Oid],
        declared: &mut [Oid],
        result: Oid,
    ) -> Result<Oid, String> {
        let mut d = self.deduce(actual, declared, result, false)?;
        if d.family_one == 0 && !d.family_two {
            return Ok(result);
        }
        let array_of = |element: Oid| {
            let array = self.catalog.array_type(element);
            array.ok_or_else(|| {
                format!(
                    "could not find array type for data type {}",
                    self.type_name(element)
                )
            })
        };
        let undetermined = |what: &str| {
            format!("could not determine polymorphic type {what} because input has type unknown")
        };

        let common_array = match d.common {
            Some(oids::TEXT) => Some(TEXT_ARRAY),
            Some(common) if d.common_array_wanted => Some(array_of(common)?),
            _ => None,
        };
        let common = |name: &str| d.common.ok_or_else(|| undetermined(name));
        for ty in declared.iter_mut() {
            *ty = match *ty {
                oids::ANYCOMPATIBLE | oids::ANYCOMPATIBLENONARRAY => common("anycompatible")?,
                oids::ANYCOMPATIBLEARRAY => {
                    common_array.ok_or_else(|| undetermined("anycompatiblearray"))?
                }
                oids::ANYCOMPATIBLERANGE => d
                    .common_range
                    .ok_or_else(|| undetermined("anycompatiblerange"))?,
                oids::ANYCOMPATIBLEMULTIRANGE => d
                    .common_multirange
                    .ok_or_else(|| undetermined("anycompatiblemultirange"))?,
                other => other,
            };
        }

        if d.unknown_in_one {
            for (ty, &actual) in declared.iter_mut().zip(actual) {
                if actual != oids::UNKNOWN {
                    continue;
                }
                *ty = match *ty {
                    oids::ANYELEMENT | oids::ANYNONARRAY | oids::ANYENUM => {
                        d.element.ok_or_else(|| undetermined("anyelement"))?
                    }
                    oids::ANYARRAY => match (d.array, d.element) {
                        (Some(array), _) => array,
                        (None, Some(element)) => {
                            let array = array_of(element)?;
                            d.array = Some(array);
                            array
                        }
                        (None, None) => return Err(undetermined("anyarray")),
                    },
                    oids::ANYRANGE => d.range.ok_or_else(|| undetermined("anyrange"))?,
                    oids::ANYMULTIRANGE => {
                        d.multirange.ok_or_else(|| undetermined("anymultirange"))?
                    }
                    other => other,
                };
            }
        }

        match result {
            oids::ANYELEMENT | oids::ANYNONARRAY | oids::ANYENUM => {
                d.element.ok_or_else(|| undetermined("anyelement"))
            }
            oids::ANYARRAY => match (d.array, d.element) {
                (Some(array), _) => Ok(array),
                (None, Some(element)) => array_of(element),
                (None, None) => Err(undetermined("anyarray")),
            },
            oids::ANYRANGE => d.range.ok_or_else(|| undetermined("anyrange")),
            oids::ANYMULTIRANGE => d.multirange.ok_or_else(|| undetermined("anymultirange")),
            oids::ANYCOMPATIBLE | oids::ANYCOMPATIBLENONARRAY => common("anycompatible"),
            oids::ANYCOMPATIBLEARRAY => {
                common_array.ok_or_else(|| undetermined("anycompatiblearray"))
            }
            oids::ANYCOMPATIBLERANGE => d
                .common_range
                .ok_or_else(|| undetermined("anycompatiblerange")),
            oids::ANYCOMPATIBLEMULTIRANGE => d
                .common_multirange
                .ok_or_else(|| undetermined("anycompatiblemultirange")),
            other => Ok(other),
        }
    }

    /// Matches actual to declared types. `lenient`: an argument of which nothing is known may stay
    /// undetermined.
    fn deduce(
        &self,
        actual: &[Oid],
        declared: &[Oid],
        result: Oid,
        lenient: bool,
    ) -> Result<Deduced, String> {
        let mut d = Deduced {
            nonarray: result == oids::ANYNONARRAY,
            enumeration: result == oids::ANYENUM,
            wants_multirange: result == oids::ANYMULTIRANGE,
            common_nonarray: result == oids::ANYCOMPATIBLENONARRAY,
            common_array_wanted: result == oids::ANYCOMPATIBLEARRAY,
            common_range_wanted: result == oids::ANYCOMPATIBLERANGE,
            common_multirange_wanted: result == oids::ANYCOMPATIBLEMULTIRANGE,
            ..Deduced::default()
        };
        for (&actual, &declared) in actual.iter().zip(declared) {
            self.deduce_argument(&mut d, actual, declared)?;
        }
        if d.family_one > 0 {
            self.deduce_family_one(&mut d, result, lenient)?;
        }
        if d.family_two {
            self.deduce_family_two(&mut d, lenient)?;
        }
        Ok(d)
    }

    fn deduce_argument(&self, d: &mut Deduced, actual: Oid, declared: Oid) -> Result<(), String> {
        if !is_polymorphic(declared) {
            return Ok(());
        }
        match declared {
            oids::ANYNONARRAY => d.nonarray = true,
            oids::ANYENUM => d.enumeration = true,
            oids::ANYMULTIRANGE => d.wants_multirange = true,
            oids::ANYCOMPATIBLENONARRAY => d.common_nonarray = true,
            oids::ANYCOMPATIBLEARRAY => d.common_array_wanted = true,
            oids::ANYCOMPATIBLERANGE => d.common_range_wanted = true,
            oids::ANYCOMPATIBLEMULTIRANGE => d.common_multirange_wanted = true,
            _ => {}
        }
        let unknown = actual == oids::UNKNOWN;
        if is_family_one(declared) {
            d.family_one += 1;
            d.unknown_in_one |= unknown;
        } else {
            d.family_two = true;
        }
        if unknown {
            return Ok(());
        }
        // Domains over containers are flattened; over elements they are types of their own.
        let base = self.catalog.base_of(actual);
        let same = |slot: &mut Option<Oid>, ty: Oid, name: &str| match *slot {
            Some(old) if old != ty => Err(format!(
                "arguments declared \"{name}\" are not all alike: {} versus {}",
                self.type_name(old),
                self.type_name(ty)
            )),
            _ => {
                *slot = Some(ty);
                Ok(())
            }
        };
        match declared {
            oids::ANYELEMENT | oids::ANYNONARRAY | oids::ANYENUM => {
                same(&mut d.element, actual, "anyelement")
            }
            oids::ANYARRAY => same(&mut d.array, base, "anyarray"),
            oids::ANYRANGE => same(&mut d.range, base, "anyrange"),
            oids::ANYMULTIRANGE => same(&mut d.multirange, base, "anymultirange"),
            oids::ANYCOMPATIBLE | oids::ANYCOMPATIBLENONARRAY => {
                d.candidates.push(actual);
                Ok(())
            }
            oids::ANYCOMPATIBLEARRAY => {
                let element = self.catalog.element_type(base);
                d.candidates.push(
                    element.ok_or_else(|| self.not_a("anycompatiblearray", "an array", base))?,
                );
                Ok(())
            }
            oids::ANYCOMPATIBLERANGE => {
                let first = d.common_range.is_none();
                same(&mut d.common_range, base, "anycompatiblerange")?;
                let subtype = self.range_subtype(base);
                let subtype = subtype
                    .ok_or_else(|| self.not_a("anycompatiblerange", "a range type", base))?;
                if first {
                    d.candidates.push(subtype);
                }
                Ok(())
            }
            _ => {
                same(&mut d.common_multirange, base, "anycompatiblemultirange")?;
                self.multirange_range(base)
                    .map(|_| ())
                    .ok_or_else(|| self.not_a("anycompatiblemultirange", "a multirange type", base))
            }
        }
    }

    fn deduce_family_one(&self, d: &mut Deduced, result: Oid, lenient: bool) -> Result<(), String> {
        let fit = |slot: &mut Option<Oid>, ty: Oid, names: [&str; 2]| match *slot {
            Some(old) if old != ty => Err(format!(
                "argument declared {} is not consistent with argument declared {}: {} versus {}",
                names[0],
                names[1],
                self.type_name(ty),
                self.type_name(old)
            )),
            _ => {
                *slot = Some(ty);
                Ok(())
            }
        };
        match d.array {
            // Only columns of pg_statistic have this type.
            Some(oids::ANYARRAY) => {
                let alone =
                    d.family_one == 1 && (result == oids::ANYARRAY || !is_family_one(result));
                if !lenient && !alone {
                    return Err("cannot determine element type of \"anyarray\" argument".into());
                }
                if !lenient {
                    fit(&mut d.element, oids::ANYELEMENT, ["anyarray", "anyelement"])?;
                }
            }
            Some(array) => {
                let element = self.catalog.element_type(array);
                let element = element.ok_or_else(|| self.not_a("anyarray", "an array", array))?;
                fit(&mut d.element, element, ["anyarray", "anyelement"])?;
            }
            None => {}
        }
        if let Some(multirange) = d.multirange {
            let range = self.multirange_range(multirange);
            let range = range
                .ok_or_else(|| self.not_a("anymultirange", "a multirange type", multirange))?;
            fit(&mut d.range, range, ["anymultirange", "anyrange"])?;
        } else if d.wants_multirange
            && let Some(range) = d.range
        {
            d.multirange = self.range_multirange(range);
        }
        if let Some(range) = d.range {
            let subtype = self.range_subtype(range);
            let subtype = subtype.ok_or_else(|| self.not_a("anyrange", "a range type", range))?;
            fit(&mut d.element, subtype, ["anyrange", "anyelement"])?;
        }
        let Some(element) = d.element else {
            // All arguments are unknown: some overload may still be the right one.
            return if lenient && !d.nonarray && !d.enumeration {
                Ok(())
            } else if lenient {
                // An unknown is no array; but neither is it an enum.
                if d.enumeration {
                    Err("type matched to anyenum is not an enum type: unknown".into())
                } else {
                    Ok(())
                }
            } else {
                Err("could not determine polymorphic type because input has type unknown".into())
            };
        };
        if element == oids::ANYELEMENT {
            return Ok(());
        }
        if d.nonarray && self.catalog.base_element_type(element).is_some() {
            return Err(format!(
                "type matched to anynonarray is an array type: {}",
                self.type_name(element)
            ));
        }
        let is_enum = self
            .catalog
            .ty(element)
            .is_some_and(|t| t.kind == TypeKind::Enum);
        if d.enumeration && !is_enum {
            return Err(format!(
                "type matched to anyenum is not an enum type: {}",
                self.type_name(element)
            ));
        }
        Ok(())
    }

    fn deduce_family_two(&self, d: &mut Deduced, lenient: bool) -> Result<(), String> {
        let mut range_matters = d.common_range_wanted;
        if let Some(multirange) = d.common_multirange {
            let range = self.multirange_range(multirange);
            let range = range.ok_or_else(|| {
                self.not_a("anycompatiblemultirange", "a multirange type", multirange)
            })?;
            match d.common_range {
                Some(other) if other != range => {
                    return Err(format!(
                        "argument declared anycompatiblemultirange is not consistent with argument \
                         declared anycompatiblerange: {} versus {}",
                        self.type_name(multirange),
                        self.type_name(other)
                    ));
                }
                Some(_) => {}
                None => {
                    let subtype = self.range_subtype(range);
                    let subtype = subtype.ok_or_else(|| {
                        self.not_a("anycompatiblemultirange", "a range type", range)
                    })?;
                    d.common_range = Some(range);
                    d.candidates.push(subtype);
                    range_matters = true;
                }
            }
        } else if d.common_multirange_wanted
            && let Some(range) = d.common_range
        {
            d.common_multirange = self.range_multirange(range);
        }
        if d.candidates.is_empty() {
            if !lenient {
                for (wanted, name) in [
                    (d.common_range_wanted, "anycompatiblerange"),
                    (d.common_multirange_wanted, "anycompatiblemultirange"),
                ] {
                    if wanted {
                        return Err(format!(
                            "could not determine polymorphic type {name} because input has type unknown"
                        ));
                    }
                }
                d.common = Some(oids::TEXT);
            }
            return Ok(());
        }
        let common = self.common_oid(&d.candidates).map_err(|[a, b]| {
            format!(
                "argument types {} and {} cannot be matched",
                self.type_name(a),
                self.type_name(b)
            )
        })?;
        let fits = |ty: &Oid| self.can_coerce(*ty, common, CastContext::Implicit);
        if !d.candidates.iter().all(fits) {
            return Err("arguments of anycompatible family cannot be cast to a common type".into());
        }
        if range_matters || d.common_range.is_some() {
            match d.common_range.and_then(|r| self.range_subtype(r)) {
                Some(subtype) if subtype != common => {
                    return Err(format!(
                        "anycompatiblerange subtype {} does not match anycompatible type {}",
                        self.type_name(subtype),
                        self.type_name(common)
                    ));
                }
                Some(_) => {}
                None if lenient => {}
                None => {
                    return Err(
                        "could not determine polymorphic type anycompatiblerange because input \
                         has type unknown"
                            .into(),
                    );
                }
            }
        }
        if d.common_nonarray && self.catalog.base_element_type(common).is_some() {
            return Err(format!(
                "type matched to anycompatiblenonarray is an array type: {}",
                self.type_name(common)
            ));
        }
        d.common = Some(common);
        Ok(())
    }

    fn not_a(&self, declared: &str, what: &str, actual: Oid) -> String {
        format!(
            "argument declared {declared} is not {what} but type {}",
            self.type_name(actual)
        )
    }

    pub(super) fn range_subtype(&self, ty: Oid) -> Option<Oid> {
        let ty = self.catalog.ty(ty)?;
        (ty.kind == TypeKind::Range).then_some(ty.subtype)
    }

    fn multirange_range(&self, ty: Oid) -> Option<Oid> {
        let ty = self.catalog.ty(ty)?;
        (ty.kind == TypeKind::Multirange).then_some(ty.range)
    }

    fn range_multirange(&self, ty: Oid) -> Option<Oid> {
        let ty = self.catalog.ty(ty)?;
        (ty.kind == TypeKind::Range && ty.range.is_valid()).then_some(ty.range)
    }
}
