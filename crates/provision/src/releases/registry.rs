//! Registries of images (OCI distribution-spec v1.1, "pull"): what is public, with the token that a registry hands out to everybody.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Error;
use super::download::hex;
use super::image::MANIFESTS;
use super::web::{self, Ask, Onward, Reply, refused};

/// A manifest is not longer, in bytes (distribution-spec, "Pushing Manifests").
pub(super) const MANIFEST: usize = 4 << 20;
/// How long a manifest or a token may take, in seconds.
const WITHIN: u32 = 120;
/// A token's answer is not longer, in bytes.
const TOKEN: usize = 64 << 10;

/// An image's reference: `HOST/NAME:TAG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) host: String,
    pub(super) name: String,
    pub(super) tag: String,
}

impl Reference {
    /// Reads one that says its host and its tag.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = text.split_once('/')?;
        let (name, tag) = rest.split_once(':')?;
        let of = |text: &str, more: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let is_host = of(host, "-.:") && (host.contains(['.', ':']) || host == "localhost");
        let good = is_host && name.split('/').all(|part| of(part, "-._")) && of(tag, "-._") && tag.len() <= 128;
        good.then(|| Self { host: host.to_owned(), name: name.to_owned(), tag: tag.to_owned() })
    }

    /// Reads one as manifests have them, `[HOST/]NAME[:TAG][@sha256:DIGEST]`, as a node's runtime understands it, and its digest if it has one. An error says what
    /// is wrong.
    pub(super) fn of_manifest(text: &str) -> Result<(Self, Option<String>), String> {
        let (text, digest) = match text.split_once('@') {
            None => (text, None),
            Some((text, digest)) => {
                let sum = super::image::sha256(digest)
                    .ok_or_else(|| format!("{digest:?} is no digest of sha256: and 64 lowercase hex digits"))?;
                (text, Some(sum.to_owned()))
            }
        };
        // The first word is a host if it looks like one, and Docker's names without an owner are of its library (distribution/reference, ParseDockerRef).
        let (host, name) = match text.split_once('/') {
            Some((host, name)) if host.contains(['.', ':']) || host == "localhost" => (host, name),
            _ => ("docker.io", text),
        };
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        let library = if host == "docker.io" && !name.contains('/') { "library/" } else { "" };
        if !name.contains(':') {
            return Err("it has no tag, which a bundle calls it by: write NAME:TAG, and @sha256:DIGEST behind it if you like".to_owned());
        }
        let image = Self::parse(&format!("{host}/{library}{name}"))
            .ok_or_else(|| "it is no reference such as docker.io/library/nginx:1.29".to_owned())?;
        Ok((image, digest))
    }

    /// As a runtime calls it.
    pub(super) fn text(&self) -> String {
        format!("{}/{}:{}", self.host, self.name, self.tag)
    }

    /// The address of something of it.
    fn url(&self, what: &str) -> String {
        let host = if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host };
        format!("https://{host}/v2/{}/{what}", self.name)
    }

    /// Where its registry sends us on to for a manifest that is asked for by its tag.
    fn domains(&self) -> &'static [&'static str] {
        // registry.k8s.io answers by the registries of Google's cloud (kubernetes/registry.k8s.io, "request handling").
        if self.host == "registry.k8s.io" { &["registry.k8s.io", "pkg.dev"] } else { &[] }
    }
}

/// The registries, and the tokens that they gave.
pub(super) struct Registries<'a> {
    mirror: Option<&'a str>,
    /// Domains that they may send us on to for what is asked by a tag, beside those that are known.
    redirects: &'a [String],
    tokens: BTreeMap<String, String>,
}

impl<'a> Registries<'a> {
    pub(super) fn new(mirror: Option<&'a str>, redirects: &'a [String]) -> Self {
        Self { mirror, redirects, tokens: BTreeMap::new() }
    }

    /// Asks for a blob, from a byte on.
    pub(super) async fn blob(&mut self, image: &Reference, sha256: &str, from: u64) -> Result<Reply, Error> {
        let url = web::at(self.mirror, &image.url(&format!("blobs/sha256:{sha256}")));
        self.get(image, Ask { from, ..Ask::new(&url) }).await
    }

    /// The manifest of a digest, or of the image's tag, and its sha256, of which is known what it is: the one that was asked for, and the one that the
    /// registry tells.
    pub(super) async fn manifest(&mut self, image: &Reference, sha256: Option<&str>) -> Result<(Vec<u8>, String), Error> {
        let reply = self.ask_manifest(image, sha256).await?;
        checked(reply, sha256).await
    }

    /// The manifest of the image's tag, and its sha256, if there is such a tag.
    pub(super) async fn tagged(&mut self, image: &Reference) -> Result<Option<(Vec<u8>, String)>, Error> {
        let reply = self.ask_manifest(image, None).await?;
        if reply.status == 404 { Ok(None) } else { checked(reply, None).await.map(Some) }
    }

    async fn ask_manifest(&mut self, image: &Reference, sha256: Option<&str>) -> Result<Reply, Error> {
        let which = sha256.map_or_else(|| image.tag.clone(), |sha256| format!("sha256:{sha256}"));
        let url = web::at(self.mirror, &image.url(&format!("manifests/{which}")));
        let domains = web::domains(image.domains(), self.redirects);
        let onward = if sha256.is_some() { Onward::Anywhere } else { Onward::Within(&domains) };
        let accept = MANIFESTS.join(", ");
        self.get(image, Ask { accept: Some(&accept), within: Some(WITHIN), onward, ..Ask::new(&url) }).await
    }

    async fn get(&mut self, image: &Reference, ask: Ask<'_>) -> Result<Reply, Error> {
        let place = format!("{}/{}", image.host, image.name);
        let known = self.tokens.get(&place).cloned();
        let reply = web::get(Ask { token: known.as_deref(), ..ask }).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        let token = token(ask.url, image, challenge).await?;
        let reply = web::get(Ask { token: Some(&token), ..ask }).await?;
        self.tokens.insert(place, token);
        Ok(reply)
    }
}

/// A manifest and its sha256, of which is known what it is.
async fn checked(reply: Reply, sha256: Option<&str>) -> Result<(Vec<u8>, String), Error> {
    let told = reply.header("docker-content-digest").and_then(|digest| digest.strip_prefix("sha256:")).map(str::to_owned);
    let name = reply.address.clone();
    let bytes = reply.bytes(MANIFEST).await?;
    let have = hex(&Sha256::digest(&bytes));
    for (want, from) in [(sha256, "its digest"), (told.as_deref(), "the registry's word for what it sends")] {
        if let Some(want) = want.filter(|want| *want != have) {
            return Err(Error::Sum { name, from, want: want.to_owned(), have });
        }
    }
    Ok((bytes, have))
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token that a registry's challenge leads to (RFC 6750, and distribution's "Token Authentication Specification"). The scope is ours to say.
async fn token(url: &str, image: &Reference, challenge: &str) -> Result<String, Error> {
    let no = |cause: String| refused(url, cause, web::LOGIN);
    let fields = fields(challenge).ok_or_else(|| no(format!("it wants a login of another kind than Bearer: {challenge:?}")))?;
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let realm = field("realm").unwrap_or_default();
    let scheme = |url: &str| web::origin(url).map(|(scheme, _)| scheme == "https");
    if scheme(realm).is_none() || (scheme(url) == Some(true) && scheme(realm) == Some(false)) {
        return Err(no(format!("it sends for a token to {realm:?}, which is no address of https")));
    }
    let plain = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:/".contains(c));
    let service = field("service").filter(plain).map(|service| format!("service={service}&")).unwrap_or_default();
    let mark = if realm.contains('?') { '&' } else { '?' };
    let address = format!("{realm}{mark}{service}scope=repository:{}:pull", image.name);
    let ask = Ask { within: Some(WITHIN), onward: Onward::Within(&[]), ..Ask::new(&address) };
    let bytes = web::get(ask).await?.bytes(TOKEN).await?;
    let answer: Option<Token> = serde_json::from_slice(&bytes).ok();
    let good = |token: &String| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic() && !"\"\\".contains(c));
    answer
        .and_then(|answer| answer.token.or(answer.access_token))
        .filter(good)
        .ok_or_else(|| refused(&address, "its answer is no token", "is a proxy or a stranger in between?"))
}

/// The fields of a challenge `Bearer name="value",...`. `None` if it is of another scheme.
fn fields(challenge: &str) -> Option<Vec<(String, String)>> {
    let (scheme, mut rest) = challenge.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut fields = Vec::new();
    while let Some((name, more)) = rest.split_once("=\"") {
        let (value, more) = more.split_once('"')?;
        fields.push((name.trim_matches([',', ' ']).to_ascii_lowercase(), value.to_owned()));
        rest = more;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_host_name_and_tag() {
        let image = Reference::parse("registry.k8s.io/coredns/coredns:v1.14.6").unwrap();
        assert_eq!((image.host.as_str(), image.name.as_str(), image.tag.as_str()), ("registry.k8s.io", "coredns/coredns", "v1.14.6"));
        assert_eq!(Reference::parse("docker.io/library/nginx:1").unwrap().url("x"), "https://registry-1.docker.io/v2/library/nginx/x");
        for bad in [
            "pause:3",
            "library/nginx:1",
            "r.io/pause",
            "r.io/../pause:3",
            "r.io//pause:3",
            "r.io/pause:3@sha256:0a",
            "r.io/p:",
            "r.io/p?a:3",
            "-r.io/p:3",
        ] {
            assert_eq!(Reference::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_manifests_call_an_image_is_what_a_runtime_calls_it() {
        let sum = "a".repeat(64);
        let with = |text: &str| format!("{text}@sha256:{sum}");
        for (text, name, digest) in [
            ("nginx:1.29".to_owned(), "docker.io/library/nginx:1.29", None),
            ("traefik/traefik:v3".to_owned(), "docker.io/traefik/traefik:v3", None),
            ("index.docker.io/traefik:v3".to_owned(), "docker.io/library/traefik:v3", None),
            ("localhost:5000/a/b:1".to_owned(), "localhost:5000/a/b:1", None),
            (with("quay.io/jetstack/cert-manager-webhook:v1"), "quay.io/jetstack/cert-manager-webhook:v1", Some(sum.clone())),
        ] {
            let (image, found) = Reference::of_manifest(&text).unwrap();
            assert_eq!((image.text().as_str(), found), (name, digest), "{text}");
        }
        for (text, why) in [
            (with("r.io/a"), "no tag"),
            ("nginx".to_owned(), "no tag"),
            ("r.io/a:1@sha256:0".to_owned(), "no digest"),
            ("r.io/A b:1".to_owned(), "no reference"),
            (String::new(), "no tag"),
        ] {
            assert!(Reference::of_manifest(&text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn a_challenge_has_fields() {
        let found = fields("Bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\", scope=\"repository:a/b:pull,push\"").unwrap();
        let want = [("realm", "https://ghcr.io/token"), ("service", "ghcr.io"), ("scope", "repository:a/b:pull,push")];
        assert_eq!(found, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(fields("Basic realm=\"x\""), None);
        assert_eq!(fields("Bearer realm=\"x"), None);
    }
}
