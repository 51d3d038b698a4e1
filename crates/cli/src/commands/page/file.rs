//! The page as a file: whole or not there, its owner's alone, and never through a link or over what is not ours.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::exit::{Exit, Failure, fail};
use crate::page::MARK;

/// Fails if something is there that is no page of ours.
pub(super) fn check(to: &Path) -> Result<(), Failure> {
    let refused = |why: &str| Err(fail(Exit::Usage, format!("{} {why}: nothing was written", to.display())).hint("name another file"));
    match to.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => refused(&format!("cannot be looked at ({error})")),
        Ok(data) if data.is_symlink() => refused("is a link, and links are not followed here"),
        Ok(data) if !data.is_file() => refused("is no file"),
        Ok(_) => {
            let mut begin = Vec::new();
            let open = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(to);
            let read = open.and_then(|file| file.take(MARK.len() as u64).read_to_end(&mut begin));
            if read.is_ok() && begin == MARK.as_bytes() { Ok(()) } else { refused("is there, and is no page that kubestead wrote") }
        }
    }
}

/// Writes it beside its place, to the disk, and then takes the place.
pub(super) fn write(to: &Path, text: &[u8]) -> Result<(), Failure> {
    check(to)?;
    let to = std::path::absolute(to)?;
    let folder = to.parent().unwrap_or(Path::new("/"));
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|error| fail(Exit::Failed, format!("the operating system gave no random bytes: {error}")))?;
    let part = folder.join(format!(".kubestead-{:016x}", u64::from_ne_bytes(random)));
    let failed = |error: std::io::Error| fail(Exit::Failed, format!("cannot write {}: {error}", to.display()));
    let written = whole(&part, text).and_then(|()| std::fs::rename(&part, &to)).and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(failed)
}

fn whole(part: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_page_is_its_owners_alone_and_takes_the_place_of_a_page_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let page = format!("{MARK}one");
        write(&at("page"), page.as_bytes()).unwrap();
        assert_eq!(std::fs::metadata(at("page")).unwrap().permissions().mode() & 0o777, 0o600);
        write(&at("page"), format!("{MARK}two").as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(at("page")).unwrap(), format!("{MARK}two"));
        std::fs::write(at("precious"), "precious").unwrap();
        symlink(at("precious"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for (name, why) in
            [("precious", "no page that kubestead wrote"), ("link", "is a link"), ("dangling", "is a link"), ("folder", "is no file")]
        {
            let error = write(&at(name), page.as_bytes()).unwrap_err();
            assert!(error.message.contains(why), "{error:?}");
        }
        assert!(!at("nothing").exists() && std::fs::read_to_string(at("precious")).unwrap() == "precious");
        assert!(write(&at("none/page"), page.as_bytes()).unwrap_err().message.contains("cannot write"));
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!names.iter().any(|name| name.starts_with(".kubestead")), "{names:?}");
    }
}
