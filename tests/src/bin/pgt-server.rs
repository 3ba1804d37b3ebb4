//! Installs the extension, and starts and stops the private servers: the part of `./dev` that is
//! written in Rust.

use harness::{Error, Result, Server, postgres18};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: pgt-server COMMAND
  install PROFILE      install the extension that cargo built with this profile
  start NAME           start the server NAME, created if need be
  fresh NAME           the same, from nothing; for tests if it is called `test`
  stop [NAME]          stop it, or all
  socket NAME          print the directory of its socket
  psql NAME [ARG…]     psql on it";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match act(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgt-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(args: &[&str]) -> Result<()> {
    match args {
        ["install", profile] => {
            for path in postgres18::install(profile)? {
                println!("installed {}", path.display());
            }
            Ok(())
        }
        ["start", name] => {
            let server = Server::named(name)?;
            if server.exists() {
                server.start()
            } else {
                fresh(&server)
            }
        }
        ["fresh", name] => fresh(&Server::named(name)?),
        ["stop"] => Server::all()?.iter().try_for_each(|server| {
            if server.is_running()? {
                println!("stopping the server {}", server.name());
            }
            server.stop("fast")
        }),
        ["stop", name] => Server::named(name)?.stop("fast"),
        ["socket", name] => {
            println!("{}", Server::named(name)?.socket_directory().display());
            Ok(())
        }
        ["psql", name, rest @ ..] => {
            let server = Server::named(name)?;
            if !server.is_running()? {
                let message = format!("the server {name} does not run (./dev {name} starts it)");
                return Err(Error::Other(message));
            }
            let error = Command::new(postgres18::program("psql")?)
                .env("PGHOST", server.socket_directory())
                .env("PGUSER", "postgres")
                .env(
                    "PGDATABASE",
                    std::env::var("PGDATABASE").unwrap_or_else(|_| "postgres".into()),
                )
                .args(rest)
                .exec();
            Err(Error::Io {
                what: "psql".into(),
                source: error,
            })
        }
        _ => Err(Error::Other(USAGE.into())),
    }
}

fn fresh(server: &Server) -> Result<()> {
    match server.name() {
        "test" => {}
        "bench" => return server.fresh(&for_measuring()?),
        _ => return server.fresh(""),
    }
    // Private servers of tests that were killed before they could clean up.
    for left in Server::all()?.iter().filter(|other| other.is_private()) {
        left.remove()?;
    }
    server.fresh_for_tests("")
}

/// A quarter of the memory for shared buffers, as PostgreSQL's documentation advises: by default
/// the server has room for a few per cent of TPC-H at scale factor 1.
fn for_measuring() -> Result<String> {
    let path = "/proc/meminfo";
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        what: path.into(),
        source,
    })?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.parse::<u64>().ok())
        .ok_or_else(|| Error::Other(format!("{path} does not tell MemTotal")))?;
    Ok(format!("shared_buffers = '{}MB'", total / 4 / 1024))
}
