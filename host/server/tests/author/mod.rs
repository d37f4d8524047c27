//! An author's machine: folders, programs, and the commands of the tutorial.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A program in a folder, with the environment of an author on whose machine all dependencies are.
pub(crate) fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(name);
    command
        .current_dir(folder)
        .env("WATCHER_PLUGINS_DIR", root().join("target/plugins"))
        .env("CARGO_TARGET_DIR", root().join("target/authors"))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("WATCHER_SDK");
    command
}

/// An empty folder of one test.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = root().join("target/authors/projects").join(test);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a program said, on both streams.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The blocks of commands of the tutorial between two headings, as somebody would copy them.
pub(crate) fn tutorial(from: &str, to: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs/plugins/tutorial.md")).unwrap();
    let part = text.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let blocks = part.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0.to_owned());
    blocks.collect()
}

/// A shell that runs commands as they stand, and stops at the first that fails; `watcher-host` is the one under test.
pub(crate) fn shell(folder: &Path, commands: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_watcher-host")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), watcher_server::config::variable("PATH").unwrap());
    let mut shell = program("sh", folder);
    shell.args(["-ec", commands]).env("PATH", path);
    shell
}
