//! A database of its own for each test, copied from a template that has the extension.

use crate::server::{Server, TEMPLATE};
use postgres::{Client, NoTls};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Dropped with the handle, unless `PGT_KEEP` is set in the environment.
pub struct Database {
    server: Server,
    name: String,
}

impl Database {
    /// A new database on the shared server.
    pub fn new() -> Database {
        Database::on(Server::shared())
    }

    /// A new database on `server`, which must have the template.
    pub fn on(server: &Server) -> Database {
        Database::copy_of(server, TEMPLATE)
    }

    /// A new database on `server` without the extension.
    pub fn empty(server: &Server) -> Database {
        Database::copy_of(server, "template0")
    }

    fn copy_of(server: &Server, template: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let clock = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |time| time.as_micros());
        let name = format!("t_{}_{count}_{clock}", std::process::id());
        admin(
            server,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        );
        Database {
            server: server.clone(),
            name,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    pub fn config(&self) -> postgres::Config {
        self.server.config(&self.name)
    }

    /// A new connection, as superuser.
    pub fn connect(&self) -> Client {
        self.config()
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("cannot connect: {error}"))
    }

    /// A new connection, and the messages of the notices that it has received.
    pub fn connect_with_notices(&self) -> (Client, Arc<Mutex<Vec<String>>>) {
        let notices = Arc::new(Mutex::new(vec![]));
        let sink = notices.clone();
        let mut config = self.config();
        config.notice_callback(move |notice| {
            if let Ok(mut sink) = sink.lock() {
                sink.push(format!("{}: {}", notice.severity(), notice.message()));
            }
        });
        let client = config
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("cannot connect: {error}"));
        (client, notices)
    }
}

impl Default for Database {
    fn default() -> Database {
        Database::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let kept = std::env::var_os("PGT_KEEP").is_some();
        if kept {
            let host = self.server.socket_directory().display();
            eprintln!("kept: psql -h {host} -U postgres {}", self.name);
            return;
        }
        let dropped = self
            .server
            .connect("postgres")
            .map(|mut c| c.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)));
        if let Err(error) = dropped {
            // A test that has killed its server ends here.
            eprintln!("the database {} stays: {error}", self.name);
        }
    }
}

fn admin(server: &Server, sql: &str) {
    let done = server
        .connect("postgres")
        .and_then(|mut client| Ok(client.batch_execute(sql)?));
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
