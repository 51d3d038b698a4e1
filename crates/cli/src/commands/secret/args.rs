//! What may be typed after `kubestead secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::Format;

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Prepare a repository: a key if there is none, `.sops.yaml`, a git hook that refuses plain secrets, and readable diffs.
    #[command(after_help = "Example: kubestead secret init --recipient age1colleague…\n\
        What is there stays as it is. Recipients are those of `secrets/escrow/recipients`, if that is there, and your own.")]
    Init {
        /// Another recipient, such as a colleague's `age1…`. May be given several times.
        #[arg(long, value_name = "AGE")]
        recipient: Vec<String>,
        /// Write no git hook and no git settings.
        #[arg(long)]
        no_git: bool,
        /// The repository.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Make a Kubernetes Secret that is encrypted from the start.
    #[command(after_help = "Examples: kubestead secret new secrets/registry.yaml --namespace apps\n          \
        pwgen 32 1 | kubestead secret new secrets/db.yaml --namespace apps --key password --chomp\n\
        Without --key an editor is opened. A file of another format than YAML takes standard input as it is.")]
    New {
        /// The file; it must not be there.
        file: PathBuf,
        /// The Secret's name; by default the file's.
        #[arg(long)]
        name: Option<String>,
        /// The Secret's namespace.
        #[arg(long)]
        namespace: Option<String>,
        /// The Secret's type.
        #[arg(long = "type", value_name = "TYPE", default_value = "Opaque")]
        kind: String,
        /// A key of the Secret whose value is read from standard input.
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        memory: Memory,
    },
    /// Open a file in $EDITOR. The plain text lies in memory only.
    #[command(after_help = "Example: EDITOR=nano kubestead secret edit secrets/registry.yaml\n\
        What does not change keeps its very ciphertext; saved without a change, the file stays as it is, byte for byte.\n\
        Texts below `data` of a Kubernetes Secret are shown decoded below `stringData`, and go back into `data`.")]
    Edit {
        /// The file.
        file: PathBuf,
        /// Show `data` as it is, in base64.
        #[arg(long)]
        raw: bool,
        #[command(flatten)]
        memory: Memory,
    },
    /// Set one value, which is read from standard input.
    #[command(after_help = "Examples: kubestead secret set secrets/registry.yaml stringData/password\n          \
        kubestead secret set secrets/tls.yaml '[\"data\"][\"tls.key\"]' --base64 < tls.key\n\
        A path is keys with slashes between, or as in `sops --extract`. On a terminal nothing is shown while you type.")]
    Set {
        /// The file.
        file: PathBuf,
        /// The value's place.
        path: String,
        #[command(flatten)]
        input: Input,
        /// What the value is.
        #[arg(long, value_enum, default_value_t = Kind::Text)]
        kind: Kind,
        /// Write it even where the rules of the file encrypt nothing.
        #[arg(long)]
        plain: bool,
    },
    /// Take one value, or a whole mapping or list, out.
    #[command(after_help = "Example: kubestead secret unset secrets/registry.yaml stringData/password")]
    Unset {
        /// The file.
        file: PathBuf,
        /// The place.
        path: String,
    },
    /// Print a file, or one value, decrypted.
    #[command(after_help = "Example: kubestead secret get secrets/registry.yaml stringData/password | wl-copy\n\
        A single value is printed byte for byte, with an end of line on a terminal only.")]
    Get {
        /// The file.
        file: PathBuf,
        /// The value's place.
        path: Option<String>,
    },
    /// List encrypted files: whether you can open them, and who can.
    #[command(after_help = "Example: kubestead secret list secrets --output json")]
    List {
        /// The folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// How answers look.
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Name the values that differ between two files, or between a file and a revision of it.
    #[command(after_help = "Examples: kubestead secret diff secrets/registry.yaml\n          \
        kubestead secret diff --from v1.0 --to main secrets/registry.yaml\n          \
        kubestead secret diff old.yaml new.yaml --show-values\n\
        Exit code 0: no difference, 3: some. `git diff` shows values as marks once `kubestead secret init` was run.")]
    Diff {
        /// The file.
        file: PathBuf,
        /// Another file, newer.
        #[arg(conflicts_with_all = ["from", "to"])]
        other: Option<PathBuf>,
        /// The older revision.
        #[arg(long, value_name = "REVISION", default_value = "HEAD")]
        from: String,
        /// The newer revision; by default the file as it lies here.
        #[arg(long, value_name = "REVISION")]
        to: Option<String>,
        /// Show the values too.
        #[arg(long)]
        show_values: bool,
        /// Print the file with a mark for each value, for `git diff`.
        #[arg(long, hide = true, conflicts_with_all = ["other", "from", "to", "show_values"])]
        textconv: bool,
    },
    /// Give files a new key and new ciphertexts, for the same recipients.
    #[command(after_help = "Example: kubestead secret rotate secrets\n\
        Whoever has seen a value still knows it: change the value at its source too.")]
    Rotate {
        /// Files, and folders to look through.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Make the recipients of files those of `.sops.yaml`.
    #[command(after_help = "Examples: kubestead secret updatekeys secrets --check\n          \
        kubestead secret updatekeys secrets --remove age1formercolleague…\n\
        Someone who is taken away makes a new key and new ciphertexts, and the values that person could read are named: change them at \
        their source.\n\
        Exit code with --check: 0 nothing to do, 3 there is something to do, 4 a recipient is a surprise.")]
    Updatekeys {
        /// Files, and folders to look through.
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Change nothing; tell what would be done.
        #[arg(long)]
        check: bool,
        /// Consent that this recipient, whom `.sops.yaml` does not name, is taken away. May be given several times.
        #[arg(long, value_name = "RECIPIENT")]
        remove: Vec<String>,
    },
    /// Refuse what must not go into git: plain text under a rule, files that do not verify, `ENC[` where it does not belong, private keys.
    #[command(after_help = "Example: kubestead secret check --staged\nExit code 0: all is well, 2: something was found.")]
    Check {
        /// Look at what is staged for the next commit, as the git hook does.
        #[arg(long, conflicts_with = "paths")]
        staged: bool,
        /// Files, and folders to look through.
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
    },
    /// Examine a repository's secrets: who can open them, keys that are missing or expired, settings of git, and all that `check` finds.
    #[command(after_help = "Example: kubestead secret doctor --output json\nExit code 1 when anything is wrong.")]
    Doctor {
        /// The repository, or a folder of it.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// How answers look.
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Write sops files from ansible-vault files, YAML with `!vault` values, plain Kubernetes Secrets, whole-document sops Secrets, or binary
    /// files such as key stores.
    #[command(after_help = "Example: kubestead secret import group_vars/all/vault.yml --vault-password-file ~/.vault-password\n\
        What is read stays as it is. Its values are in git's history: change them at their source afterwards.")]
    Import {
        /// What to read.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to write.
        #[arg(long, default_value = "secrets", value_name = "DIR")]
        to: PathBuf,
        /// The vault's password: a file, or a program that prints it.
        #[arg(long, value_name = "FILE", env = "ANSIBLE_VAULT_PASSWORD_FILE")]
        vault_password_file: Option<PathBuf>,
    },
    /// Merge two versions of a file, value by value; git calls this.
    #[command(hide = true)]
    Merge {
        /// The version that both come from.
        base: PathBuf,
        /// This side; the result is written here.
        ours: PathBuf,
        /// The other side.
        theirs: PathBuf,
        /// The file's own name.
        name: PathBuf,
    },
    /// Find out whether a private namespace is allowed here; `edit` calls this.
    #[command(hide = true)]
    Probe,
}

/// How standard input is read.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Input {
    /// Take one end of line off the end of the value.
    #[arg(long)]
    pub(crate) chomp: bool,
    /// Encode the value with base64, as `data` of a Secret wants it.
    #[arg(long)]
    pub(crate) base64: bool,
}

/// Where an editor may find the plain text.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Memory {
    /// Let the plain text lie on a disk while it is edited, where no folder in memory can be had.
    #[arg(long)]
    pub(crate) allow_disk: bool,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
}
