//! PostgreSQL servers of our own: a unix socket, no TCP, trust, the user `postgres`.
//!
//! A server is a directory `target/pg18/servers/NAME` with its data, socket and log. Servers run
//! as the owner of `target/pg18/servers` (PostgreSQL refuses root), whom `./dev setup` chose.

use crate::{Context, Error, Result, postgres18};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A template for the databases of tests, with the extension in it.
pub const TEMPLATE: &str = "pgt_template";

/// Of every server.
const SETTINGS: &str = "
listen_addresses = ''
shared_preload_libraries = 'pg_trickle'
max_connections = 200
max_prepared_transactions = 50
max_worker_processes = 64
max_replication_slots = 100
wal_level = logical
timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
";

/// Of servers for tests: they outlive kill -9, not a loss of power. Tests refresh by hand; those
/// of the scheduler have servers of their own.
const TEST_SETTINGS: &str = "
fsync = off
full_page_writes = off
pg_trickle.enabled = off
";

#[derive(Clone, Debug)]
pub struct Server {
    name: String,
    directory: PathBuf,
}

impl Server {
    /// The server called `name`, which need not exist.
    pub fn named(name: &str) -> Result<Server> {
        let directory = postgres18::home()?.join("servers").join(name);
        Ok(Server {
            name: name.into(),
            directory,
        })
    }

    /// The server that all tests share, with [`TEMPLATE`]: started by `./dev test`, or else by the
    /// first test that asks.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let start = || {
                let server = Server::named("test")?;
                let lock = server.directory.with_extension("lock");
                let lock = File::create(&lock).context(lock.display())?;
                lock.lock().context("the lock of the shared server")?;
                if !server.is_running()? {
                    server.fresh_for_tests("")?;
                }
                Ok::<_, Error>(server)
            };
            start().unwrap_or_else(|error| panic!("no server for tests: {error}"))
        })
    }

    /// A new server for one test, to crash or to configure, which ends when the handle goes.
    pub fn private(name: &str, settings: &str) -> Private {
        let server = Server::named(&format!("{name}-{}", std::process::id()))
            .unwrap_or_else(|error| panic!("{error}"));
        server
            .fresh_for_tests(settings)
            .unwrap_or_else(|error| panic!("{error}"));
        Private(server)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a test has made it for itself: its name ends in the number of a process.
    pub fn is_private(&self) -> bool {
        self.name
            .rsplit_once('-')
            .is_some_and(|(_, id)| id.parse::<u32>().is_ok())
    }

    /// The directory of the socket: the `host` of connections.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The process id of the postmaster, from its lock file; it may have died since.
    pub fn postmaster(&self) -> Result<Option<u32>> {
        let path = self.data().join("postmaster.pid");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text
                .lines()
                .next()
                .and_then(|line| line.trim().parse().ok())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io {
                what: path.display().to_string(),
                source,
            }),
        }
    }

    pub fn is_running(&self) -> Result<bool> {
        if self.postmaster()?.is_none() {
            return Ok(false);
        }
        let mut status = self.as_server("pg_ctl")?;
        status.arg("status").arg("-D").arg(self.data());
        Ok(status.output().context("pg_ctl status")?.status.success())
    }

    /// Whether the server has been created.
    pub fn exists(&self) -> bool {
        self.data().join("PG_VERSION").exists()
    }

    /// Ends what is there, and creates and starts a new server with these settings more.
    pub fn fresh(&self, settings: &str) -> Result<()> {
        self.remove()?;
        fs::create_dir(&self.directory).context(self.directory.display())?;
        if let Some((uid, gid)) = self.user()? {
            chown(&self.directory, Some(uid), Some(gid)).context(self.directory.display())?;
        }
        let mut initdb = self.as_server("initdb")?;
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]);
        initdb.args([
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        ]);
        run(initdb.arg("-D").arg(self.data()))?;
        // Servers from 18.6 on ask for it before the library may decode.
        let mut asks = self.as_server("postgres")?;
        asks.args(["-C", "output_plugin_libraries", "-D"]);
        if asks
            .arg(self.data())
            .output()
            .context("postgres -C")?
            .status
            .success()
        {
            self.configure("output_plugin_libraries = 'pgoutput, test_decoding, pg_trickle'\n")?;
        }
        self.configure(&format!(
            "{SETTINGS}unix_socket_directories = '{}'\n{settings}\n",
            self.directory.display()
        ))?;
        self.start()
    }

    /// [`Server::fresh`], with what tests need: their settings and the template.
    pub fn fresh_for_tests(&self, settings: &str) -> Result<()> {
        self.fresh(&format!("{TEST_SETTINGS}{settings}"))?;
        let mut client = self.connect("postgres")?;
        client.batch_execute(&format!("CREATE DATABASE {TEMPLATE}"))?;
        self.connect(TEMPLATE)?
            .batch_execute("CREATE EXTENSION pg_trickle")?;
        // Nobody, and no background worker, may connect to it while it is copied.
        client.batch_execute(&format!(
            "ALTER DATABASE {TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"
        ))?;
        Ok(())
    }

    /// Appends settings, which hold from the next start or reload on.
    pub fn configure(&self, settings: &str) -> Result<()> {
        let path = self.data().join("postgresql.conf");
        let file = fs::OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(settings.as_bytes()))
            .context(path.display())
    }

    /// Starts a server that exists, also one that was killed. No-op if it runs.
    pub fn start(&self) -> Result<()> {
        if self.is_running()? {
            return Ok(());
        }
        let mut start = self.as_server("pg_ctl")?;
        start
            .args(["start", "-w", "-t", "120", "-l"])
            .arg(self.log())
            .arg("-D")
            .arg(self.data());
        // The server keeps the output of pg_ctl open: it must not be a pipe.
        let output = self.directory.join("pg_ctl.log");
        let file = File::create(&output).context(output.display())?;
        start
            .stdout(file.try_clone().context("pg_ctl.log")?)
            .stderr(file);
        if start.status().context("pg_ctl start")?.success() {
            return Ok(());
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(30).collect();
        Err(Error::Command {
            command: format!("starting the server {}", self.name),
            output: tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
        })
    }

    /// Ends the server at once, as a crash would (`immediate`), or in order (`fast`).
    pub fn stop(&self, mode: &str) -> Result<()> {
        if !self.is_running()? {
            return Ok(());
        }
        run(self
            .as_server("pg_ctl")?
            .args(["stop", "-w", "-m", mode, "-D"])
            .arg(self.data()))
    }

    /// Kills the postmaster, and waits until its processes have noticed.
    pub fn kill(&self) -> Result<()> {
        let Some(postmaster) = self.postmaster()? else {
            return Ok(());
        };
        run(Command::new("kill").args(["-9", &postmaster.to_string()]))?;
        let limit = Instant::now() + Duration::from_secs(60);
        while self.has_processes()? {
            if Instant::now() > limit {
                return Err(Error::Other(format!("{} is not killed", self.name)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Where nobody asks how an orphan has ended, it is there for ever, and PostgreSQL would not
        // start beside it.
        let locks = [
            self.data().join("postmaster.pid"),
            self.directory.join(".s.PGSQL.5432.lock"),
        ];
        for lock in locks {
            fs::remove_file(&lock).context(lock.display())?;
        }
        Ok(())
    }

    /// Does any process work in the directory of the data?
    fn has_processes(&self) -> Result<bool> {
        let data = self.data();
        let works = |process: fs::DirEntry| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data)
        };
        let processes = fs::read_dir("/proc").context("/proc")?;
        Ok(processes.flatten().any(works))
    }

    /// Ends the server and removes all of it.
    pub fn remove(&self) -> Result<()> {
        self.stop("immediate")?;
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context(self.directory.display())
            }
            _ => Ok(()),
        }
    }

    pub fn config(&self, database: &str) -> postgres::Config {
        let mut config = postgres::Config::new();
        config
            .host_path(&self.directory)
            .user("postgres")
            .dbname(database);
        config
    }

    pub fn connect(&self, database: &str) -> Result<postgres::Client> {
        Ok(self.config(database).connect(postgres::NoTls)?)
    }

    /// All servers that exist.
    pub fn all() -> Result<Vec<Server>> {
        let servers = postgres18::home()?.join("servers");
        let mut found = vec![];
        for entry in fs::read_dir(&servers).context(servers.display())? {
            let entry = entry.context(servers.display())?;
            if entry.path().is_dir() {
                found.push(Server::named(&entry.file_name().to_string_lossy())?);
            }
        }
        Ok(found)
    }

    /// The user to become, if it is not the present one.
    pub(crate) fn user(&self) -> Result<Option<(u32, u32)>> {
        let of = |path: &Path| {
            let metadata = fs::metadata(path).context(path.display())?;
            Ok::<_, Error>((metadata.uid(), metadata.gid()))
        };
        let servers = self.directory.parent().unwrap_or(&self.directory);
        let (owner, present) = (of(servers)?, of(Path::new("/proc/self"))?);
        Ok((owner.0 != present.0).then_some(owner))
    }

    fn as_server(&self, program: &str) -> Result<Command> {
        self.as_user(&postgres18::program(program)?)
    }

    /// A program that runs as the user of the server.
    pub(crate) fn as_user(&self, program: &Path) -> Result<Command> {
        let mut command = Command::new(program);
        command
            .env_remove("HOME")
            .env("LC_ALL", "C")
            // Backtraces would show up in the DETAIL of errors.
            .env("RUST_BACKTRACE", "0")
            .current_dir("/");
        if let Some((uid, gid)) = self.user()? {
            command.uid(uid).gid(gid);
        }
        Ok(command)
    }
}

/// A server of one test.
pub struct Private(Server);

impl std::ops::Deref for Private {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(log) = fs::read_to_string(self.log())
        {
            eprintln!("--- log of the server {}\n{log}", self.name);
        }
        if let Err(error) = self.remove() {
            eprintln!("the server {} stays: {error}", self.name);
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().context(&name)?;
    if output.status.success() {
        return Ok(());
    }
    let [out, err] = [&output.stdout, &output.stderr].map(|o| String::from_utf8_lossy(o));
    Err(Error::Command {
        command: name,
        output: format!("{out}{err}"),
    })
}
