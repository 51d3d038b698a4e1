//! The printed pages: one a share, as text and as HTML that needs nothing else.

use std::fmt::Write as _;

use qrcode::QrCode;
use qrcode::render::svg;
use zeroize::Zeroizing;

use super::JOIN_PY;
use super::share::{Error, Share};

/// A volume that the kit opens.
#[derive(Clone, Debug)]
pub struct VolumeRow {
    /// Its node.
    pub node: String,
    /// The node's address.
    pub address: String,
    /// Its name.
    pub volume: String,
    /// Its device on the node.
    pub device: String,
    /// Its device-mapper name when it is open.
    pub mapper: String,
    /// Its mount point.
    pub path: String,
}

/// What the pages say beside the share.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The cluster.
    pub cluster: String,
    /// When the kit was made, `2026-11-25`.
    pub date: String,
    /// The public half of the identity, `age1…`.
    pub recipient: String,
    /// The volumes.
    pub volumes: Vec<VolumeRow>,
    /// Where copies lie, in the operator's own words.
    pub backups: Vec<String>,
}

/// A heading and its lines; lines that are to be typed begin with four blanks.
type Section = (String, Vec<String>);

fn sections(share: &Share, facts: &Facts) -> Vec<Section> {
    let (threshold, total) = (share.threshold, share.total);
    let example = facts.volumes.first();
    let (node, volume) = example.map_or(("NODE", "VOLUME"), |v| (v.node.as_str(), v.volume.as_str()));
    let files = (1..=threshold).map(|n| format!("share-{n}.txt")).collect::<Vec<_>>().join(" ");
    let open = example.map_or_else(String::new, |v| {
        format!("    | ssh root@{} cryptsetup open --key-slot 7 --key-file - {} {}", v.address, v.device, v.mapper)
    });
    let mut lies = vec![
        "The recovery keys are age files in the folder secrets/escrow beside the cluster file: recovery.NODE.VOLUME.age.".to_owned(),
        "Without a copy of that folder the shares open nothing. Copies of it, and exports of the key server, lie here:".to_owned(),
    ];
    if facts.backups.is_empty() {
        lies.extend(
            ["    ______________________________________________", "    ______________________________________________"].map(str::to_owned),
        );
    }
    lies.extend(facts.backups.iter().map(|b| format!("    {b}")));
    let volumes = if facts.volumes.is_empty() {
        vec!["The cluster file names no volume yet.".to_owned()]
    } else {
        facts.volumes.iter().map(|v| format!("    {}/{}  {}  slot 7  {}", v.node, v.volume, v.device, v.path)).collect()
    };
    vec![
        (
            "What this is".to_owned(),
            vec![
                format!(
                    "Share {} of {total} of the key that opens the recovery keys of the cluster {}, made on {}.",
                    share.number(),
                    facts.cluster,
                    facts.date
                ),
                format!("Any {threshold} of the {total} shares give the key back; fewer tell nothing about it."),
                format!("The key's public half is {}.", facts.recipient),
                "Keep this page where nobody else reads it, and not beside another share.".to_owned(),
            ],
        ),
        ("What it opens".to_owned(), volumes),
        ("Where the rest lies".to_owned(), lies),
        (
            "What to type".to_owned(),
            vec![
                format!(
                    "Type or scan {threshold} shares into files, one a file, with the numbers of the lines. A mistake is told with its line. Then, beside the cluster file:"
                ),
                format!("    kubestead recovery verify {files}"),
                format!("    kubestead recovery open {files} --to identity.txt"),
                format!("    KUBESTEAD_AGE_KEY_FILE=identity.txt kubestead volume recovery {node} {volume} \\"),
                open.clone(),
                "Afterwards: shred -u identity.txt".to_owned(),
            ],
        ),
        (
            "By hand, without kubestead".to_owned(),
            vec![
                "Type the program below into join.py. Then, with age (https://age-encryption.org):".to_owned(),
                format!("    python3 join.py {files} > identity.txt"),
                format!("    age -d -i identity.txt secrets/escrow/recovery.{node}.{volume}.age \\"),
                open,
            ],
        ),
    ]
}

/// A page as text.
pub fn text(share: &Share, facts: &Facts) -> Zeroizing<String> {
    let mut page = Zeroizing::new(format!(
        "RECOVERY KIT OF THE CLUSTER {}: SHARE {} OF {}\n\n{}\n",
        facts.cluster,
        share.number(),
        share.total,
        share.text().as_str()
    ));
    for (heading, lines) in sections(share, facts) {
        let _ = writeln!(page, "{heading}\n");
        for line in lines {
            let _ = writeln!(page, "{line}");
        }
        page.push('\n');
    }
    let _ = write!(page, "join.py\n\n{JOIN_PY}");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:11pt/1.4 serif;max-width:46em;margin:2em auto;padding:0 1em;color:#000;background:#fff}h1{font-size:16pt}h2{font-size:12pt;margin:1.2em 0 .3em}\
    pre{font:10pt/1.35 monospace;white-space:pre-wrap;margin:.4em 0}pre.share{font-size:12pt;border:1px solid #000;padding:.7em}p{margin:.2em 0}\
    svg{width:62mm;height:62mm}.program{font-size:8pt;break-before:page}@media print{body{margin:0;max-width:none}}";

/// A page as HTML, with the share as a QR code too. It asks for no other file.
pub fn html(share: &Share, facts: &Facts) -> Result<Zeroizing<String>, Error> {
    let lines = share.text();
    let code = QrCode::new(lines.as_bytes()).map_err(|e| Error::Split(format!("the share makes no QR code: {e}")))?;
    let image = Zeroizing::new(code.render::<svg::Color<'_>>().min_dimensions(240, 240).build());
    // The declaration of an XML document has no place inside HTML.
    let image = image.find("<svg").map_or("", |at| &image[at..]);
    let title = format!("Recovery kit of the cluster {}: share {} of {}", escape(&facts.cluster), share.number(), share.total);
    let mut page = Zeroizing::new(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n\
         <pre class=\"share\">{}</pre>\n{image}\n",
        escape(&lines)
    ));
    for (heading, lines) in sections(share, facts) {
        let _ = writeln!(page, "<h2>{}</h2>", escape(&heading));
        for line in lines {
            let _ = match line.strip_prefix("    ") {
                Some(typed) => writeln!(page, "<pre>{}</pre>", escape(typed)),
                None => writeln!(page, "<p>{}</p>", escape(&line)),
            };
        }
    }
    let _ = write!(page, "<h2>join.py</h2>\n<pre class=\"program\">{}</pre>\n</body></html>\n", escape(JOIN_PY));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;
    use kubestead_core::secret::Secret;

    use super::super::share::{join, split};
    use super::*;

    fn facts() -> Facts {
        let volume = VolumeRow {
            node: "kube1".into(),
            address: "10.77.0.21".into(),
            volume: "data".into(),
            device: "/dev/vg01/data".into(),
            mapper: "luks-data".into(),
            path: "/data".into(),
        };
        Facts {
            cluster: "home".into(),
            date: "2026-11-25".into(),
            recipient: "age1x".into(),
            volumes: vec![volume],
            backups: vec!["a <stick> in the safe".into()],
        }
    }

    #[test]
    fn pages_say_what_it_opens_and_what_to_type_and_are_read_back_as_they_are() {
        let identity = age::x25519::Identity::generate();
        let secret = Secret::new(identity.to_string().expose_secret().as_bytes().to_vec());
        let shares = split(&secret, &identity.to_public().to_string(), 3, 2).unwrap();
        let pages: Vec<Share> = [text(&shares[0], &facts()), html(&shares[2], &facts()).unwrap()]
            .iter()
            .flat_map(|page| {
                for part in
                    ["hare ", "kube1/data", "slot 7", "2026-11-25", "in the safe", "kubestead recovery open", "10.77.0.21", "def times"]
                {
                    assert!(page.contains(part), "{part} in {}", page.as_str());
                }
                assert!(!page.contains("AGE-SECRET-KEY"), "no page holds the identity");
                Share::read("page", page).unwrap()
            })
            .collect();
        assert_eq!(join(&pages).unwrap().0.expose(), secret.expose());
        let page = html(&shares[0], &facts()).unwrap();
        assert!(
            page.contains("<svg") && page.contains("a &lt;stick&gt;") && !page.contains("src=") && !page.contains("href="),
            "{}",
            page.as_str()
        );
    }
}
