//! Room on the file systems that kubestead, packages, logs and images write to.

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::Section;
use serde::{Deserialize, Serialize};

/// Folders of which each may be a file system of its own. All are there on every system that is supported.
const FOLDERS: [&str; 6] = ["/", "/etc", "/usr", "/var", "/var/lib", "/tmp"];
/// Fewer free bytes than these are too few to begin with.
const BYTES: u64 = 100 << 20;
/// Fewer free inodes than these, on a file system that counts them.
const INODES: u64 = 5000;

/// What is free on a file system for root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// The first folder that lies on it.
    pub folder: String,
    /// Bytes.
    pub bytes: u64,
    /// Inodes; `None` if it makes them as it needs them.
    pub inodes: Option<u64>,
}

pub(super) fn section() -> Section {
    Section::program("machine/free", ["df", "--output=avail,itotal,iavail,source,target", "-B1"].into_iter().chain(FOLDERS))
}

/// Reads df's table, which has a line for each folder, in their order. Folders on one file system are one.
pub(super) fn read(text: &str) -> Result<Vec<Room>, Gap> {
    let bad = |line: &str| Gap::new(format!("what df says of free room was not understood: {line:?}"));
    let lines: Vec<&str> = text.lines().skip(1).collect();
    if lines.len() != FOLDERS.len() {
        return Err(bad(text.lines().next_back().unwrap_or_default()));
    }
    let mut found: Vec<(&str, Room)> = Vec::new();
    for (folder, line) in FOLDERS.iter().zip(lines) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[bytes, total, inodes, .., target] = words.as_slice() else { return Err(bad(line)) };
        if found.iter().any(|(known, _)| *known == target) {
            continue;
        }
        // A file system that is more than full has less than nothing for others than root.
        let count = |word: &str| if word.starts_with('-') { Ok(0) } else { word.parse::<u64>().map_err(|_| bad(line)) };
        let inodes = if count(total)? == 0 { None } else { Some(count(inodes)?) };
        found.push((target, Room { folder: (*folder).to_owned(), bytes: count(bytes)?, inodes }));
    }
    Ok(found.into_iter().map(|(_, room)| room).collect())
}

/// The file systems that are too full to begin with.
pub(super) fn held<'a>(name: &'a Name, rooms: &'a [Room]) -> impl Iterator<Item = Held> + 'a {
    rooms.iter().filter_map(move |Room { folder, bytes, inodes }| {
        let (reason, hint) = match inodes {
            _ if *bytes < BYTES => {
                (format!("{bytes} bytes are free on the file system of {folder}"), "make at least 100 MiB free".to_owned())
            }
            Some(inodes) if *inodes < INODES => (
                format!("{inodes} inodes are free on the file system of {folder}"),
                format!("delete files: at least {INODES} must be free"),
            ),
            _ => return None,
        };
        Some(Held::on(name, "disk", reason, hint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "       Avail   Inodes    IFree Filesystem     Mounted on\n";

    #[test]
    fn a_full_file_system_is_named_by_its_folder_and_one_that_several_share_is_named_once() {
        let root = "8589934592 655360 600000 /dev/vda1 /\n";
        let text = format!(
            "{HEADING}{root}{root}{root}1000 655360 600000 /dev/mapper/my vg /var\n1048576000 655360 12 /dev/vdb /var/lib\n-5 - - tmpfs /tmp\n"
        );
        let rooms = read(&text).unwrap();
        let folders: Vec<&str> = rooms.iter().map(|room| room.folder.as_str()).collect();
        assert_eq!(folders, ["/", "/var", "/var/lib", "/tmp"]);
        let name = Name::new("kube1").unwrap();
        let said: Vec<String> = held(&name, &rooms).map(|held| held.reason).collect();
        assert_eq!(
            said,
            [
                "1000 bytes are free on the file system of /var",
                "12 inodes are free on the file system of /var/lib",
                "0 bytes are free on the file system of /tmp"
            ]
        );
    }

    #[test]
    fn a_file_system_that_counts_no_inodes_is_not_out_of_them() {
        let line = "8589934592 0 0 /dev/vda1 /\n";
        let rooms = read(&format!("{HEADING}{}", line.repeat(FOLDERS.len()))).unwrap();
        assert_eq!(rooms, [Room { folder: "/".into(), bytes: 8_589_934_592, inodes: None }]);
        assert_eq!(held(&Name::new("kube1").unwrap(), &rooms).count(), 0);
    }

    #[test]
    fn what_is_no_table_is_a_gap() {
        let line = "1 1 1 /dev/vda1 /\n";
        for text in [
            String::new(),
            HEADING.to_owned(),
            format!("{HEADING}{line}"),
            format!("{HEADING}{}", "x 1 1 a /\n".repeat(6)),
            format!("{HEADING}{}", "1 /\n".repeat(6)),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
