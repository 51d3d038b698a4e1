//! The ways by which a volume is unlocked. Each has a LUKS slot of its own, so that one is added or removed without the others.

use serde::{Deserialize, Serialize};

/// How a key comes to a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The node fetches half of the key from a key server over ssh, at each boot, by itself.
    Ssh,
    /// Somebody gives the recovery key by hand, after each boot.
    Recovery,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ssh, Self::Recovery];

    /// Its word in the cluster file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Recovery => "recovery",
        }
    }

    /// The way of a word. `None` if there is none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == name)
    }

    /// The number of its LUKS slot.
    pub fn slot(self) -> u8 {
        match self {
            Self::Ssh => 0,
            Self::Recovery => 7,
        }
    }

    /// What our token in the header calls it. Headers that are there have it, so it stays.
    pub fn provider(self) -> &'static str {
        match self {
            Self::Ssh => "ssh-split",
            Self::Recovery => "recovery",
        }
    }

    /// Whether a machine that boots opens a volume by it with no hands.
    pub fn by_itself(self) -> bool {
        match self {
            Self::Ssh => true,
            Self::Recovery => false,
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The ways of a volume, in the order in which they are tried: at least one, each once, and those that need hands last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Way>", into = "Vec<Way>")]
pub struct Ways(Vec<Way>);

/// Why some ways are none of a volume's.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadWays {
    /// There are none.
    #[error("no way to unlock it is named")]
    None,
    /// One is there twice.
    #[error("{0} is named twice")]
    Twice(Way),
    /// One that a machine takes by itself comes after one that it cannot.
    #[error("{0} comes after recovery, which a person does by hand when nothing else opened it")]
    Late(Way),
}

impl Ways {
    /// Checks and takes ways in their order.
    pub fn new(ways: Vec<Way>) -> Result<Self, BadWays> {
        for (index, way) in ways.iter().enumerate() {
            if ways[..index].contains(way) {
                return Err(BadWays::Twice(*way));
            }
            if way.by_itself() && ways[..index].iter().any(|before| !before.by_itself()) {
                return Err(BadWays::Late(*way));
            }
        }
        if ways.is_empty() { Err(BadWays::None) } else { Ok(Self(ways)) }
    }

    /// Whether a way is among them.
    pub fn has(&self, way: Way) -> bool {
        self.0.contains(&way)
    }

    /// Whether nothing opens the volume at boot: somebody does.
    pub fn by_hand(&self) -> bool {
        !self.0.iter().any(|way| way.by_itself())
    }

    /// Them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Way> + '_ {
        self.0.iter().copied()
    }
}

impl Default for Ways {
    /// A key server alone, as it was before there was a choice.
    fn default() -> Self {
        Self(vec![Way::Ssh])
    }
}

impl TryFrom<Vec<Way>> for Ways {
    type Error = BadWays;
    fn try_from(ways: Vec<Way>) -> Result<Self, BadWays> {
        Self::new(ways)
    }
}

impl From<Ways> for Vec<Way> {
    fn from(ways: Ways) -> Self {
        ways.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_each_once_and_what_needs_hands_comes_last() {
        use Way::{Recovery, Ssh};
        assert_eq!(Ways::new(vec![]), Err(BadWays::None));
        assert_eq!(Ways::new(vec![Ssh, Recovery, Ssh]), Err(BadWays::Twice(Ssh)));
        assert_eq!(Ways::new(vec![Recovery, Ssh]), Err(BadWays::Late(Ssh)));
        let by_hand = |ways: Vec<Way>| Ways::new(ways).map(|ways| ways.by_hand());
        assert_eq!((by_hand(vec![Ssh, Recovery]), by_hand(vec![Ssh]), by_hand(vec![Recovery])), (Ok(false), Ok(false), Ok(true)));
    }

    #[test]
    fn each_way_has_a_word_a_slot_and_a_provider_of_its_own() {
        for way in Way::ALL {
            assert_eq!(Way::from_name(way.as_str()), Some(way));
            let same = |other: &&Way| other.slot() == way.slot() || other.provider() == way.provider();
            assert_eq!(Way::ALL.iter().filter(same).count(), 1);
        }
    }
}
