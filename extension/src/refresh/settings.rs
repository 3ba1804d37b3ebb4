//! Settings that hold for a step or a whole refresh, and go back afterwards.

use crate::pg::cstring;
use pgrx::pg_sys;

/// Restored by [`Settings::restore`], or by the transaction's clean-up after an error.
pub struct Settings {
    level: Option<i32>,
}

impl Settings {
    pub fn local(settings: &[(String, String)]) -> Self {
        let mut this = Settings { level: None };
        for (name, value) in settings {
            this.set(name, value);
        }
        this
    }

    pub fn set(&mut self, name: &str, value: &str) {
        if is(name, value) {
            return;
        }
        // SAFETY: a nest level is opened before the first change, closed by `restore`.
        unsafe {
            if self.level.is_none() {
                self.level = Some(pg_sys::NewGUCNestLevel());
            }
            let (name, value) = (cstring(name), cstring(value));
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }

    /// Memory for sorts, hashes and what is kept between steps as maintenance has it, where that is
    /// more than a query may have: a refresh is maintenance, and what it must hold is the change.
    pub fn of_maintenance() -> Self {
        let mut this = Settings { level: None };
        // SAFETY: variables of the process.
        let (own, ample) = unsafe { (pg_sys::work_mem, pg_sys::maintenance_work_mem) };
        if own < ample {
            this.set("work_mem", &format!("{ample}kB"));
            // It is the limit for hashes, too, as in the server's own maintenance.
            this.set("hash_mem_multiplier", "1");
        }
        this
    }

    pub fn restore(self) {
        if let Some(level) = self.level {
            // SAFETY: the level opened above.
            unsafe { pg_sys::AtEOXact_GUC(true, level) }
        }
    }
}

/// Does a setting have this value? To set it anew can be dear: time zone abbreviations are read
/// from a file.
fn is(name: &str, value: &str) -> bool {
    let name = cstring(name);
    // SAFETY: returns a string that the server owns, or null for a setting that is not there; it is
    // only looked at before anything else is asked.
    unsafe {
        let now = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        !now.is_null() && std::ffi::CStr::from_ptr(now).to_bytes() == value.as_bytes()
    }
}
