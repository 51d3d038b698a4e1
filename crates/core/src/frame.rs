//! How a command travels: a short constant line that any login shell understands, and one stream on its standard input.
//!
//! The stream is a loader of one line, the script, and the script's input. The loader knows the length of both: a script or an input that was
//! cut off on the way is refused before anything of it runs. So nothing of a script is in `ps`, nothing of it meets the limit that Linux sets to an
//! argument (128 KiB), and no value passes a shell's quoting. Bash reads commands from a pipe byte by byte, so what follows the loader stays there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize as _;

use crate::command::{Command, Limits, Stdin};
use crate::secret::Secret;

/// The status of a loader whose script or input was cut off: nothing ran.
pub const CUT: i32 = 93;
/// ssh gives 127 and 255 meanings of its own, so the line hands them out as these.
const NOT_FOUND: (i32, i32) = (220, 127);
const DISCONNECTED: (i32, i32) = (221, 255);

/// The line for the login shell: bash as root, without start files, for as long as the limit says. It has neither backslashes nor quotes in quotes nor
/// `!`, so that fish and tcsh take it as sh does.
pub fn line(limits: Limits) -> String {
    let seconds = limits.seconds;
    let (missing, lost) = (NOT_FOUND.0, DISCONNECTED.0);
    format!(
        r#"exec sh -c 'unset BASH_ENV ENV; s="timeout -k 9 {seconds} bash --norc -s"; if [ "$(id -u)" = 0 ]; then $s; else sudo -n -- $s; fi; r=$?; case $r in 127) r={missing} ;; 255) r={lost} ;; esac; exit $r'"#
    )
}

/// The status that the command had, from the status of its [`line()`].
pub fn status(status: i32) -> i32 {
    [NOT_FOUND, DISCONNECTED].into_iter().find_map(|(line, own)| (line == status).then_some(own)).unwrap_or(status)
}

/// What goes on the line's standard input; the files of [`Stdin::Files`] follow it. Input that is in memory waits until all of it came.
pub fn stream(command: &Command) -> Secret {
    // What the shell reads this way it has without the line ends at its end: there is one, so that its length is known.
    let script = command.script() + "\n#\n";
    let mut input = match &command.stdin {
        Stdin::Empty | Stdin::Files(_) => String::new(),
        Stdin::Plain(_) | Stdin::Secret(_) => STANDARD.encode(command.stdin.bytes()),
    };
    let take = match &command.stdin {
        Stdin::Empty => "exec < /dev/null".to_owned(),
        Stdin::Files(_) => ":".to_owned(),
        // In a variable of bash, and from there through a pipe: on no disk and in no argument.
        Stdin::Plain(_) | Stdin::Secret(_) => format!(
            "i=$(head -c {0}); [ ${{#i}} = {0} ] || {{ echo 'the input was cut off on the way: nothing was done' >&2; exit {CUT}; }}; \
             exec < <(exec base64 -d < <(printf %s \"$i\")); unset i",
            input.len()
        ),
    };
    let loader = format!(
        "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         {{ ulimit -c 0; s=$(head -c {0}); \
         [ ${{#s}} = {1} ] || {{ echo 'the script was cut off on the way: nothing was done' >&2; exit {CUT}; }}; {take}; eval \"$s\"; exit; }}\n",
        script.len(),
        script.len() - 1
    );
    let mut bytes = Vec::with_capacity(loader.len() + script.len() + input.len());
    for part in [loader.as_str(), &script, &input] {
        bytes.extend_from_slice(part.as_bytes());
    }
    input.zeroize();
    Secret::new(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Output, Stdio};

    use super::*;

    fn send(shell: &str, command: &Command, cut: usize) -> Output {
        let (line, stream) = (line(command.limits), stream(command));
        let mut child = std::process::Command::new(shell);
        child.args(["-c", &line]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let bytes = stream.expose();
        // One that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(&bytes[..bytes.len() - cut]);
        child.wait_with_output().unwrap()
    }

    #[test]
    fn a_script_and_its_input_arrive_byte_for_byte() {
        if !rootless() {
            let long = format!("x={}; printf '%s ' \"${{#x}}\"; cat; echo zwölf >&2; exit 7", "y".repeat(300_000));
            let input: Vec<u8> = (0..=255).chain(*b"\n\n").collect();
            let command = Command::write_script(long).stdin(Stdin::Secret(Secret::new(input.clone())));
            let out = send("sh", &command, 0);
            assert_eq!(out.status.code(), Some(7));
            assert_eq!(out.stdout, [b"300000 ".as_slice(), &input].concat());
            assert_eq!(String::from_utf8(out.stderr).unwrap(), "zwölf\n");
            let out = send("bash", &Command::read(["printf", "%s", "it's"]), 0);
            assert_eq!(out.stdout, b"it's");
        }
    }

    #[test]
    fn what_is_cut_off_runs_not_even_its_beginning() {
        if !rootless() {
            let dir = std::env::temp_dir().join(format!("kubestead-frame-{}", std::process::id()));
            let script = format!("touch {}; cat > /dev/null", dir.display());
            let command = Command::write_script(script).stdin(Stdin::Plain(b"input".to_vec()));
            let all = stream(&command).expose().len();
            // What follows the loader: a loader that is cut off is nothing to do.
            let rest = command.script().len() + STANDARD.encode(b"input").len();
            for cut in (1..all).step_by(3) {
                let out = send("sh", &command, cut);
                assert!(!dir.exists(), "{cut} bytes cut off");
                assert!(cut > rest || out.status.code() == Some(CUT), "{cut} bytes cut off: {:?}", out.status);
            }
            assert_eq!(send("sh", &command, 0).status.code(), Some(0));
            std::fs::remove_file(&dir).unwrap();
            // Without input nothing but its own length tells that a script is whole: each of these beginnings is one that bash could run.
            let alone = Command::write_script(format!("touch {}\ntrue\ntrue\ntrue\n", dir.display()));
            // The line end at its end is none of it.
            for cut in 2..15 {
                assert_eq!(send("sh", &alone, cut).status.code(), Some(CUT), "{cut} bytes cut off");
                assert!(!dir.exists(), "{cut} bytes cut off");
            }
        }
    }

    #[test]
    fn statuses_that_ssh_takes_for_its_own_come_through() {
        if !rootless() {
            for wanted in [0, 1, 90, 127, 255] {
                let out = send("sh", &Command::read_script(format!("exit {wanted}")), 0);
                assert_eq!(status(out.status.code().unwrap()), wanted);
            }
            let out = send("sh", &Command::read_script("no-such-program"), 0);
            assert!(status(out.status.code().unwrap()) == 127 && !out.stderr.is_empty());
        }
    }

    #[test]
    fn a_command_ends_with_its_limit_of_time() {
        if !rootless() {
            let out = send("sh", &Command::read_script("sleep 60 & sleep 60; wait").limit_seconds(1), 0);
            assert_eq!(out.status.code(), Some(124));
        }
    }

    /// The line asks sudo when the login is not root, and that may ask for a password.
    fn rootless() -> bool {
        let id = std::process::Command::new("id").arg("-u").output().unwrap();
        id.stdout != b"0\n" && std::process::Command::new("sudo").args(["-n", "true"]).status().map_or(true, |s| !s.success())
    }
}
