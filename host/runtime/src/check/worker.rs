//! Checks in a process of their own: whatever a component does to its checker, the service does not feel it.
//!
//! The service starts its own program again, with no environment. The other process takes a line of JSON and the component from its standard
//! input, limits its own memory and computing time, lowers its priority, and writes lines of JSON: the steps it comes to, then the report.
//! It ends when its standard input does, so it never outlives the service. Code that it compiled is in the cache of compiled components, where
//! the service finds it.
//!
//! Memory is limited as writable private memory, not as addresses: the sandbox reserves far more addresses than it uses.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Resource, Rlimit, nice, setrlimit, setsid};
use rustix::thread::set_no_new_privs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use watcher_domain::ports::ComponentSource;
use watcher_domain::report::{CheckError, CheckOptions, PluginChecker, Problem, ProblemCode, Report};
use watcher_domain::{Digest, ProjectId};
use watcher_fair::{FairPermits, Permit};

use super::{Step, aside};
use crate::runtime::{Runtime, RuntimeError, RuntimeOptions};

/// Longest answer of the other process: a report has a description of 256 KiB at most.
const MAX_ANSWER: u64 = 32 << 20;
/// How much of what the other process says about its own end is kept.
const MAX_LAST_WORDS: u64 = 64 << 10;
/// Longest first line.
const MAX_TASK: u64 = 64 << 10;
/// How many files it may have open.
const MAX_OPEN: u64 = 256;
/// How much lower the priority of the other process is.
const NICER: i32 = 19;
/// Signals that no component brings about: SIGHUP, SIGINT, SIGTERM of whoever stops the service, and SIGKILL of the kernel when the machine's memory ends.
const FROM_OUTSIDE: [i32; 4] = [1, 2, 15, 9];
/// What the kernel sends after too much computing.
const SIGXCPU: i32 = 24;
/// Largest file that it may write: compiled code.
const MAX_FILE: u64 = 1 << 30;

/// How components are checked by other processes.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Program to start.
    pub program: PathBuf,
    /// Its arguments; it has to call [`serve`].
    pub arguments: Vec<OsString>,
    /// Where compiled components are kept, as the service's own sandbox has it.
    pub cache_dir: PathBuf,
    /// How many of them.
    pub cache_files: usize,
    /// How many bytes of them.
    pub cache_bytes: u64,
    /// How many checks run at once; of one project, at most half of them.
    pub at_once: usize,
    /// How many more may wait.
    pub waiting: usize,
    /// How long a check waits for its turn.
    pub patience: Duration,
    /// How long a check may take.
    pub deadline: Duration,
    /// Computing time of a check in seconds, all its threads together.
    pub cpu_s: u64,
    /// Memory of a check in bytes.
    pub memory_bytes: u64,
}

impl WorkerOptions {
    /// The usual limits, for a program and the cache of a sandbox.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, sandbox: &RuntimeOptions) -> Self {
        Self {
            program,
            arguments,
            cache_dir: sandbox.cache_dir.clone(),
            cache_files: sandbox.cache_files,
            cache_bytes: sandbox.cache_bytes,
            at_once: 2,
            waiting: 16,
            patience: Duration::from_secs(20),
            deadline: Duration::from_secs(90),
            cpu_s: 60,
            memory_bytes: 2 << 30,
        }
    }
}

/// Checks components in processes of their own.
pub struct Worker {
    options: WorkerOptions,
    places: Arc<FairPermits>,
    waiting: AtomicUsize,
}

/// What the other process is told.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    options: CheckOptions,
    cache_dir: PathBuf,
    cache_files: usize,
    cache_bytes: u64,
    cpu_s: u64,
    memory_bytes: u64,
    component_bytes: u64,
}

/// What it answers, a line each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Step(Step),
    Report(Box<Report>),
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("the checking process cannot be started")]
    Start(#[source] io::Error),
    #[error("the checking process ended before it began: {status}; {last_words}")]
    Early { status: String, last_words: String },
    #[error("the checking process cannot be talked to")]
    Pipe(#[source] io::Error),
    #[error("the checking process was ended by somebody else ({0}); check again")]
    Killed(ExitStatus),
}

impl From<WorkerError> for CheckError {
    fn from(error: WorkerError) -> Self {
        Self::Host(Box::new(error))
    }
}

/// How a process ended that gave no report.
enum End {
    Status(ExitStatus),
    Deadline,
}

impl Worker {
    /// With these options.
    pub fn new(options: WorkerOptions) -> Self {
        let places = FairPermits::new(options.at_once, options.at_once);
        Self { options, places, waiting: AtomicUsize::new(0) }
    }

    async fn place(&self, project: Option<ProjectId>) -> Result<Permit, CheckError> {
        let busy = || CheckError::Busy { retry_after: self.options.patience.min(Duration::from_secs(5)) };
        let most = if project.is_some() { self.options.at_once.div_ceil(2) } else { self.options.at_once };
        let mut place = std::pin::pin!(self.places.acquire_within(project, most));
        if let std::task::Poll::Ready(place) = futures::poll!(place.as_mut()) {
            return Ok(place);
        }
        let waiting = Waits::new(&self.waiting);
        if waiting.before >= self.options.waiting {
            return Err(busy());
        }
        tokio::time::timeout(self.options.patience, place).await.map_err(|_| busy())
    }

    /// Sends the component and reads what comes back: the report if there is one, the last step, and the last words.
    async fn talk(
        &self,
        child: &mut Child,
        task: &Task,
        component: &[u8],
        said: &mut Said,
    ) -> Result<ExitStatus, WorkerError> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(WorkerError::Pipe(io::ErrorKind::BrokenPipe.into()));
        };
        let mut line = serde_json::to_vec(task).map_err(|error| WorkerError::Pipe(error.into()))?;
        line.push(b'\n');
        let send = async {
            // A process that ended is told by its status: that it reads no more is no error of its own.
            let sent = async {
                stdin.write_all(&line).await?;
                stdin.write_all(component).await?;
                stdin.flush().await
            };
            drop(sent.await);
            // Held open: the other process ends when it closes.
            stdin
        };
        let Said { step, report, last_words } = said;
        let read = async {
            let mut lines = BufReader::new(stdout.take(MAX_ANSWER)).lines();
            while let Some(line) = lines.next_line().await.map_err(WorkerError::Pipe)? {
                match serde_json::from_str(&line) {
                    Ok(Line::Step(next)) => *step = Some(next),
                    Ok(Line::Report(found)) => {
                        *report = Some(found);
                        break;
                    }
                    Err(error) => tracing::warn!(%error, "a line of the checking process cannot be read"),
                }
            }
            Ok::<(), WorkerError>(())
        };
        let words = async {
            let mut stderr = stderr.take(MAX_LAST_WORDS);
            drop(stderr.read_to_end(last_words).await);
            // What is more is read and forgotten, or the other process would wait for it.
            drop(tokio::io::copy(stderr.get_mut(), &mut tokio::io::sink()).await);
        };
        let work = async {
            let (stdin, read) = tokio::join!(send, read);
            drop(stdin);
            read?;
            child.wait().await.map_err(WorkerError::Pipe)
        };
        let (status, ()) = tokio::join!(work, words);
        status
    }
}

/// What the other process has said so far.
#[derive(Default)]
struct Said {
    step: Option<Step>,
    report: Option<Box<Report>>,
    last_words: Vec<u8>,
}

#[async_trait]
impl PluginChecker for Worker {
    async fn check(&self, component: Arc<[u8]>, options: CheckOptions) -> Result<Report, CheckError> {
        let _place = self.place(options.project.clone()).await?;
        let settings = &self.options;
        let task = Task {
            options,
            cache_dir: settings.cache_dir.clone(),
            cache_files: settings.cache_files,
            cache_bytes: settings.cache_bytes,
            cpu_s: settings.cpu_s,
            memory_bytes: settings.memory_bytes,
            component_bytes: u64::try_from(component.len()).unwrap_or(u64::MAX),
        };
        let mut child = Command::new(&settings.program)
            .args(&settings.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(WorkerError::Start)?;
        let mut said = Said::default();
        let told = tokio::time::timeout(settings.deadline, self.talk(&mut child, &task, &component, &mut said)).await;
        let end = if let Ok(status) = told {
            End::Status(status?)
        } else {
            // What could go wrong here is that it has just ended by itself.
            drop(child.start_kill());
            End::Deadline
        };
        if let Some(report) = said.report {
            return Ok(*report);
        }
        if let End::Status(status) = end
            && status.signal().is_some_and(|signal| FROM_OUTSIDE.contains(&signal))
        {
            return Err(WorkerError::Killed(status).into());
        }
        let last_words = String::from_utf8_lossy(&said.last_words).into_owned();
        let Some(step) = said.step else {
            let status = match end {
                End::Status(status) => status.to_string(),
                End::Deadline => "it did not end in time".to_owned(),
            };
            return Err(WorkerError::Early { status, last_words: tail(&last_words) }.into());
        };
        let digest = aside(move || Digest(Sha256::digest(&component).into())).await?;
        tracing::warn!(plugin.digest = %digest, ?step, last_words = tail(&last_words), "a plugin ended the process that checked it");
        let mut report = Report::new(digest, task.component_bytes);
        report.refuse(self.problem(step, &end, &last_words));
        Ok(report)
    }
}

impl Worker {
    /// What to tell the author of a component that ended its checker.
    fn problem(&self, step: Step, end: &End, last_words: &str) -> Problem {
        let doing = match step {
            Step::Read => "reading it",
            Step::Compile => "compiling it",
            Step::Describe => "its description",
            Step::Try => "trying it out",
        };
        let memory = ["memory allocation of", "cannot allocate memory", "out of memory", "Cannot allocate memory"];
        let message = match end {
            End::Deadline => format!("{doing} took longer than {} s", self.options.deadline.as_secs()),
            End::Status(status) if status.signal() == Some(SIGXCPU) => {
                format!("{doing} took more than {} s of computing", self.options.cpu_s)
            }
            End::Status(_) if memory.iter().any(|words| last_words.contains(words)) => {
                format!("{doing} took more than {} bytes of memory", self.options.memory_bytes)
            }
            End::Status(status) => format!("{doing} made the compiler end without an answer ({status})"),
        };
        let code = if step == Step::Compile { ProblemCode::CompileLimit } else { ProblemCode::CheckLimit };
        let expected = "a smaller component: fewer or smaller functions, fewer locals and types";
        Problem { code, at: String::new(), message, expected: expected.to_owned() }
    }
}

fn tail(text: &str) -> String {
    let chars = text.chars().count();
    text.chars().skip(chars.saturating_sub(2_000)).collect()
}

struct Waits<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why the other process gives no report.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What came on the standard input is no task.
    #[error("the task cannot be read")]
    Task(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The limits cannot be set.
    #[error("the limits of the process cannot be set")]
    Limits(#[source] io::Error),
    /// The sandbox cannot start.
    #[error(transparent)]
    Sandbox(#[from] RuntimeError),
    /// The check found no end.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The answer cannot be written.
    #[error("the answer cannot be written")]
    Answer(#[source] io::Error),
}

/// The other process: takes one task from standard input, and writes steps and report to standard output.
pub fn serve() -> Result<(), ServeError> {
    let task = |error: io::Error| ServeError::Task(Box::new(error));
    let mut input = io::stdin().lock();
    let line = first_line(&mut input).map_err(task)?;
    let order: Task = serde_json::from_slice(&line).map_err(|error| ServeError::Task(Box::new(error)))?;
    confine(&order).map_err(ServeError::Limits)?;
    let mut component = Vec::new();
    input.by_ref().take(order.component_bytes).read_to_end(&mut component).map_err(task)?;
    if u64::try_from(component.len()).ok() != Some(order.component_bytes) {
        return Err(task(io::ErrorKind::UnexpectedEof.into()));
    }
    drop(input);
    std::thread::spawn(|| {
        // Nothing more is sent: what ends the wait is that the service has gone, or wants no answer any more.
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
        std::process::exit(3);
    });
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = threads.map_err(ServeError::Limits)?.block_on(check(&order, component.into()))?;
    answer(&Line::Report(Box::new(report))).map_err(ServeError::Answer)
}

async fn check(task: &Task, component: Arc<[u8]>) -> Result<Report, ServeError> {
    let options = RuntimeOptions {
        cache_dir: task.cache_dir.clone(),
        cache_files: task.cache_files,
        cache_bytes: task.cache_bytes,
        always_compile: true,
        max_instances: 2,
        ..RuntimeOptions::default()
    };
    let runtime = Runtime::new(options, Arc::new(Nowhere))?;
    let next = |step| {
        if answer(&Line::Step(step)).is_err() {
            // Nobody listens.
            std::process::exit(3);
        }
    };
    Ok(super::run(&runtime, component, task.options.clone(), &next).await?)
}

fn answer(line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&text)?;
    output.flush()
}

/// Reads up to the end of the first line and no byte further.
fn first_line(input: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    io::BufRead::read_until(&mut input.take(MAX_TASK), b'\n', &mut line)?;
    Ok(line)
}

/// Takes away what a check does not need.
fn confine(task: &Task) -> io::Result<()> {
    let limit = |resource, most: u64, hard: u64| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(hard) }).map_err(io::Error::from)
    };
    limit(Resource::Data, task.memory_bytes, task.memory_bytes)?;
    limit(Resource::Cpu, task.cpu_s, task.cpu_s.saturating_add(2))?;
    limit(Resource::Fsize, MAX_FILE, MAX_FILE)?;
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Nofile, MAX_OPEN, MAX_OPEN)?;
    set_no_new_privs(true).map_err(io::Error::from)?;
    nice(NICER).map_err(io::Error::from)?;
    step_back();
    Ok(())
}

/// Has the priority count against other sessions too: Linux shares processors out by session first (sched(7), "The autogroup feature") where that is
/// switched on. Without it there is nothing to do.
fn step_back() {
    if setsid().is_ok() {
        // Best effort, for there may be no such file.
        let _ = std::fs::write("/proc/self/autogroup", NICER.to_string());
    }
}

/// A sandbox that knows no component but the one it is handed.
struct Nowhere;

#[async_trait]
impl ComponentSource for Nowhere {
    async fn component(&self, _: Digest) -> Result<Option<Arc<[u8]>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }
}
