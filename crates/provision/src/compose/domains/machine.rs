//! The machine itself: what it must be before anything is done to it.

use super::{Asked, Wanted};
use crate::file::Node;
use crate::machine;

pub(super) fn asks(_: &Wanted<'_>, _: &Node) -> Asked {
    Asked { sections: machine::sections(), ..Asked::default() }
}
