//! The kubestead command.

mod args;
mod ask;
mod commands;
mod diff;
#[cfg(test)]
mod docs;
mod excerpt;
mod exit;
mod folders;
#[cfg(test)]
mod golden;
mod page;
mod paint;
mod print;
mod progress;
mod render;
mod screen;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, Volume};
use crate::exit::{Exit, Failure, fail};
use crate::print::Shown;

/// What is seen of many machines is many small texts, on which the C library's allocator spends much of the time of a plan.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // It quotes what was typed, or what a shell made of the names of files.
        Err(error) if error.exit_code() != 0 => {
            let mut told = Shown::default();
            told.text("", &error.render().to_string());
            print::note(&told);
            return ExitCode::from(Exit::Usage as u8);
        }
        Err(help) => help.exit(),
    };
    let result = match cli.command {
        // Without a runtime: its threads take time, and forbid a namespace of their own.
        Command::Secret(command) => commands::secret::run(command),
        command => start(command),
    };
    match result {
        Ok(Exit::Done) if !print::all_written() => ExitCode::from(Exit::Failed as u8),
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            print::note(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn start(command: Command) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::from).and_then(|rt| rt.block_on(run(command)))
}

async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Bundle(command) => commands::bundle::run(command).await,
        Command::Lab(command) => commands::lab::run(command).await,
        Command::Schema => {
            print::json(&kubestead_provision::file::schema())?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "kubestead", &mut script);
            print::bytes().all(&script)?;
            Ok(Exit::Done)
        }
        Command::Man { folder } => {
            let pages =
                std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(<Cli as clap::CommandFactory>::command(), &folder));
            pages.map_err(|error| fail(Exit::Failed, format!("cannot write pages into {}: {error}", folder.display())))?;
            Ok(Exit::Done)
        }
        Command::Secret(command) => commands::secret::run(command),
        Command::Init(args) => commands::init::run(&args).await,
        Command::Trust { common, fingerprints, ssh_config, addresses } => {
            commands::trust::run(&common, &fingerprints, ssh_config.as_deref(), &addresses).await
        }
        Command::Check(common) => commands::check::run(&common),
        Command::Plan { common, diff, facts: Some(facts), .. } => commands::plan::recall(&common, diff, &facts),
        Command::Plan { common, diff, save_facts, .. } => commands::plan::run(&common, diff, save_facts.as_deref()).await,
        Command::Up { common, consent, auto_approve, fail_fast } => commands::up::run(&common, consent, auto_approve, fail_fast).await,
        Command::Status { common, html: Some(to), .. } => commands::page::write(&common, &to).await,
        Command::Status { common, serve: Some(port), .. } => commands::page::serve(&common, port).await,
        Command::Status { common, watch, interval, .. } => {
            commands::status::run(&common, watch.then(|| std::time::Duration::from_secs(interval))).await
        }
        Command::Doctor { common, collect: Some(to), .. } => commands::collect::run(&common, &to).await,
        Command::Doctor { common, only, all, .. } => commands::doctor::run(&common, &only, all).await,
        Command::Reset { common, yes_reset, wipe } => commands::reset::run(&common, yes_reset.as_deref(), &wipe).await,
        Command::Key(command) => commands::key::run(command).await,
        Command::Recovery(command) => commands::recovery::run(command).await,
        Command::Kubeconfig { common, merge } => commands::kubeconfig::run(&common, merge).await,
        Command::Access(command) => commands::access::run(command).await,
        Command::Credential { common, user } => commands::kubeconfig::credential(&common, &user).await,
        Command::Volume(Volume::Recovery { common, node, volume }) => commands::volume::run(&common, &node, &volume),
        Command::Volume(Volume::Unlock { common, nodes }) => commands::unlock::run(&common, &nodes).await,
        Command::Volume(Volume::List(common)) => commands::status::volumes(&common).await,
    }
}
