//! What may be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One file describes machines, encrypted volumes, keys and a Kubernetes cluster; this makes them so, over SSH.
#[derive(Debug, Parser)]
#[command(
    name = "kubestead",
    version,
    after_help = "Begin with: kubestead init, then kubestead plan, then kubestead up.\n\
    Exit codes: 0 done or nothing to do, 1 failed, 2 usage or bad file, 3 the plan has changes, or you did not say yes to them, 4 something is held, 5 a host is unreachable."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the cluster is described and how answers look.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The cluster file.
    #[arg(short, long, default_value = "cluster.yaml", env = "KUBESTEAD_FILE")]
    pub(crate) file: PathBuf,
    /// How answers look.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Use the file's `ssh.config` even if it lies in the same repository and may run programs on this computer: read it first.
    #[arg(long, env = "KUBESTEAD_TRUST_SSH_CONFIG", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) trust_ssh_config: bool,
}

/// How answers look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at machines and write a cluster file that fits them, and the key for its secrets. Changes nothing on them.
    ///
    /// The first machine is the control plane, the others are workers. Volumes are sized to the disks that are proven blank; all others are left alone,
    /// and told. Without addresses it writes an example to fill in. A file that is there is never written over.
    #[command(
        after_help = "Example: kubestead init 192.0.2.11 192.0.2.21 192.0.2.22 --key-server 192.0.2.5 --user root\nOne machine alone: kubestead init 192.0.2.11 --unlock recovery --user root\nTheir host keys must be known: kubestead trust 192.0.2.11 192.0.2.21 192.0.2.22 192.0.2.5\nAn example to fill in: kubestead init && $EDITOR cluster.yaml && kubestead check"
    )]
    Init(Box<crate::commands::init::Args>),
    /// Show the fingerprints of machines' host keys, and keep those that you compared in your known_hosts.
    ///
    /// A key that ssh takes already needs nothing, nor does a machine with a certificate of an authority that you trust. A key that changed is never
    /// accepted here.
    #[command(
        after_help = "Example: kubestead trust 192.0.2.11 192.0.2.21\nIn a script, with a fingerprint that came another way: kubestead trust 192.0.2.11 --fingerprint SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
    )]
    Trust {
        #[command(flatten)]
        common: Common,
        /// Accept the key with this fingerprint, and no other. Nothing is asked then. May be given several times.
        #[arg(long = "fingerprint", value_name = "SHA256:…")]
        fingerprints: Vec<kubestead_backend::trust::Fingerprint>,
        /// The ssh configuration for addresses that the cluster file does not have.
        #[arg(long, value_name = "FILE")]
        ssh_config: Option<PathBuf>,
        /// Which machines: addresses or names, ADDRESS:PORT where sshd has another port. All of the cluster file when left out.
        #[arg(value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
    /// Check the cluster file and its folder of secrets: every mistake at once, no key is needed, nothing is touched.
    #[command(after_help = "Example: kubestead check -f cluster.yaml")]
    Check(Common),
    /// Look at the machines and show what `up` would do. Changes nothing.
    #[command(
        after_help = "Example: kubestead plan --diff\nLater, or elsewhere: kubestead plan --save-facts facts.json, then kubestead plan --facts facts.json"
    )]
    Plan {
        #[command(flatten)]
        common: Common,
        /// Show each step's parameters, and as a diff what it makes of files and objects. Values of Secrets are never shown, and of a file that is there only the
        /// digest is known.
        #[arg(long)]
        diff: bool,
        /// Keep what was seen in a new file, for --facts. It holds no secret.
        #[arg(long, value_name = "FILE", conflicts_with = "facts")]
        save_facts: Option<PathBuf>,
        /// Plan from facts that were saved, without any connection. Nothing is looked at, and the plan is one to look at.
        #[arg(long, value_name = "FILE")]
        facts: Option<PathBuf>,
    },
    /// Bring the machines to the state in the file.
    ///
    /// On a terminal it shows the plan, and asks once before it does anything that disrupts, destroys, or comes to a machine for the first time. In a pipe, or
    /// when standard input is no terminal, nothing is asked: what is safe or disrupts runs, and what destroys needs its consent either way.
    #[command(
        after_help = "Example: kubestead up\nIn a terminal without the question: kubestead up --auto-approve\nAnother answer than yes or y, or Ctrl-C, changes nothing and ends with 3.\nStopped, by Ctrl-C or a power cut? Run it again: it looks and goes on."
    )]
    Up {
        #[command(flatten)]
        common: Common,
        /// Consent to one destroying step, by its id as `plan` shows it. May be given several times.
        #[arg(long = "yes", value_name = "STEP")]
        consent: Vec<String>,
        /// Answer yes to the question beforehand. What destroys still needs its own --yes STEP.
        #[arg(long)]
        auto_approve: bool,
        /// Start nothing more after the first failure.
        #[arg(long)]
        fail_fast: bool,
    },
    /// Tell whether all is well, and if not, what to type.
    ///
    /// The first line says how all is, then comes what is to do, then machines, volumes and the cluster. What is not well is marked with `!`. Colour is used on
    /// a terminal alone: NO_COLOR turns it off, CLICOLOR_FORCE=1 on.
    #[command(
        after_help = "Example: kubestead status\nUntil you type q: kubestead status --watch\nAs a page: kubestead status --html status.html\nFor a program: kubestead status --output json"
    )]
    Status {
        #[command(flatten)]
        common: Common,
        /// Look again and again, on one screen that is drawn anew, until q or Ctrl-C.
        #[arg(short, long)]
        watch: bool,
        /// Seconds between two looks of --watch.
        #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=3600))]
        interval: u64,
        /// Write it as a page into a file that you alone read: no script, nothing from elsewhere. A page that kubestead wrote there before is replaced.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["watch", "output"])]
        html: Option<PathBuf>,
        /// Serve the page to browsers of this computer, on 127.0.0.1 alone, until Ctrl-C; it prints the address. Any free port when none is named.
        #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0", conflicts_with_all = ["watch", "output", "html"])]
        serve: Option<u16>,
    },
    /// Check the machines and the cluster by name, and tell what is not well, what that means and what to do.
    ///
    /// Names are asked for from every node, packets are sent from node to node, and what machines, the API and the plan tell is looked at. Nothing is changed, but
    /// for a small file that is written below etcd's folder and removed. What is good is counted; --all shows it. What could not be looked at is said, and is
    /// never good. The status is 1 if something is wrong, and else 5 if a machine does not answer; with --collect it is that of the writing.
    #[command(
        after_help = "Example: kubestead doctor\nOne subject: kubestead doctor --only dns --all\nFor whoever helps you: kubestead doctor --collect home.tar.zst"
    )]
    Doctor {
        #[command(flatten)]
        common: Common,
        /// Run this check alone. May be given several times.
        #[arg(long, value_name = "CHECK", value_parser = clap::builder::PossibleValuesParser::new(crate::commands::doctor::names()))]
        only: Vec<String>,
        /// Show what is good too.
        #[arg(long)]
        all: bool,
        /// Write what helps another person into a new file, .tar.zst: this answer, the plan, the status, the ends of journals, listings of the cluster. Secrets,
        /// keys, tokens and passwords are taken out; look through it all the same before you send it.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "all", "output"])]
        collect: Option<PathBuf>,
    },
    /// Take the nodes out of the cluster. Volumes, software and keys stay; the cluster and what etcd holds is gone.
    #[command(
        after_help = "Example: kubestead reset --yes-reset home\nWithout the consent it shows what it would do, and on a terminal asks for the cluster's name. One volume too: kubestead reset --yes-reset home --wipe kube1/volumes"
    )]
    Reset {
        #[command(flatten)]
        common: Common,
        /// Consent, by the cluster's name.
        #[arg(long, value_name = "NAME")]
        yes_reset: Option<String>,
        /// Wipe this volume too: its keys are erased and it is removed. May be given several times.
        #[arg(long, value_name = "NODE/VOLUME")]
        wipe: Vec<String>,
    },
    /// Print a kubeconfig: context `sudo` for eight hours, and USER@CLUSTER with tokens on demand.
    #[command(after_help = "Example: kubestead kubeconfig --merge && kubectl --context sudo get nodes")]
    Kubeconfig {
        #[command(flatten)]
        common: Common,
        /// Write the contexts into the files of KUBECONFIG or ~/.kube/config, where kubectl would; all else in them stays as it is.
        #[arg(long)]
        merge: bool,
    },
    /// Answer kubectl with a user's token; the contexts of `kubeconfig` call this.
    #[command(hide = true)]
    Credential {
        #[command(flatten)]
        common: Common,
        /// The user.
        user: String,
    },
    /// Who may what in the cluster.
    #[command(subcommand)]
    Access(crate::commands::access::Access),
    /// The encrypted volumes.
    #[command(subcommand)]
    Volume(Volume),
    /// Secrets in git: files of sops, made, edited, compared and checked.
    #[command(subcommand)]
    Secret(crate::commands::secret::args::Secret),
    /// A folder with all the software of a cluster.
    #[command(subcommand)]
    Bundle(crate::commands::bundle::Bundle),
    /// The key servers: who is let in, whether they refuse what they must, and copies of them.
    #[command(subcommand)]
    Key(crate::commands::key::Key),
    /// The key of the recovery keys, split among people, as pages to print.
    #[command(subcommand)]
    Recovery(crate::commands::recovery::Recovery),
    /// Rehearsal machines on this computer: own kernels, disks, network.
    #[command(subcommand)]
    Lab(Lab),
    /// Print a JSON Schema of the cluster file, for editors.
    ///
    /// Made of the fields that kubestead reads. It refuses nothing that `check` takes; `check` looks closer.
    #[command(
        after_help = "Example: kubestead schema > cluster.schema.json\nEditors with the YAML language server use it by the first line of the file: # yaml-language-server: $schema=cluster.schema.json"
    )]
    Schema,
    /// Completions for a shell.
    #[command(after_help = "Example: kubestead completions bash > ~/.local/share/bash-completion/completions/kubestead")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Manual pages, one for each command, into a folder.
    #[command(after_help = "Example: kubestead man ~/.local/share/man/man1")]
    Man {
        /// The folder; it is made if it is not there.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Volume {
    /// List the volumes of the file with their state on each node.
    List(Common),
    /// Open and mount the closed volumes of nodes with their recovery keys, and start what waited for them.
    ///
    /// For volumes with `unlock: [recovery]` after each boot, and for others when no key server answers. The keys are those of secrets/escrow: they go to the
    /// nodes over SSH on standard input, and are on no disk and no command line. A second time there is nothing to do.
    #[command(after_help = "Example: kubestead volume unlock kube1 kube2")]
    Unlock {
        #[command(flatten)]
        common: Common,
        /// The nodes.
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
    },
    /// Print a volume's recovery key, for `cryptsetup open --key-slot 7`.
    #[command(
        after_help = "Example: kubestead volume recovery kube1 volumes | ssh kube1 cryptsetup open --key-slot 7 --key-file - /dev/vg01/volumes luks-volumes"
    )]
    Recovery {
        #[command(flatten)]
        common: Common,
        /// The node.
        node: String,
        /// The volume.
        volume: String,
    },
}

/// Which lab.
#[derive(Debug, Args)]
pub(crate) struct LabName {
    /// The lab's name.
    #[arg(long, default_value = "lab")]
    pub(crate) lab: String,
}

/// What a lab's machines run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// User Mode Linux: the kernel as an ordinary process, no KVM.
    Uml,
    /// QEMU with KVM.
    Qemu,
    /// QEMU without KVM: much slower at computing.
    QemuTcg,
}

/// A release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Build what the machines are made of, and a bundle with Kubernetes. Cached.
    #[command(after_help = "Example: bundle=$(kubestead lab build)\nPrints the bundle's folder.")]
    Build {
        /// What the machines will run on; KUBESTEAD_LAB_BACKEND when it is left out, or QEMU on a computer of its own where KVM works, else User Mode Linux.
        #[arg(long, value_enum)]
        backend: Option<Backend>,
        /// What the machines will be: the file lab.json chooses for each, and `lab up` builds what is missing.
        #[arg(long, value_enum, default_value_t = Release::Bookworm)]
        debian: Release,
        /// Also what a lab with `"internet": true` serves, and `lab up` builds what is missing.
        #[arg(long)]
        internet: bool,
    },
    /// Start the machines; what is missing is built first. One that is stopped before its end leaves nothing running.
    #[command(
        after_help = "Example: kubestead lab up && kubestead lab ssh kube1\nAs an ordinary user it needs user namespaces, as root it does not."
    )]
    Up {
        #[command(flatten)]
        lab: LabName,
        /// What the machines run on; what they ran on before when it is left out. A new lab: KUBESTEAD_LAB_BACKEND, or QEMU on a
        /// computer of its own where KVM works, else User Mode Linux.
        #[arg(long, value_enum)]
        backend: Option<Backend>,
    },
    /// Tell how the machines are.
    Status(LabName),
    /// Open a shell on a machine, or run a command there.
    #[command(after_help = "Example: kubestead lab ssh kube1 -- lsblk")]
    Ssh {
        #[command(flatten)]
        lab: LabName,
        /// The machine.
        machine: String,
        /// The command.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Reboot a machine from inside.
    Reboot {
        #[command(flatten)]
        lab: LabName,
        /// The machine.
        machine: String,
    },
    /// Cut a machine's power.
    Kill {
        #[command(flatten)]
        lab: LabName,
        /// The machine.
        machine: String,
    },
    /// Start a machine that is off.
    Start {
        #[command(flatten)]
        lab: LabName,
        /// The machine.
        machine: String,
    },
    /// Stop all machines.
    Down {
        #[command(flatten)]
        lab: LabName,
        /// Remove their disks too.
        #[arg(long)]
        wipe: bool,
    },
    /// Keep the disks of a lab that is down under a name.
    #[command(after_help = "Example: kubestead lab down && kubestead lab save before-upgrade")]
    Save {
        #[command(flatten)]
        lab: LabName,
        /// The snapshot's name.
        name: String,
    },
    /// Put the disks of a snapshot in the place of the lab's, which is down.
    #[command(after_help = "Example: kubestead lab down && kubestead lab restore before-upgrade --replace && kubestead lab up")]
    Restore {
        #[command(flatten)]
        lab: LabName,
        /// The snapshot's name.
        name: String,
        /// The disks that the lab has are lost.
        #[arg(long)]
        replace: bool,
    },
    /// List the snapshots of a lab, or remove one.
    Snapshots {
        #[command(flatten)]
        lab: LabName,
        /// Remove the snapshot of that name.
        #[arg(long, value_name = "NAME")]
        remove: Option<String>,
    },
    /// Serve a lab's network and machines; `lab up` starts this.
    #[command(hide = true)]
    Serve {
        /// The lab's state folder.
        dir: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::CommandFactory as _;

    use super::Cli;
    use crate::golden;

    fn help(command: &mut clap::Command, path: &str, text: &mut String) {
        // What a variable holds here is nobody's but who runs the test.
        let mut shown = command.clone().mut_args(|arg| arg.hide_env_values(true));
        let _ = writeln!(text, "== {path}\n{}", shown.render_long_help());
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name());
            help(inner, &path, text);
        }
    }

    #[test]
    fn the_help_of_every_command_is_as_it_was_read() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut text = String::new();
        help(&mut command, "kubestead", &mut text);
        assert!(text.matches("\n== ").count() > 40, "{text}");
        golden::holds("help", &text);
    }
}
