//! An API server and its etcd, without machines.

use std::time::{Duration, Instant};

use super::{Call, Done, Stage};
use crate::tree;

/// How long it may take until it answers.
const ANSWERS: Duration = Duration::from_secs(180);

/// The program that makes a network of its own; as an ordinary user it takes a user namespace as well.
fn namespaces() -> Vec<&'static str> {
    let mut words = vec!["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !rustix::process::getuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words
}

impl Stage {
    /// Starts them in a network that reaches nothing else, and waits until the API server answers.
    pub(super) fn api_server(&self) -> Done {
        self.write("api-server.sh", include_str!("../scripts/api-server.sh"))?;
        let (script, folder) = (self.word("api-server.sh"), self.word("api"));
        let words = [namespaces(), vec!["bash", &script, &folder]].concat();
        let mut server = self.program("unshare", &words).start()?;
        let begin = Instant::now();
        while !self.path("api/ready").exists() {
            if !server.runs() || begin.elapsed() > ANSWERS {
                let log = |name: &str| self.read(name).unwrap_or_default();
                return Err(format!("the API server does not answer\n{}\n{}", log("api/etcd.log"), log("api/api.log")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let inside = tree::descendants(server.id(), &[]).into_iter().next().ok_or("the API server is gone")?;
        self.network.set(inside);
        Ok(())
    }

    /// A program of this computer in the network of the API server, with `KUBESTEAD_TEST_API` and `KUBECTL`; it begins at the top of the repository.
    pub fn beside_api(&self, words: &[&str]) -> Call<'_> {
        let inside = self.network.get().to_string();
        let mut enter = vec!["--target", &inside, "--net"];
        if !rustix::process::getuid().is_root() {
            enter.extend(["--user", "--preserve-credentials"]);
        }
        let top = self.top.to_string_lossy().into_owned();
        let words = [enter, vec!["env", "-C", &top], words.to_vec()].concat();
        self.program("nsenter", &words)
            .setting("KUBESTEAD_TEST_API", self.path("api/admin.conf"))
            .setting("KUBECTL", self.path("api/kubectl"))
    }
}
