//! An image of one platform: what its manifests say (OCI image-spec v1.1, and Docker's of schema 2), and the archive that a node imports, an OCI
//! layout whose bytes depend on the digest and the reference alone.

use serde::Deserialize;
use serde_json::json;

use super::download::LONGEST;
use super::registry::Reference;

/// The kinds of manifests that are known.
pub(super) const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// An image has no more layers than overlayfs mounts.
const LAYERS: usize = 500;

/// What a manifest names by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// 64 hex digits.
    pub(super) sha256: String,
    pub(super) size: u64,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// Images by platform, such as `linux/amd64`.
    Index(Vec<(String, Blob)>),
    /// An image; `kind` is the media type of its manifest.
    Image { kind: &'static str, config: Blob, layers: Vec<Blob> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// A digest's 64 hex digits; `None` if it is of another kind than sha256.
pub(super) fn sha256(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))).then_some(hex)
}

impl Descriptor {
    fn blob(&self) -> Result<Blob, String> {
        let sha256 = sha256(&self.digest).ok_or_else(|| format!("{:?} is no digest of sha256", self.digest))?;
        if self.size > LONGEST {
            return Err(format!("sha256:{sha256} would have {} bytes", self.size));
        }
        Ok(Blob { sha256: sha256.to_owned(), size: self.size })
    }
}

impl Manifest {
    /// Reads one. An error says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(bytes).map_err(|error| format!("it is no manifest ({error})"))?;
        let kind = match &document.media_type {
            Some(kind) => Some(
                *MANIFESTS.iter().find(|known| *known == kind).ok_or_else(|| format!("{kind:?} is no kind of manifest that is known"))?,
            ),
            None => None,
        };
        match document {
            Document { schema_version: 2, manifests: Some(manifests), config: None, layers: None, .. } => {
                let platform = |d: &Descriptor| d.platform.as_ref().map(|p| format!("{}/{}", p.os, p.architecture)).unwrap_or_default();
                manifests.iter().map(|d| Ok((platform(d), d.blob()?))).collect::<Result<_, _>>().map(Self::Index)
            }
            Document { schema_version: 2, manifests: None, config: Some(config), layers: Some(layers), .. } => {
                if layers.len() > LAYERS {
                    return Err(format!("it has {} layers", layers.len()));
                }
                let layers = layers.iter().map(Descriptor::blob).collect::<Result<_, _>>()?;
                Ok(Self::Image { kind: kind.unwrap_or(MANIFESTS[2]), config: config.blob()?, layers })
            }
            Document { .. } => Err("it is neither an image's manifest nor an index of such".to_owned()),
        }
    }
}

/// The manifest of a platform among those of an index.
pub(super) fn choose<'a>(index: &'a [(String, Blob)], arch: &str) -> Result<&'a Blob, String> {
    let platform = format!("linux/{arch}");
    index.iter().find(|(known, _)| *known == platform).map(|(_, blob)| blob).ok_or_else(|| {
        let mut known: Vec<&str> = index.iter().map(|(platform, _)| platform.as_str()).filter(|p| p.starts_with("linux/")).collect();
        known.dedup();
        format!("it has no image for {platform}, only for: {}", known.join(", "))
    })
}

/// Holds that a configuration is of a platform.
pub(super) fn is_for(config: &[u8], arch: &str) -> Result<(), String> {
    let Platform { os, architecture } =
        serde_json::from_slice(config).map_err(|error| format!("its configuration names no platform ({error})"))?;
    if os == "linux" && architecture == arch {
        Ok(())
    } else {
        Err(format!("its image is for {os}/{architecture}, and not for linux/{arch}"))
    }
}

/// The texts of an archive beside its blobs: `oci-layout` and `index.json`. The image is in it by both names that manifests can have for it: by its tag, and by
/// the digest that the lock file has.
pub(super) fn layout(image: &Reference, digest: &str, kind: &str, manifest: &Blob, arch: &str) -> [(&'static str, String); 2] {
    let named = |name: &str, short: &str| {
        json!({
            "mediaType": kind,
            "digest": format!("sha256:{}", manifest.sha256),
            "size": manifest.size,
            "platform": {"architecture": arch, "os": "linux"},
            "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": short},
        })
    };
    let by_digest = format!("{}/{}@sha256:{digest}", image.host, image.name);
    let manifests = [named(&image.text(), &image.tag), named(&by_digest, digest)];
    let index = json!({"schemaVersion": 2, "mediaType": MANIFESTS[0], "manifests": manifests});
    [("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string()), ("index.json", index.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn index(rest: &str) -> String {
        format!("{{\"schemaVersion\":2,\"manifests\":[{{\"digest\":\"sha256:{SUM}\",\"size\":3{rest}}}]}}")
    }

    #[test]
    fn the_platform_is_chosen_and_others_are_told() {
        let text = index(",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}");
        let Ok(Manifest::Index(index)) = Manifest::parse(text.as_bytes()) else { panic!() };
        assert_eq!(choose(&index, "arm64"), Ok(&Blob { sha256: SUM.to_owned(), size: 3 }));
        assert!(choose(&index, "amd64").is_err_and(|error| error.contains("linux/amd64, only for: linux/arm64")));
        assert_eq!(is_for(b"{\"os\":\"linux\",\"architecture\":\"arm64\"}", "arm64"), Ok(()));
        assert!(is_for(b"{\"os\":\"linux\",\"architecture\":\"arm64\"}", "amd64").is_err());
        assert!(is_for(b"{}", "amd64").is_err());
    }

    #[test]
    fn what_is_no_manifest_is_told() {
        let image =
            |layers: &str| format!("{{\"schemaVersion\":2,\"config\":{{\"digest\":\"sha256:{SUM}\",\"size\":1}},\"layers\":[{layers}]}}");
        assert!(matches!(
            Manifest::parse(image("").as_bytes()),
            Ok(Manifest::Image { kind: "application/vnd.oci.image.manifest.v1+json", .. })
        ));
        let layer = |digest: &str, size: &str| image(&format!("{{\"digest\":\"{digest}\",\"size\":{size}}}"));
        for (text, cause) in [
            ("no".to_owned(), "no manifest"),
            ("{\"schemaVersion\":1}".to_owned(), "neither"),
            (index("").replace("\"manifests\"", "\"mediaType\":\"text/html\",\"manifests\""), "no kind of manifest"),
            (layer("sha512:00", "1"), "no digest"),
            (layer("sha256:../../etc/passwd", "1"), "no digest"),
            (layer(&format!("sha256:{}", SUM.to_uppercase()), "1"), "no digest"),
            (layer(&format!("sha256:{SUM}"), "-1"), "no manifest"),
            (layer(&format!("sha256:{SUM}"), "99999999999999"), "would have"),
            (image(&vec![format!("{{\"digest\":\"sha256:{SUM}\",\"size\":1}}"); 501].join(",")), "501 layers"),
        ] {
            assert!(Manifest::parse(text.as_bytes()).is_err_and(|error| error.contains(cause)), "{text}");
        }
    }
}
