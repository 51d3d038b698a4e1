//! The JSON of lvm(8), wipefs(8) and cryptsetup(8), as types. All numbers of lvm are strings.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// `lvm fullreport --reportformat json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Lvm {
    pub(crate) report: Vec<LvmReport>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LvmReport {
    #[serde(default)]
    pub(crate) vg: Vec<Vg>,
    #[serde(default)]
    pub(crate) pv: Vec<Pv>,
    #[serde(default)]
    pub(crate) lv: Vec<Lv>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Vg {
    pub(crate) vg_name: String,
    #[serde(default)]
    pub(crate) vg_uuid: String,
    pub(crate) vg_extent_size: String,
    pub(crate) vg_free: String,
    pub(crate) vg_missing_pv_count: String,
    /// `exported`, or nothing.
    #[serde(default)]
    pub(crate) vg_exported: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pv {
    pub(crate) pv_name: String,
    #[serde(default)]
    pub(crate) vg_name: String,
    #[serde(default)]
    pub(crate) pv_uuid: String,
    #[serde(default)]
    pub(crate) pv_major: String,
    #[serde(default)]
    pub(crate) pv_minor: String,
    /// `missing`, or nothing.
    #[serde(default)]
    pub(crate) pv_missing: String,
}

impl Pv {
    /// Whether it is the device of this path or number. A number is one device; a device has many names.
    pub(crate) fn is(&self, path: &str, number: &str) -> bool {
        self.pv_name == path || format!("{}:{}", self.pv_major, self.pv_minor) == number
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Lv {
    pub(crate) vg_name: String,
    pub(crate) lv_name: String,
    pub(crate) lv_size: String,
    pub(crate) lv_tags: String,
}

/// `wipefs -n --json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Wipefs {
    pub(crate) signatures: Vec<Signature>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Signature {
    /// The last part of the path of the device.
    #[serde(default)]
    pub(crate) device: Option<String>,
    pub(crate) offset: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) uuid: Option<String>,
}

impl Signature {
    /// For messages: what, where, and its UUID.
    pub(crate) fn describe(&self) -> String {
        match &self.uuid {
            Some(uuid) => format!("{} at {} (UUID {uuid})", self.kind, self.offset),
            None => format!("{} at {}", self.kind, self.offset),
        }
    }
}

/// The JSON area of a LUKS2 header, as far as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct LuksMetadata {
    pub(crate) keyslots: BTreeMap<String, serde_json::Value>,
    pub(crate) tokens: BTreeMap<String, Token>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The slots that it is about.
    #[serde(default)]
    pub(crate) keyslots: Vec<String>,
    /// In a token of ours: the name of its volume.
    pub(crate) volume: Option<serde_json::Value>,
    /// In a token of ours: the way that it is of.
    pub(crate) provider: Option<serde_json::Value>,
}

pub(crate) fn json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Gap> {
    serde_json::from_str(text).map_err(|e| Gap::new(format!("the answer of {what} is not understood: {e}")))
}

/// The most bytes that a disk, a group, a volume or a file system is believed to have: 8 PiB. Sums of what a host tells fit 64 bits then.
pub(crate) const MOST: u64 = 1 << 53;

pub(crate) fn number(what: &str, text: &str) -> Result<u64, Gap> {
    let found: u64 = text.trim().parse().map_err(|_| Gap::new(format!("{what} is no number: {text:?}")))?;
    if found > MOST { Err(Gap::new(format!("{what} is {found}, and more than {MOST} is not believed"))) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_disk_has_are_a_gap() {
        assert_eq!(number("a", " 9007199254740992\n"), Ok(MOST));
        for text in ["9007199254740993", "18446744073709551615", "18446744073709551616", "-1", "1e3", "0x10", "+", ""] {
            assert!(number("a", text).is_err(), "{text}");
        }
    }
}
