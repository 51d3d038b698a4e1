//! Where files of the person lie who types: below HOME, or where the variables of the XDG base directories say.
//!
//! A program that cron, systemd or CI starts may have no HOME. What would be taken for it, the current folder, is the repository: keys never go there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure, fail};

/// HOME; an error without one, which says what else to set.
pub(crate) fn home(instead: &str) -> Result<PathBuf, Failure> {
    below("", &[], instead, &|name| std::env::var_os(name))
}

/// The folder of settings.
pub(crate) fn config(instead: &str) -> Result<PathBuf, Failure> {
    below(".config", &["XDG_CONFIG_HOME"], instead, &|name| std::env::var_os(name))
}

/// The folder of what programs note for themselves.
pub(crate) fn state() -> Result<PathBuf, Failure> {
    below(".local/state", &["XDG_STATE_HOME"], "XDG_STATE_HOME", &|name| std::env::var_os(name))
}

/// The first of these variables that names a folder by its whole path, as the specification of the XDG base directories wants it; else `folder` below HOME.
fn below(folder: &str, variables: &[&str], instead: &str, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, Failure> {
    let named = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(path) = variables.iter().find_map(|name| named(name)) {
        return Ok(path);
    }
    let home = named("HOME").ok_or_else(|| fail(Exit::Usage, "HOME names no folder").hint(format!("set HOME, or {instead}")))?;
    Ok(if folder.is_empty() { home } else { home.join(Path::new(folder)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_home_nothing_is_taken_for_it() {
        let found = |set: &'static [(&str, &str)]| {
            let of = move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
            below(".config", &["XDG_CONFIG_HOME"], "THIS", &of).map(|path| path.display().to_string()).map_err(|error| error.hint)
        };
        assert_eq!(found(&[("HOME", "/home/a")]).unwrap(), "/home/a/.config");
        assert_eq!(found(&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "/c")]).unwrap(), "/c");
        assert_eq!(found(&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "c")]).unwrap(), "/home/a/.config");
        for none in [&[][..], &[("HOME", "")], &[("HOME", "a"), ("XDG_CONFIG_HOME", "")]] {
            assert_eq!(found(none), Err(Some("set HOME, or THIS".to_owned())));
        }
    }
}
