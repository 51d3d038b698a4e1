//! Paths on the operator's computer.

use std::path::{Path, PathBuf};

use super::decode::text;
use super::findings::Findings;
use super::tree::Node;

/// A path as written: from the cluster file's folder on, and `~/` is the operator's home folder, as shells have it.
pub(super) fn path(node: Node, what: &str, dir: &Path, out: &mut Findings) -> Option<PathBuf> {
    let found = text(node, what, out)?;
    match resolve(&found.value, dir, std::env::home_dir().as_deref()) {
        Ok(path) => Some(path),
        Err((message, hint)) => {
            out.error(&found.place, format!("{what}: {message}"), hint.to_owned());
            None
        }
    }
}

fn resolve(text: &str, dir: &Path, home: Option<&Path>) -> Result<PathBuf, (String, &'static str)> {
    if text.is_empty() {
        return Err(("the path is empty".into(), "write a path, or leave the field out"));
    }
    let Some(rest) = text.strip_prefix('~') else { return Ok(dir.join(text)) };
    match (rest.strip_prefix('/'), home) {
        (Some(below), Some(home)) if home.is_absolute() => Ok(home.join(below.trim_start_matches('/'))),
        (Some(_), _) => Err((format!("{text:?}: this computer tells no home folder"), "set HOME, or write the whole path")),
        (None, _) => Err((format!("{text:?}: only \"~/\" is a home folder here"), "write the whole path, or ./~… for a file of that name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_folder_is_the_operators_own() {
        let (dir, home) = (Path::new("/repo"), Some(Path::new("/home/me")));
        for (written, path) in [
            ("ssh", "/repo/ssh"),
            ("/a/b", "/a/b"),
            ("~/.ssh/config", "/home/me/.ssh/config"),
            ("~//etc", "/home/me/etc"),
            ("a/~/b", "/repo/a/~/b"),
        ] {
            assert_eq!(resolve(written, dir, home), Ok(PathBuf::from(path)), "{written}");
        }
        for (written, home) in [("", home), ("~", home), ("~root/x", home), ("~/x", None), ("~/x", Some(Path::new("")))] {
            assert!(resolve(written, dir, home).is_err(), "{written}");
        }
    }
}
