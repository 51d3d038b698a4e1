//! Files that something must read after they were written, such as units of systemd.

use crate::host::Host;
use crate::outcome::Done;
use crate::procedure::{Procedure, ProcedureError};
use crate::put::{Owned, PENDING, put_texts};

/// Writes files and has them loaded; a cut between the two is seen by the next observation.
pub async fn write(files: &[Owned], load: &str, host: &dyn Host) -> Result<Done, ProcedureError> {
    written(files, load).run(host).await
}

/// The procedure of [`write()`], for a caller that adds to it; `load` is the text of a file. A mark stands from before the first file until all are loaded.
pub fn written(files: &[Owned], load: &str) -> Procedure {
    let mut procedure = put_texts(files).var("pending", PENDING).after(include_str!("scripts/loading.sh"));
    procedure.act = ["begin_loading", &procedure.act, load, "end_loading"].join("\n");
    procedure
}
