//! Python environments for stock clients and test suites: made once under `target/python`, from requirements that name every version.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{process, progress::Step, settings, workspace::Workspace};

/// The file in an environment that says what was installed into it.
const MARKER: &str = "installed";

/// Why no environment can be made on this machine, if so.
pub(crate) fn missing() -> Option<String> {
    let python = settings::python();
    let works = |code: &str| process::succeeds(process::command(&python).args(["-c", code]));
    let shown = python.to_string_lossy();
    if !works("import sys; sys.exit(sys.version_info < (3, 11))") {
        return Some(format!(
            "Python 3.11 or newer is missing (`{shown}`): run `apt-get install python3 python3-venv`, or name one by WATCHER_PYTHON"
        ));
    }
    if !works("import venv, ensurepip") {
        return Some(format!("`{shown}` cannot make environments (venv): run `apt-get install python3-venv`"));
    }
    None
}

/// The Python of an environment with what `requirements` pins, which is made if it is not there or not up to date.
pub(crate) fn environment(workspace: &Workspace, name: &str, requirements: &Path) -> Result<PathBuf> {
    let step = Step::start(format!("Python environment {name}"));
    match prepare(&step, &workspace.target.join("python"), name, requirements) {
        Ok((python, fresh)) => {
            step.done(if fresh { "installed" } else { "there already" });
            Ok(python)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn prepare(step: &Step, cache: &Path, name: &str, requirements: &Path) -> Result<(PathBuf, bool)> {
    if let Some(reason) = missing() {
        bail!("{reason}");
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock().with_context(|| format!("cannot lock {}", cache.display()))?;
    let folder = cache.join(name);
    let (python, marker) = (folder.join("bin/python"), folder.join(MARKER));
    let wanted = wanted(requirements)?;
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted)
        && process::succeeds(&mut version(&python))
    {
        return Ok((python, false));
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    step.note("making the environment");
    process::run_behind(step, process::command(settings::python()).args(["-m", "venv"]).arg(&folder))?;
    step.note("pip install");
    let mut pip = process::command(&python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--requirement"]).arg(requirements);
    process::run_behind(step, &mut pip).with_context(|| format!("cannot install {}", requirements.display()))?;
    fs::write(&marker, &wanted).with_context(|| format!("cannot write {}", marker.display()))?;
    Ok((python, true))
}

/// What the environment must have been made from: interpreter and requirements.
fn wanted(requirements: &Path) -> Result<String> {
    let text = fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let interpreter = process::ask(&mut version(Path::new(&settings::python()))).unwrap_or_default();
    Ok(format!("# {}\n{text}", interpreter.trim()))
}

fn version(python: &Path) -> Command {
    let mut command = process::command(python);
    command.arg("--version");
    command
}

/// A Python program of this workspace, run without leaving compiled files in the source tree.
pub(crate) fn script(python: &Path) -> Command {
    let mut command = process::command(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore").env("PYTHONUNBUFFERED", "1");
    command
}
