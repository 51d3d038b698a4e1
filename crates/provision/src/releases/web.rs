//! Requests of web servers by curl(1), which knows the proxies and the authorities of the environment. It follows no redirect: each is judged here
//! first, and a token goes to no other server than the one that it is for. What comes is handed on as it comes, and the caller counts it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::Error;

/// So many redirects, one after the other.
const REDIRECTS: usize = 5;
/// What stands before the body may not be longer, in bytes.
const HEAD: u64 = 64 << 10;
/// How long until a server that is busy is asked again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// curl(1): no connection, too slow, an empty answer, nothing received.
const PASSING: [i32; 4] = [7, 28, 52, 56];
/// An answer that says: later.
const BUSY: [u16; 5] = [429, 500, 502, 503, 504];

pub(super) const PROXY: &str = "is the server reached from here? A proxy is taken from https_proxy and no_proxy";
pub(super) const AUTHORITY: &str = "an authority of your own is trusted when SSL_CERT_FILE names a file that holds it";
pub(super) const LOGIN: &str = "only what is public is downloaded; with --mirror, `bundle fetch` asks a server of yours";
pub(super) const ELSEWHERE: &str = "it is not followed: is a proxy or a stranger in between? If the place itself says that it serves from there, `bundle lock --redirect-to DOMAIN`";
pub(super) const LATER: &str = "run it again: what was downloaded stays";

/// Where a server may send us on to, over TLS if it was asked over TLS.
#[derive(Clone, Copy, Debug)]
pub(super) enum Onward<'a> {
    /// To any server: what comes has a digest that is known.
    Anywhere,
    /// To these domains, and what is below them: what comes is believed.
    Within(&'a [&'a str]),
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) url: &'a str,
    pub(super) accept: Option<&'a str>,
    pub(super) token: Option<&'a str>,
    /// From which byte on.
    pub(super) from: u64,
    /// How long all of it may take, in seconds; a slow server is given up in any case.
    pub(super) within: Option<u32>,
    pub(super) onward: Onward<'a>,
    /// JSON that is sent with it.
    pub(super) post: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// All of a public text, from wherever we are sent on to.
    pub(super) fn new(url: &'a str) -> Self {
        Self { url, accept: None, token: None, from: 0, within: None, onward: Onward::Anywhere, post: None }
    }
}

/// An answer, whose body is still to come.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    /// The address that was asked, and what it was redirected to.
    pub(super) address: String,
    child: Child,
    out: BufReader<ChildStdout>,
}

/// What a server, or what it says, is refused for.
pub(super) fn refused(address: &str, cause: impl Into<String>, next: &'static str) -> Error {
    Error::Web { address: address.to_owned(), cause: cause.into(), next }
}

/// An address at a mirror, which has a folder for each host: `MIRROR/dl.k8s.io/release/...`.
pub(super) fn at(mirror: Option<&str>, url: &str) -> String {
    match (mirror, url.split_once("://")) {
        (Some(mirror), Some((_, rest))) => format!("{}/{rest}", mirror.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}

/// Domains that are known, and more.
pub(super) fn domains<'a>(known: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    known.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// The scheme and the host with its port. `None` if it is no address of the web, or has a login in it.
pub(super) fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let plain = url.chars().all(|c| c.is_ascii_graphic() && !"\"\\".contains(c));
    (matches!(scheme, "http" | "https") && plain && !authority.is_empty() && !authority.contains('@')).then_some((scheme, authority))
}

/// The address that a redirect leads to, if it may.
fn redirected(from: &str, location: &str, onward: Onward<'_>) -> Result<String, String> {
    let no_address = || format!("it redirects to {location:?}, which is no address");
    let (scheme, authority) = origin(from).ok_or_else(no_address)?;
    let to = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        location.to_owned()
    };
    let (new_scheme, new_authority) = origin(&to).ok_or_else(no_address)?;
    if scheme == "https" && new_scheme != "https" {
        return Err(format!("it redirects to {new_scheme}://{new_authority}, which is not https"));
    }
    let host = new_authority.split(':').next().unwrap_or_default();
    let below = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match onward {
        Onward::Within(domains) if new_authority != authority && !domains.iter().any(below) => {
            Err(format!("it redirects to {new_authority}, which is not known to serve for it"))
        }
        Onward::Anywhere | Onward::Within(_) => Ok(to),
    }
}

/// Asks, and follows where it may.
pub(super) async fn get(ask: Ask<'_>) -> Result<Reply, Error> {
    let (mut url, mut token) = (ask.url.to_owned(), ask.token);
    for _ in 0..=REDIRECTS {
        let mut reply = patiently(ask, &url, token).await?;
        if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
            if url != ask.url {
                // The address itself may hold a signature.
                let by = origin(&url).map_or("", |(_, authority)| authority);
                reply.address = format!("{} (by {by})", ask.url);
            }
            return Ok(reply);
        }
        let location = reply.header("location").unwrap_or_default();
        let to = redirected(&url, location, ask.onward).map_err(|cause| refused(ask.url, cause, ELSEWHERE))?;
        if origin(&to) != origin(&url) {
            token = None;
        }
        url = to;
    }
    Err(refused(ask.url, format!("it redirects more than {REDIRECTS} times"), "is a proxy or a stranger in between?"))
}

/// Asks one server, and again when it is busy.
async fn patiently(ask: Ask<'_>, url: &str, token: Option<&str>) -> Result<Reply, Error> {
    for pause in PAUSES {
        match once(ask, url, token).await {
            Ok(reply) if BUSY.contains(&reply.status) => {}
            Err((Some(code), _)) if PASSING.contains(&code) => {}
            Ok(reply) => return Ok(reply),
            Err((_, error)) => return Err(error),
        }
        tokio::time::sleep(pause).await;
    }
    once(ask, url, token).await.map_err(|(_, error)| error)
}

/// One request. An error has curl's exit code beside it.
async fn once(ask: Ask<'_>, url: &str, token: Option<&str>) -> Result<Reply, (Option<i32>, Error)> {
    let broken = |cause: String| (None, refused(ask.url, cause, "install curl, or look at what ended it"));
    let mut command = Command::new("curl");
    // The file .curlrc is not read: it could say `location`.
    command.args(["--disable", "--silent", "--show-error", "--include", "--suppress-connect-headers", "--globoff"]);
    command.args(["--proto", "=http,https", "--connect-timeout", "20"]);
    // curl looks at it only where neither CURL_CA_BUNDLE nor SSL_CERT_DIR is set.
    if let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        command.arg("--cacert").arg(file);
    }
    // A server that gives next to nothing for a minute is gone.
    command.args(["--speed-limit", "1000", "--speed-time", "60"]);
    if let Some(seconds) = ask.within {
        command.args(["--max-time", &seconds.to_string()]);
    }
    if ask.from > 0 {
        command.args(["--range", &format!("{}-", ask.from)]);
    }
    command.args(["--config", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| broken(format!("curl cannot be started ({error})")))?;
    // A token is on no command line.
    let mut config = format!("url = \"{url}\"\n");
    config.extend(ask.accept.map(|types| format!("header = \"Accept: {types}\"\n")));
    config.extend(token.map(|token| format!("header = \"Authorization: Bearer {token}\"\n")));
    if let Some(json) = ask.post {
        let quoted = json.replace('\\', "\\\\").replace('"', "\\\"");
        config.extend(["header = \"Content-Type: application/json\"\ndata-raw = \"", &quoted, "\"\n"]);
    }
    let (Some(mut stdin), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(broken("curl has no standard input".to_owned()));
    };
    stdin.write_all(config.as_bytes()).await.map_err(|error| broken(format!("curl cannot be told what to get ({error})")))?;
    drop(stdin);
    let mut reply = Reply { status: 0, headers: Vec::new(), address: ask.url.to_owned(), child, out: BufReader::new(out) };
    reply.head().await?;
    Ok(reply)
}

impl Reply {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Reads the status and the headers, behind those that only announce them (RFC 9110, 1xx).
    async fn head(&mut self) -> Result<(), (Option<i32>, Error)> {
        let mut left = HEAD;
        while self.status < 200 {
            self.headers.clear();
            self.status = 0;
            loop {
                let mut line = Vec::new();
                let read = (&mut self.out).take(left).read_until(b'\n', &mut line).await;
                let read = read.map_err(|error| (None, refused(&self.address, error.to_string(), LATER)))?;
                left = left.saturating_sub(read as u64);
                if !line.ends_with(b"\n") {
                    if left == 0 {
                        let cause = format!("what stands before its answer is longer than {HEAD} bytes");
                        return Err((None, refused(&self.address, cause, "is it a web server?")));
                    }
                    let code = self.ended().await?;
                    return Err((code, refused(&self.address, "the answer ends in its headers", LATER)));
                }
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if self.status == 0 {
                    let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse().ok());
                    let no = || (None, refused(&self.address, format!("it answers {line:?}, which is no HTTP"), "is it a web server?"));
                    self.status = status.filter(|status| (100..600).contains(status)).ok_or_else(no)?;
                } else if line.is_empty() {
                    break;
                } else if let Some((name, value)) = line.split_once(':') {
                    self.headers.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Waits for curl, whose words are the cause if it failed. Its exit code is 0 then.
    async fn ended(&mut self) -> Result<Option<i32>, (Option<i32>, Error)> {
        let broken = |error: std::io::Error| (None, refused(&self.address, error.to_string(), LATER));
        let mut said = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            stderr.take(4096).read_to_end(&mut said).await.map_err(broken)?;
        }
        let code = self.child.wait().await.map_err(broken)?.code();
        if code == Some(0) {
            return Ok(code);
        }
        let said = String::from_utf8_lossy(&said);
        let cause = said.trim().trim_start_matches("curl: ").lines().next().unwrap_or_default().to_owned();
        let next = match code {
            Some(35 | 51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 82 | 83 | 90 | 91) => AUTHORITY,
            Some(18) => LATER,
            _ => PROXY,
        };
        Err((code, refused(&self.address, cause, next)))
    }

    /// Reads some of the body; 0 when it came to its end, whole.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let read = self.out.read(buffer).await.map_err(|error| refused(&self.address, error.to_string(), LATER))?;
        if read == 0 {
            self.ended().await.map_err(|(_, error)| error)?;
        }
        Ok(read)
    }

    /// The body, of an answer that is one.
    pub(super) async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        if self.status != 200 {
            return Err(self.unwanted());
        }
        let (mut all, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
        loop {
            let read = self.read(&mut buffer).await?;
            all.extend_from_slice(&buffer[..read]);
            if all.len() > limit {
                let cause = format!("its answer is longer than {limit} bytes, which none of its kind is");
                return Err(refused(&self.address, cause, "is a proxy or a stranger in between?"));
            }
            if read == 0 {
                return Ok(all);
            }
        }
    }

    /// Why an answer with this status is of no use.
    pub(super) fn unwanted(&self) -> Error {
        let next = match self.status {
            401 | 403 => LOGIN,
            404 | 410 => "is there such a version, for this architecture?",
            status if BUSY.contains(&status) => "the server is busy or broken: run it again later",
            _ => "is a proxy or a stranger in between?",
        };
        refused(&self.address, format!("the answer is {}", self.status), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leaves_neither_tls_nor_the_domains() {
        let within = Onward::Within(&["dl.k8s.io"]);
        let to = |location: &str, onward| redirected("https://dl.k8s.io/a?b", location, onward);
        for (location, address) in [
            ("https://cdn.dl.k8s.io/x", "https://cdn.dl.k8s.io/x"),
            ("//cdn.dl.k8s.io/x", "https://cdn.dl.k8s.io/x"),
            ("/x", "https://dl.k8s.io/x"),
            ("https://dl.k8s.io:444/x", "https://dl.k8s.io:444/x"),
        ] {
            assert_eq!(to(location, within).as_deref(), Ok(address));
        }
        assert!(to("https://elsewhere.example/x", Onward::Anywhere).is_ok());
        for (location, cause) in [
            ("http://dl.k8s.io/x", "not https"),
            ("https://elsewhere.example/x", "not known to serve"),
            ("https://evildl.k8s.io/x", "not known to serve"),
            ("https://dl.k8s.io.example/x", "not known to serve"),
            ("https://dl.k8s.io@elsewhere.example/x", "no address"),
            ("ftp://dl.k8s.io/x", "no address"),
            ("https://dl.k8s.io/\"x", "no address"),
            ("x", "no address"),
            ("", "no address"),
        ] {
            assert!(to(location, within).is_err_and(|error| error.contains(cause)), "{location}");
        }
    }

    #[test]
    fn a_mirror_has_a_folder_for_each_host() {
        assert_eq!(at(Some("http://mirror/x/"), "https://dl.k8s.io/release/a"), "http://mirror/x/dl.k8s.io/release/a");
        assert_eq!(at(None, "https://dl.k8s.io/release/a"), "https://dl.k8s.io/release/a");
    }
}
