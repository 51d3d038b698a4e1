//! One OpenSSH master connection: a process of the installed ssh, told to stay in the background once it is logged in.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubestead_core::host::HostError;
use kubestead_core::transport::Login;
use openssh::Session;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::Instant;

use super::gates::Gates;
use super::login::{arguments, dropped, failure};

/// How long a login may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a login that sshd drops is tried again.
const DROPS: Duration = Duration::from_secs(60);
/// The pauses between these tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(4));
/// Seconds without a sign of life after which ssh asks for one; three without an answer end the connection.
const ALIVE: u32 = 15;
/// Seconds after which a master without sessions ends, when this program was killed and could not end it. Longer than `up` waits for anything: a machine of which
/// nothing is asked meanwhile is still connected then.
const IDLE: u32 = 3600;
/// How much of ssh's words is read.
const LOG: u64 = 1 << 14;

/// Logs in. A login that sshd drops because many begin at once is tried again.
pub(super) async fn connect(login: &Login, gates: &Gates) -> Result<Session, HostError> {
    let begin = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let said = {
            let _pass = gates.login(login).await;
            match tokio::time::timeout(CONNECT + Duration::from_secs(5), once(login)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(said)) => said,
                // The process ends with the future that owns it.
                Err(_) => format!("it accepted the connection and was not logged in after {} s", CONNECT.as_secs()),
            }
        };
        if !dropped(&said) || begin.elapsed() + pause > DROPS {
            return Err(failure(login, &said));
        }
        // Nothing tells when sshd has room again. Those who were dropped together do not come back together.
        let spread = u32::try_from(login.name.bytes().fold(7_u64, |sum, c| sum.wrapping_mul(31) + u64::from(c)) % 8).unwrap_or(0);
        tokio::time::sleep(pause + pause / 8 * spread).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// One try; what ssh said when it fails.
async fn once(login: &Login) -> Result<Session, String> {
    let folder = control_folder();
    let dir = tempfile::Builder::new().prefix(".kubestead").tempdir_in(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let log = dir.path().join("log");
    // What jump hosts and programs of a ProxyCommand say: ssh's own words are in its log. A file, because they may outlive the login, and a pipe that
    // nobody reads would end them.
    let beside = dir.path().join("beside");
    let others = std::fs::File::create_new(&beside).map_err(|e| format!("{}: {e}", beside.display()))?;
    let mut ssh = Command::new("ssh");
    ssh.arg("-E").arg(&log).arg("-S").arg(dir.path().join("master")).args(["-M", "-f", "-N"]);
    for option in [
        format!("ControlPersist={IDLE}"),
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("ConnectTimeout={}", CONNECT.as_secs()),
        format!("ServerAliveInterval={ALIVE}"),
    ] {
        ssh.args(["-o", &option]);
    }
    ssh.args(arguments(login));
    ssh.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(others).kill_on_drop(true);
    let status = ssh.status().await.map_err(|e| format!("ssh: {e}"))?;
    if status.success() {
        return Ok(Session::new_native_mux(dir));
    }
    let said = [read(&beside).await, read(&log).await].concat();
    let signal = status.signal().map(|signal| format!("ssh was ended by signal {signal}"));
    Err(if said.trim().is_empty() { signal.unwrap_or_else(|| format!("ssh ended with {status}")) } else { said })
}

async fn read(log: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(file) = tokio::fs::File::open(log).await {
        let _ = file.take(LOG).read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Sockets have short paths (107 bytes), and the folder is ours alone.
fn control_folder() -> PathBuf {
    let run = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|p| p.is_dir() && p.as_os_str().len() < 60);
    run.unwrap_or_else(|| Path::new("/tmp").to_owned())
}
