//! The settings of the creating session that can change what a query's text means; every run of
//! the query has them back.

use crate::pg::{self, cstring};
use pgrx::pg_sys;

const MEANINGFUL: &[&str] = &[
    "search_path",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "bytea_output",
    "xmloption",
    "xmlbinary",
    "extra_float_digits",
    "default_text_search_config",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "array_nulls",
    "standard_conforming_strings",
    "backslash_quote",
    "transform_null_equals",
    "timezone_abbreviations",
];

/// Name and value of each, as they are now.
pub fn current() -> Vec<(String, String)> {
    MEANINGFUL
        .iter()
        .filter_map(|&name| {
            let c = cstring(name);
            // SAFETY: returns null for what it does not know.
            let value = unsafe { pg::string(pg_sys::GetConfigOption(c.as_ptr(), true, false)) }?;
            Some((name.to_string(), value))
        })
        .collect()
}
