//! A private PostgreSQL on a free port of the loopback interface, with its data in a temporary folder.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tempfile::TempDir;

use crate::{
    debian::{self, Apt},
    process,
    progress::Step,
    settings,
};

/// The variable by which tests find the server.
pub(crate) const URL_VARIABLE: &str = "WATCHER_TEST_POSTGRES_URL";

/// The database and its owner.
const NAME: &str = "watcher";

/// How the temporary folders are called.
const FOLDER_PREFIX: &str = "watcher-postgresql-";

/// The file in such a folder that is locked for as long as somebody uses it.
const IN_USE: &str = "in-use";

/// How often a start is tried again because somebody else took the port in between.
const PORT_ATTEMPTS: usize = 5;
const START_DEADLINE: Duration = Duration::from_mins(1);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(25);

/// A running server. [`Postgresql::stop`] ends it; so does the death of this program.
pub(crate) struct Postgresql {
    server: Child,
    port: u16,
    folder: TempDir,
    _in_use: File,
}

impl Postgresql {
    /// Starts an empty server. Programs come from the machine, else from Debian's archive.
    pub(crate) fn start(step: &Step, target_directory: &Path) -> Result<Self> {
        let user = Account::choose()?;
        remove_abandoned(&std::env::temp_dir());
        let folder = tempfile::Builder::new()
            .prefix(FOLDER_PREFIX)
            .tempdir()
            .context("cannot make a temporary folder for PostgreSQL")?;
        let in_use = mark_in_use(folder.path())?;
        user.own(folder.path())?;
        let programs = Programs::find(step, target_directory, &user, folder.path())?;
        let data = folder.path().join("data");

        step.note("initdb");
        let mut initdb = user.command(&programs, "initdb", folder.path());
        initdb.arg("-D").arg(&data).args(["-U", NAME, "--auth=trust", "--encoding=UTF8", "--no-locale"]);
        initdb.args(["--no-sync", "--no-instructions"]);
        process::run_behind(step, &mut initdb).context("cannot prepare a PostgreSQL data folder")?;
        create_database(&user, &programs, folder.path(), &data)?;

        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            step.note(&format!("starting on port {port}"));
            if let Some(server) = try_start(&user, &programs, folder.path(), &data, port)? {
                return Ok(Self { server, port, folder, _in_use: in_use });
            }
        }
        bail!("PostgreSQL found every port taken, {PORT_ATTEMPTS} times")
    }

    /// Where to reach it, as clients write it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{NAME}@127.0.0.1:{}/{NAME}", self.port)
    }

    /// Ends the server and removes its data.
    pub(crate) fn stop(mut self) {
        // Fast shut-down first, then without a check-point, then by force: the data is thrown away in any case.
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
            if send(&self.server, signal).is_err() || ends_in_time(&mut self.server) {
                break;
            }
        }
        let path = self.folder.path().to_owned();
        if let Err(error) = self.folder.close() {
            eprintln!("    {} was left behind: {error}", path.display());
        }
    }
}

/// Whom the server runs as: PostgreSQL refuses to be root.
struct Account {
    other: Option<(u32, u32)>,
}

impl Account {
    fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { other: None });
        }
        if settings::find_in_path("setpriv").is_none() {
            bail!("PostgreSQL does not run as root, and `setpriv` is missing: run `apt-get install util-linux`");
        }
        let known = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user =
            known.context("PostgreSQL does not run as root, and there is neither a postgres nor a nobody user")?;
        Ok(Self { other: Some((user.uid.as_raw(), user.gid.as_raw())) })
    }

    fn own(&self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot give {} to another user", path.display()))
    }

    /// A program that runs as this user, in a folder that this user can enter. It is asked to end when this program dies,
    /// however that happens.
    fn run(&self, program: &Path, folder: &Path) -> Command {
        let mut command = if settings::find_in_path("setpriv").is_some() {
            let mut command = process::command("setpriv");
            command.arg("--pdeathsig=INT");
            if let Some((uid, gid)) = self.other {
                command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
            }
            command.arg("--").arg(program);
            command
        } else {
            process::command(program)
        };
        // Ctrl-c is for this program, which lets the tests end before their database.
        command.current_dir(folder).process_group(0).env("LC_ALL", "C").env("HOME", folder).env_remove("PGDATA");
        command
    }

    /// One of PostgreSQL's programs as this user.
    fn command(&self, programs: &Programs, name: &str, folder: &Path) -> Command {
        let mut command = self.run(&programs.bin.join(name), folder);
        // Empty means the current folder to the loader.
        if programs.libraries.is_empty() {
            command.env_remove("LD_LIBRARY_PATH");
        } else {
            command.env("LD_LIBRARY_PATH", &programs.libraries);
        }
        command
    }
}

/// `initdb` and `postgres`.
struct Programs {
    bin: PathBuf,
    /// Shared libraries that were unpacked with them.
    libraries: OsString,
}

impl Programs {
    fn find(step: &Step, target_directory: &Path, user: &Account, folder: &Path) -> Result<Self> {
        if let Some(bin) = settings::postgresql_bin() {
            if !has_programs(&bin) {
                bail!("WATCHER_POSTGRESQL_BIN is {}, which has no initdb and postgres", bin.display());
            }
            return Ok(Self { bin, libraries: "".into() });
        }
        let in_path = settings::find_in_path("initdb").and_then(|initdb| initdb.canonicalize().ok());
        let in_path = in_path.and_then(|initdb| Some(initdb.parent()?.to_owned())).filter(|bin| has_programs(bin));
        if let Some(bin) = newest_under(Path::new("/usr/lib/postgresql")).or(in_path) {
            return Ok(Self { bin, libraries: "".into() });
        }
        let root = unpacked(step, &target_directory.join("postgresql"))?;
        let own = Self::under(&root)?;
        // `setpriv` itself could still start them: it loses root's rights only then.
        if process::succeeds(user.run(Path::new("test"), folder).arg("-x").arg(own.bin.join("postgres"))) {
            return Ok(own);
        }
        // The checkout lies where the other user may not go, as in /root.
        let copy = folder.join("programs");
        process::run_behind(step, process::command("cp").arg("-a").arg(&root).arg(&copy))?;
        Self::under(&copy)
    }

    fn under(root: &Path) -> Result<Self> {
        let bin = newest_under(&root.join("usr/lib/postgresql"));
        let bin = bin.with_context(|| format!("there is no PostgreSQL under {}", root.display()))?;
        Ok(Self { bin, libraries: debian::library_path(root) })
    }
}

fn has_programs(bin: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| settings::is_executable(&bin.join(program)))
}

/// The `bin` folder of the highest major version in Debian's layout.
fn newest_under(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).ok()?.flatten();
    let numbered = versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let complete = numbered.map(|(version, path)| (version, path.join("bin"))).filter(|(_, bin)| has_programs(bin));
    complete.max().map(|(_, bin)| bin)
}

/// PostgreSQL from Debian's archive, unpacked under `cache`.
fn unpacked(step: &Step, cache: &Path) -> Result<PathBuf> {
    let root = cache.join("root");
    let marker = root.join("ok");
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join("lock")).with_context(|| format!("cannot write in {}", cache.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", cache.display()))?;
    if marker.exists() {
        return Ok(root);
    }
    let Some(mut apt) = Apt::find(&cache.join("apt")) else {
        bail!("the tests need PostgreSQL's server programs (initdb, postgres): install PostgreSQL 13 or newer");
    };
    step.say("downloading PostgreSQL from Debian (20 MB); nothing is installed");
    let found = apt.with_fresh_lists(step, |apt| {
        let Some(package) = server_package(&apt.dependencies("postgresql", None)) else { return Ok(None) };
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        let packages = [package];
        apt.unpack(step, &packages, &root)?;
        let bin = newest_under(&root.join("usr/lib/postgresql")).context("the package has no postgres")?;
        for program in ["postgres", "initdb"] {
            apt.add_missing_libraries(step, &bin.join(program), &packages, &root)?;
        }
        File::create(&marker)?.sync_all()?;
        Ok(Some(()))
    })?;
    found.context(
        "the tests need PostgreSQL, and this archive has no package postgresql: install PostgreSQL 13 or newer",
    )?;
    // Package lists that are of no more use.
    let _ = fs::remove_dir_all(cache.join("apt"));
    Ok(root)
}

/// `postgresql-15` of what the package `postgresql` depends on.
fn server_package(dependencies: &[String]) -> Option<String> {
    let numbered = |name: &&String| name.strip_prefix("postgresql-").is_some_and(|rest| rest.parse::<u32>().is_ok());
    dependencies.iter().find(numbered).cloned()
}

/// Creates the database without a server, and so without a client program.
fn create_database(user: &Account, programs: &Programs, folder: &Path, data: &Path) -> Result<()> {
    let mut command = user.command(programs, "postgres", folder);
    command.args(["--single", "-F", "-D"]).arg(data).arg("postgres");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run postgres")?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "CREATE DATABASE {NAME};")?;
    }
    let output = child.wait_with_output().context("cannot wait for postgres")?;
    if !output.status.success() {
        bail!("cannot create a database:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Starts the server and waits until it answers; `None` when the port was taken.
fn try_start(user: &Account, programs: &Programs, folder: &Path, data: &Path, port: u16) -> Result<Option<Child>> {
    let log_file = folder.join("log");
    let log = File::create(&log_file).with_context(|| format!("cannot write {}", log_file.display()))?;
    let mut command = user.command(programs, "postgres", folder);
    command.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F", "-k"]).arg(folder);
    for setting in [
        "synchronous_commit=off",
        "full_page_writes=off",
        "max_connections=300",
        "timezone=UTC",
        "jit=off",
        // Containers often give little /dev/shm.
        "dynamic_shared_memory_type=mmap",
    ] {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut server = command.spawn().context("cannot run postgres")?;
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let ended = server.try_wait().context("cannot wait for postgres")?;
        if ended.is_none() && is_ready(&fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default()) {
            return Ok(Some(server));
        }
        if ended.is_some() || Instant::now() > deadline {
            let said = fs::read_to_string(&log_file).unwrap_or_default();
            if ended.is_some() && said.contains("Address already in use") {
                return Ok(None);
            }
            let _ = server.kill();
            let _ = server.wait();
            bail!("PostgreSQL did not start:\n{said}");
        }
        thread::sleep(POLL);
    }
}

/// Locks the folder until the file is dropped or this program dies.
fn mark_in_use(folder: &Path) -> Result<File> {
    let path = folder.join(IN_USE);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Removes the folders of programs that were killed before they could. One that has data but no lock has no owner: the
/// lock comes before the data.
fn remove_abandoned(parent: &Path) {
    for folder in fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOLDER_PREFIX));
        if !ours || !folder.join("data").exists() {
            continue;
        }
        if File::open(folder.join(IN_USE)).is_ok_and(|file| file.try_lock().is_ok()) {
            // Somebody else's is not ours to complain about.
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// Whether the server's own status file says that it takes connections: its eighth line.
fn is_ready(postmaster_pid: &str) -> bool {
    postmaster_pid.lines().nth(7).is_some_and(|status| status.trim() == "ready")
}

/// A port of the loopback interface that nobody uses at the moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("there is no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

fn send(server: &Child, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(server.id()).map_err(io::Error::other)?;
    Ok(kill(Pid::from_raw(pid), signal)?)
}

fn ends_in_time(server: &mut Child) -> bool {
    let deadline = Instant::now() + STOP_DEADLINE;
    while Instant::now() < deadline {
        match server.try_wait() {
            Ok(None) => thread::sleep(POLL),
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on() {
        let port = free_port().unwrap();
        assert!(port > 0);
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn only_folders_without_an_owner_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir_all(folder.join("data")).unwrap();
            folder
        };
        let (used, abandoned) = (folder("watcher-postgresql-a"), folder("watcher-postgresql-b"));
        let (foreign, unmarked) = (folder("other"), folder("watcher-postgresql-c"));
        let lock = mark_in_use(&used).unwrap();
        drop(mark_in_use(&abandoned).unwrap());
        drop(mark_in_use(&foreign).unwrap());
        remove_abandoned(parent.path());
        assert!(used.exists() && foreign.exists() && unmarked.exists());
        assert!(!abandoned.exists());
        drop(lock);
    }

    #[test]
    fn the_status_file_tells_when_the_server_is_ready() {
        let starting = "123\n/tmp/data\n1700000000\n5433\n/tmp\n127.0.0.1\n  5433001  1\nstarting\n";
        assert!(!is_ready(starting));
        assert!(is_ready(&starting.replace("starting", "ready   ")));
        assert!(!is_ready(""));
    }

    #[test]
    fn the_server_package_is_the_numbered_one() {
        let dependencies = ["postgresql-common".to_owned(), "postgresql-15".to_owned()];
        assert_eq!(server_package(&dependencies).as_deref(), Some("postgresql-15"));
        assert_eq!(server_package(&dependencies[..1]), None);
    }

    #[test]
    fn the_highest_complete_version_is_used() {
        let folder = tempfile::tempdir().unwrap();
        for (version, programs) in
            [("9", &["initdb", "postgres"][..]), ("15", &["initdb", "postgres"]), ("16", &["psql"])]
        {
            let bin = folder.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
                let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(bin.join(program), executable).unwrap();
            }
        }
        assert_eq!(newest_under(folder.path()), Some(folder.path().join("15/bin")));
        assert_eq!(newest_under(Path::new("/nonexistent")), None);
    }
}
