//! What a build needs from the machine, checked before it is missed in the middle of a long build.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::settings;

/// Checks that C can be compiled: SQLite, ring and zstd bring C code with them.
pub(crate) fn c_compiler() -> Result<()> {
    let compiler = settings::c_compiler();
    let compiler = compiler.to_string_lossy();
    // `CC` may carry arguments, as in `ccache gcc`.
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    if !compiles(&mut command) {
        bail!(
            "a C compiler with its headers is missing (`{compiler}` does not work): run `apt-get install gcc libc6-dev`"
        );
    }
    Ok(())
}

fn compiles(compiler: &mut Command) -> bool {
    let child = compiler
        .args(["-x", "c", "-fsyntax-only", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    // A compiler that does not read its input fails, which is the answer.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(b"#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n");
    }
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_broken_compiler_is_noticed() {
        assert!(!compiles(&mut Command::new("/nonexistent/cc")));
        assert!(!compiles(&mut Command::new("false")));
    }
}
