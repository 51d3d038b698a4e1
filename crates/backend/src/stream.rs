//! Files that go to a host: hashed on the way, and the end of each held back until all of it is known to be right.

use kubestead_core::command::Source;
use kubestead_core::host::HostError;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is read at once, in bytes.
const PIECE: usize = 1 << 18;

/// Sends files one after the other. A pipe that closes is no error here: what has closed it says why.
pub(crate) async fn send(sources: &[Source], pipe: &mut (impl AsyncWrite + Unpin)) -> Result<(), HostError> {
    for source in sources {
        let wrong = |why: String| HostError::Source { path: source.path.clone(), why };
        let file = File::open(&source.path).await.map_err(|e| wrong(e.to_string()))?;
        let size = file.metadata().await.map_err(|e| wrong(e.to_string()))?.len();
        if size != source.size {
            return Err(wrong(format!("it has {size} bytes, and should have {}", source.size)));
        }
        // Never more than was said: what reads it counts bytes.
        if !one(&mut file.take(source.size), &source.sha256, pipe).await.map_err(wrong)? {
            break;
        }
    }
    Ok(())
}

/// True when all of it was taken.
async fn one(file: &mut (impl AsyncRead + Unpin), sha256: &str, pipe: &mut (impl AsyncWrite + Unpin)) -> Result<bool, String> {
    let (mut hash, mut held, mut next) = (Sha256::new(), Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    loop {
        next.clear();
        // Full pieces, so that the last one is not empty by chance.
        while next.len() < PIECE {
            let room = (PIECE - next.len()) as u64;
            if (&mut *file).take(room).read_to_end(&mut next).await.map_err(|e| e.to_string())? == 0 {
                break;
            }
        }
        hash.update(&next);
        if next.is_empty() {
            break;
        }
        if pipe.write_all(&held).await.is_err() {
            return Ok(false);
        }
        std::mem::swap(&mut held, &mut next);
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != sha256 {
        return Err(format!("its sha256 is {found}, and should be {sha256}"));
    }
    Ok(pipe.write_all(&held).await.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(dir: &std::path::Path, name: &str, content: &[u8]) -> Source {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        let sha256 = kubestead_core::put::digest(content);
        Source { path, size: content.len() as u64, sha256 }
    }

    #[tokio::test]
    async fn the_end_of_a_file_goes_only_when_all_of_it_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..3 * PIECE + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for length in [0, 1, PIECE, PIECE + 1, large.len()] {
            let sources = [source(dir.path(), "a", &large[..length]), source(dir.path(), "b", b"b")];
            let mut sent = Vec::new();
            send(&sources, &mut sent).await.unwrap();
            assert_eq!(sent, [&large[..length], b"b"].concat());
        }
        let good = source(dir.path(), "a", &large);
        let mut changed = large.clone();
        changed[5] ^= 1;
        std::fs::write(&good.path, &changed).unwrap();
        let mut sent = Vec::new();
        let error = send(&[good.clone(), source(dir.path(), "b", b"b")], &mut sent).await.unwrap_err().to_string();
        assert!(sent.len() < large.len() && error.contains("its sha256 is") && error.contains(&good.sha256), "{error}");
        std::fs::write(&good.path, &large[1..]).unwrap();
        let mut sent = Vec::new();
        let error = send(&[good], &mut sent).await.unwrap_err().to_string();
        assert!(sent.is_empty() && error.contains("bytes, and should have"), "{error}");
    }
}
