//! `kubestead access`: who may what in the cluster.

use clap::Subcommand;
use kubestead_backend::ssh::Ssh;
use kubestead_core::transport::Transport as _;
use kubestead_provision::file::Cluster;
use kubestead_provision::rights::{self, Question, Subject};
use serde_json::{Value, json};

use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// Show as a table what users, groups and service accounts may do in the cluster.
    ///
    /// The API server decides each question as it would when it is done; nothing is tried, and nothing changes. Without a question it is what users do every
    /// day, what they see of the rest of the cluster, and what must not be theirs. Who is asked about: all users, groups and accounts of the file.
    #[command(
        after_help = "Example: kubestead access can-i\nOne question: kubestead access can-i create deployments.apps\nAbout somebody else: kubestead access can-i get secrets -n kube-system --as jane --as-group oidc:admins"
    )]
    CanI {
        #[command(flatten)]
        common: Common,
        /// Somebody as the API server knows it, and not those of the file. May be given several times.
        #[arg(long = "as", value_name = "USER")]
        users: Vec<String>,
        /// Whoever is in this group. May be given several times.
        #[arg(long = "as-group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Where the question is about; the file's namespace when it is left out.
        #[arg(short, long, value_name = "NAMESPACE", requires = "verb", conflicts_with = "all_namespaces")]
        namespace: Option<String>,
        /// The question is about all namespaces.
        #[arg(short = 'A', long, requires = "verb")]
        all_namespaces: bool,
        /// Such as get, list, create, update, delete.
        #[arg(requires = "resource")]
        verb: Option<String>,
        /// RESOURCE, RESOURCE.GROUP or RESOURCE/SUBRESOURCE, such as pods, deployments.apps, pods/exec.
        resource: Option<String>,
    },
}

pub(crate) async fn run(command: Access) -> Result<Exit, Failure> {
    let Access::CanI { common, users, groups, namespace, all_namespaces, verb, resource } = command;
    let cluster = super::check::load(&common)?;
    let subjects = subjects(&cluster, &users, &groups)?;
    let home = cluster.namespace.as_ref().map(|own| own.name.to_string());
    let questions = match (verb, resource) {
        (Some(verb), Some(resource)) => {
            let place = if all_namespaces { None } else { Some(namespace.or(home).unwrap_or_else(|| "default".to_owned())) };
            vec![Question::new(&verb, &resource, place.as_deref())]
        }
        _ => rights::questions(home.as_deref().unwrap_or("default")),
    };
    let host = super::kubeconfig::control_plane(&cluster).await?;
    let kube = Ssh::default().kube(host.as_ref()).await?;
    let single = questions.len() == 1;
    let questions = if single {
        let unknown = |question: Question| {
            let what = format!("the API server has no kind that paths call {:?}", question.resource);
            fail(Exit::Usage, what).hint("write it in the plural, such as pods or deployments.apps: kubectl api-resources lists them")
        };
        rights::known(kube.as_ref(), questions).await?.map_err(unknown)?
    } else {
        questions
    };
    let rows = rights::ask(kube.as_ref(), &questions, &subjects).await?;
    match common.output {
        Format::Json => print::json(&answers(&questions, &subjects, &rows))?,
        Format::Text => {
            for line in table(&questions, &subjects, &rows) {
                print::data(&line);
            }
        }
    }
    Ok(Exit::Done)
}

/// Who is asked about.
fn subjects(cluster: &Cluster, users: &[String], groups: &[String]) -> Result<Vec<Subject>, Failure> {
    let named: Vec<Subject> =
        users.iter().map(|user| Subject::user(user)).chain(groups.iter().map(|group| Subject::group(group))).collect();
    let found = if named.is_empty() { cluster.namespace.as_ref().map(rights::subjects).unwrap_or_default() } else { named };
    if found.is_empty() {
        return Err(fail(Exit::Usage, "the cluster file names no users to ask about").hint("add namespace.users, or say whom: --as USER"));
    }
    Ok(found)
}

fn answers(questions: &[Question], subjects: &[Subject], rows: &[Vec<bool>]) -> Value {
    let row = |(question, row): (&Question, &Vec<bool>)| {
        let answers: serde_json::Map<String, Value> =
            subjects.iter().zip(row).map(|(subject, may)| (subject.name.clone(), (*may).into())).collect();
        json!({"question": question, "may": answers})
    };
    json!({"subjects": subjects, "rows": questions.iter().zip(rows).map(row).collect::<Vec<_>>()})
}

fn table(questions: &[Question], subjects: &[Subject], rows: &[Vec<bool>]) -> Vec<String> {
    let words: Vec<String> = questions.iter().map(ToString::to_string).collect();
    let first = words.iter().map(|word| word.chars().count()).max().unwrap_or_default();
    let line = |head: &str, cells: Vec<&str>| {
        let cells =
            subjects.iter().zip(cells).map(|(subject, cell)| format!("  {cell:<width$}", width = subject.name.chars().count().max(3)));
        format!("{head:<first$}{}", cells.collect::<String>()).trim_end().to_owned()
    };
    let head = line("", subjects.iter().map(|subject| subject.name.as_str()).collect());
    let rows = words.iter().zip(rows).map(|(word, row)| line(word, row.iter().map(|may| if *may { "yes" } else { "no" }).collect()));
    std::iter::once(head).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_stands_below_whom_it_is_about() {
        let subjects = [Subject::account("apps", "dev"), Subject::group("oidc:x")];
        let questions = [Question::new("create", "pods", Some("apps")), Question::new("list", "nodes", None)];
        let rows = [vec![true, false], vec![true, true]];
        assert_eq!(
            table(&questions, &subjects, &rows),
            ["                     dev  oidc:x", "create pods in apps  yes  no", "list nodes           yes  yes"]
        );
        assert_eq!(answers(&questions, &subjects, &rows)["rows"][0]["may"], json!({"dev": true, "oidc:x": false}));
    }
}
