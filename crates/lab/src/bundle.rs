//! A bundle: one folder with all the software of a cluster, and `bundle.json` with the sha256 of each file.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// 1.
    pub format_version: u32,
    /// The version of Kubernetes, such as `1.37.1`.
    pub kubernetes: String,
    /// `built` or `downloaded`.
    pub source: String,
    /// The files.
    pub files: Vec<File>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Relative to the bundle's folder.
    pub path: String,
    /// `binary`, `cni` or `image`.
    pub kind: String,
    /// Such as `kubelet`.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// The roles of nodes that need it.
    pub roles: Vec<String>,
    /// The image's reference, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Bundle {
    /// Reads `bundle.json` of a folder.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("bundle.json");
        let text = std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))?;
        let format = |detail: String| Error::Format { path: path.clone(), detail };
        let bundle: Self = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
        if bundle.format_version != 1 {
            return Err(format(format!("format version {} is not known", bundle.format_version)));
        }
        if let Some(file) = bundle.files.iter().find(|f| f.path.starts_with('/') || f.path.split('/').any(|part| part == "..")) {
            return Err(format(format!("{:?} leaves the folder", file.path)));
        }
        Ok(bundle)
    }

    /// Reads every file and compares sizes and sums; answers what differs.
    pub fn verify(&self, dir: &Path) -> Vec<String> {
        self.files.iter().filter_map(|file| check(file, &dir.join(&file.path)).err().map(|why| format!("{}: {why}", file.path))).collect()
    }
}

fn check(file: &File, path: &Path) -> Result<(), String> {
    let mut source = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let n = source.read(&mut buffer).map_err(|e| e.to_string())?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        size += n as u64;
    }
    let sum: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if size != file.size {
        return Err(format!("{size} bytes, and {} were expected", file.size));
    }
    if sum == file.sha256 { Ok(()) } else { Err(format!("sha256 {sum}, and {} was expected", file.sha256)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_and_a_path_outside_are_refused() {
        let dir = std::env::temp_dir().join(format!("kubestead-bundle-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("a"), "abc").unwrap();
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let json = |path: &str| {
            format!(
                r#"{{"formatVersion":1,"kubernetes":"1.37.1","source":"built","files":[{{"path":"{path}","kind":"binary","name":"a","version":"1","sha256":"{sum}","size":3,"roles":["worker"]}}]}}"#
            )
        };
        std::fs::write(dir.join("bundle.json"), json("a")).unwrap();
        let bundle = Bundle::load(&dir).unwrap();
        assert!(bundle.verify(&dir).is_empty());
        std::fs::write(dir.join("a"), "abd").unwrap();
        assert_eq!(bundle.verify(&dir).len(), 1);
        std::fs::write(dir.join("bundle.json"), json("../a")).unwrap();
        assert!(Bundle::load(&dir).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
