use super::*;

/// A certificate of Sigstore's public authority and the word of its public log, of npm's package `sigstore` 2.0.0.
const SEEN: &str = include_str!("seen.json");
const SIGNER: Signer = Signer {
    identity: "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
    issuer: "https://token.actions.githubusercontent.com",
};

fn seen() -> (Leaf, Entry, serde_json::Value) {
    let all: serde_json::Value = serde_json::from_str(SEEN).unwrap();
    let der = STANDARD.decode(all["certificate"].as_str().unwrap()).unwrap();
    (Leaf::read(der).unwrap(), serde_json::from_value(all["entry"].clone()).unwrap(), all)
}

#[test]
fn what_sigstore_really_gave_is_believed() {
    let (leaf, entry, _) = seen();
    let root = TrustRoot::sigstore().unwrap();
    let time = entry.time(&root).unwrap();
    assert_eq!(time, 1_692_374_735);
    assert_eq!(leaf.is_of(&SIGNER, time, &root), Ok(()), "its chain, and a log's promise of it");
    // It is about an envelope, and not about a file or an image.
    assert!(entry.is_about(&"0".repeat(64), b"", leaf.der()).unwrap_err().contains("not about a file's signature"));
}

#[test]
fn what_is_changed_of_it_is_not() {
    let (leaf, entry, mut all) = seen();
    let root = TrustRoot::sigstore().unwrap();
    let time = entry.time(&root).unwrap();
    let cause = |result: Result<(), Fault>| match result.unwrap_err() {
        Fault::Unknown(cause) | Fault::Wrong(cause) => cause,
    };
    for at in [time - 3600, time + 3600, 0] {
        assert!(cause(leaf.is_of(&SIGNER, at, &root)).contains("no authority"), "{at}");
    }
    let others = TrustRoot { certificate_logs: root.logs.clone(), ..root.clone() };
    assert!(cause(leaf.is_of(&SIGNER, time, &others)).contains("no log that is believed"));
    let none = TrustRoot { authorities: root.authorities[..1].to_vec(), ..root.clone() };
    assert!(cause(leaf.is_of(&SIGNER, time, &none)).contains("none counts for that time"));
    let signer = Signer { identity: "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/mai", ..SIGNER };
    assert!(cause(leaf.is_of(&signer, time, &root)).contains("is signed by"));
    all["entry"]["Payload"]["logIndex"] = 1.into();
    let entry: Entry = serde_json::from_value(all["entry"].clone()).unwrap();
    assert_eq!(entry.time(&root), Err(wrong("https://rekor.sigstore.dev did not sign it")));
    // No byte of the certificate can be another: what is left of it is never believed, and nothing panics.
    let der = leaf.der().to_vec();
    for at in 0..der.len() {
        let mut other = der.clone();
        other[at] ^= 1;
        assert!(Leaf::read(other).map_or(true, |leaf| leaf.is_of(&SIGNER, time, &root).is_err()), "{at}");
        assert!(Leaf::read(der[..at].to_vec()).is_err(), "{at}");
    }
}
