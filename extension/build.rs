//! Link-time guard of the isolation of libpg_query (compiler/isolate/generate).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" {
        // The renamed grammar must exist, or the link fails: the header was not applied, and
        // libpg_query's palloc, errstart and others would capture references to the server's.
        println!("cargo::rustc-link-arg-cdylib=-Wl,--defsym=pgq_isolated=pgq_raw_parser");
        // Keeps the section of pgrx metadata, from which the SQL of the extension is generated.
        println!("cargo::rustc-link-arg-cdylib=-Wl,--no-gc-sections");
    }
}
