//! `kubestead status --watch`: the same screen, drawn anew after each look.

use std::io::Read as _;
use std::time::Duration;

use jiff::Timestamp;
use kubestead_core::twin::Silent;
use kubestead_provision::compose;
use kubestead_provision::session::Session;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::status;
use crate::exit::{Exit, Failure};
use crate::paint;
use crate::print::{self, Screen, Shown};

/// Looks until somebody types q or a signal comes; the terminal is then as it was.
pub(super) async fn run(machines: &Session, interval: Duration) -> Result<Exit, Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (mut hangup, mut resized) = (signal(SignalKind::hangup())?, signal(SignalKind::window_change())?);
    let screen = Screen::begin()?;
    let mut keys = keys();
    let ends = async {
        tokio::select! {
            () = quit(&mut keys) => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    tokio::pin!(ends);
    let every = format!("every {} s; q ends", interval.as_secs());
    screen.draw(&Shown::from(&format!("{}: looking", machines.cluster.name)), &every)?;
    loop {
        let look = tokio::select! {
            look = machines.observe(&Silent) => look?,
            () = &mut ends => return Ok(Exit::Done),
        };
        let plan = compose::plan(&machines.cluster, &look)?;
        let report = status::report(&machines.cluster, &look, &plan);
        let last = format!("seen {}; {every}", Timestamp::now().strftime("%H:%M:%S UTC"));
        let next = tokio::time::sleep(interval);
        tokio::pin!(next);
        loop {
            screen.draw(&report.shown(paint::wanted(), print::data_width()), &last)?;
            tokio::select! {
                () = &mut next => break,
                _ = resized.recv() => {}
                () = &mut ends => return Ok(Exit::Done),
            }
        }
    }
}

/// Keys as they are typed. Nobody waits for the thread that reads them: the program ends while it reads.
fn keys() -> UnboundedReceiver<u8> {
    let (typed, keys) = unbounded_channel();
    std::thread::spawn(move || {
        let mut key = [0];
        while matches!(std::io::stdin().read(&mut key), Ok(1)) && typed.send(key[0]).is_ok() {}
    });
    keys
}

/// Ends at q, or when nothing can be typed any more.
async fn quit(keys: &mut UnboundedReceiver<u8>) {
    while keys.recv().await.is_some_and(|key| !key.eq_ignore_ascii_case(&b'q')) {}
}
