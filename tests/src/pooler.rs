//! PgBouncer in front of a server, pooling transactions over a few connections: each transaction of a
//! client lands on another one than the transaction before, as far as there are others.

use crate::server::Server;
use crate::{Context, Result, postgres18};
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// In the name of the socket, nothing more.
const PORT: u16 = 6432;

/// It ends with the handle.
pub struct Pooler {
    directory: PathBuf,
    process: Child,
}

impl Pooler {
    /// A pooler that has `connections` connections to each database of the server.
    pub fn before(server: &Server, connections: u32) -> Pooler {
        Pooler::start(server, connections).unwrap_or_else(|error| panic!("no pooler: {error}"))
    }

    fn start(server: &Server, connections: u32) -> Result<Pooler> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pgt-pooler-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).context(directory.display())?;
        let here = directory.display();
        let settings = format!(
            "[databases]\n* = host={}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\n\
             unix_socket_dir = {here}\nauth_type = trust\nauth_file = {here}/users\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\nserver_round_robin = 1\n\
             ignore_startup_parameters = extra_float_digits\n",
            server.socket_directory().display()
        );
        for (file, text) in [
            ("pgbouncer.ini", settings.as_str()),
            ("users", "\"postgres\" \"\"\n"),
        ] {
            let path = directory.join(file);
            fs::write(&path, text).context(path.display())?;
        }
        if let Some((uid, gid)) = server.user()? {
            chown(&directory, Some(uid), Some(gid)).context(here)?;
        }
        let log = directory.join("log");
        let log = fs::File::create(&log).context(log.display())?;
        let mut command = server.as_user(&program()?)?;
        command
            .arg("-q")
            .arg(directory.join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = command.spawn().context("pgbouncer")?;
        let mut pooler = Pooler { directory, process };
        let limit = Instant::now() + Duration::from_secs(30);
        while !pooler.socket().exists() {
            let ended = pooler.process.try_wait().context("pgbouncer")?.is_some();
            if ended || Instant::now() > limit {
                let log = fs::read_to_string(pooler.directory.join("log"));
                return Err(crate::Error::Other(log.unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(pooler)
    }

    fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{PORT}"))
    }

    /// A new client. It may use the simple protocol and statements without a name: of named ones
    /// another connection does not know.
    pub fn connect(&self, database: &str) -> postgres::Client {
        let mut config = postgres::Config::new();
        config
            .host_path(&self.directory)
            .port(PORT)
            .user("postgres")
            .dbname(database);
        config
            .connect(postgres::NoTls)
            .unwrap_or_else(|error| panic!("cannot connect through the pooler: {error}"))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        let removed = fs::remove_dir_all(&self.directory);
        if let Err(error) = ended.and(removed) {
            eprintln!("{} stays: {error}", self.directory.display());
        }
    }
}

/// What `./dev setup` has unpacked, or else one that is installed.
fn program() -> Result<PathBuf> {
    let own = postgres18::home()?.join("tools/pgbouncer");
    let all = [own.as_path(), Path::new("/usr/sbin/pgbouncer")];
    let found = all.into_iter().find(|path| path.exists());
    found
        .map(Path::to_path_buf)
        .ok_or_else(|| crate::Error::Other("there is no pgbouncer: run ./dev setup".into()))
}
