//! The defining query, as what it reads is called now.
//!
//! A query is a text of names; what it means are objects. So its analysed form is kept beside the
//! text, as PostgreSQL keeps that of a view, with the text that it was printed back as. As long as
//! it prints the same, and the user's own text means that, too, the user's text holds. Else (a table
//! was renamed; a column came to a table of which all are selected; a table of another schema now
//! comes first) what it prints now holds:
//!
//! ```text
//! current = if print(analysed) = printed = print(analyse(original)) then original
//!           else print(analysed)
//! ```
//!
//! Where the analysed form names what is gone (a column or function was dropped, maybe to come back
//! as another), the user's text holds, too: it is analysed anew, or the server says what is wrong.

use crate::catalog::StreamTable;
use crate::pg::{self, attempt, cstring};
use crate::refresh::identity::{as_owner, as_system};
use crate::refresh::settings::Settings;
use crate::sql::{self, arg};
use pgrx::pg_sys;

/// How the server prints a column that was dropped.
const DROPPED: [&str; 2] = ["........pg.dropped.", "?dropped?column?"];

/// An analysed query, and the text that it is printed as.
pub struct Kept {
    pub analysed: String,
    pub printed: String,
}

/// The text to run, and the settings under which it means what it should.
pub struct Current {
    pub text: String,
    pub settings: Vec<(String, String)>,
}

/// Analyses a query with the search path as it is. The server raises its own errors.
pub fn keep(query: &str) -> Option<Kept> {
    let text = cstring(query);
    // SAFETY: the server's own parser and analyser, on lists that it made.
    let analysed = unsafe {
        let parsed = pg_sys::pg_parse_query(text.as_ptr());
        if parsed.is_null() || (*parsed).length != 1 {
            return None;
        }
        let raw = (*(*parsed).elements).ptr_value as *mut pg_sys::RawStmt;
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let analysed = pg_sys::parse_analyze_fixedparams(
            raw,
            text.as_ptr(),
            std::ptr::null(),
            0,
            std::ptr::null_mut(),
        );
        pg_sys::PopActiveSnapshot();
        pg::string(pg_sys::nodeToString(analysed.cast()))?
    };
    let printed = print(&analysed)?;
    Some(Kept { analysed, printed })
}

/// Names that are not the server's own come out with their schemas.
fn print(analysed: &str) -> Option<String> {
    let mut settings = Settings::local(&[]);
    settings.set("search_path", "pg_catalog, pg_temp");
    settings.set("quote_all_identifiers", "off");
    settings.set("extra_float_digits", "3");
    let text = cstring(analysed);
    // SAFETY: what nodeToString made of a query of this server.
    let printed = unsafe {
        let query = pg_sys::stringToNode(text.as_ptr()).cast::<pg_sys::Query>();
        pg::string(pg_sys::pg_get_querydef(query, false))
    };
    settings.restore();
    printed.map(|p| p.trim_end_matches(';').to_string())
}

/// The query of a stream table.
pub fn current(table: &StreamTable) -> Current {
    let original = || Current {
        text: table.original_query.clone(),
        settings: table.settings.clone(),
    };
    let Some(kept) = load(table.pgt_id) else {
        return original();
    };
    // An error of either says that something is gone; whoever runs the other text hears of it.
    let printed =
        attempt(|| as_owner(table.owner, table.safe_settings(), || print(&kept.analysed)));
    let Ok(Some(now)) = printed else {
        return original();
    };
    if DROPPED.iter().any(|d| now.contains(d)) {
        return original();
    }
    let means_the_same = || {
        let anew =
            attempt(|| as_owner(table.owner, &table.settings, || keep(&table.original_query)));
        matches!(anew, Ok(Some(anew)) if anew.printed == now)
    };
    if now == kept.printed && means_the_same() {
        return original();
    }
    Current {
        text: now,
        settings: table.safe_settings().to_vec(),
    }
}

/// None of a stream table that was made by another server.
fn load(pgt_id: i64) -> Option<Kept> {
    as_system(|| {
        sql::connect(|c| {
            let rows = c.run(
                "SELECT analysed, printed FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1 \
                 AND home = pgtrickle._home()",
                &[arg(pgt_id)],
            );
            let row = rows.first()?;
            Some(Kept {
                analysed: row.get(1)?,
                printed: row.get(2)?,
            })
        })
    })
}
