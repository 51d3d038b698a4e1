//! How large a filesystem says that it is: the first bytes of its device, as `od -An -v -tx1` prints them.
//!
//! ext4: the superblock stands at byte 1024, little-endian (kernel documentation, filesystems/ext4/super). xfs: at byte 0, big-endian
//! (XFS Algorithms & Data Structures, "Superblocks").

use crate::facts::Inodes;
use crate::report::MOST;
use crate::spec::Filesystem;

/// How many bytes are read.
pub(crate) const LENGTH: usize = 2048;

const EXT4: usize = 1024;

fn bytes(text: &str) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
    (bytes.len() == LENGTH).then_some(bytes)
}

/// The inodes of an ext4 filesystem. `None` if none is there.
pub(crate) fn inodes(text: &str) -> Option<Inodes> {
    let bytes = bytes(text)?;
    let word = |at: usize| {
        let at = EXT4 + at;
        u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    let (count, of_a_group) = (word(0), word(0x28));
    let magic = word(0x38) & 0xffff == 0xef53;
    // mkfs rounds the inodes of each block group down to a multiple of 8.
    (magic && of_a_group > 0).then(|| Inodes { count, rounding: count.div_ceil(of_a_group) * 8 })
}

/// Bytes of the filesystem; `None` if no such filesystem is there.
pub(crate) fn size(text: &str, filesystem: Filesystem) -> Option<u64> {
    let bytes = bytes(text)?;
    let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    let found = match filesystem {
        Filesystem::Ext4 => {
            let word = |at: usize| u64::from(u32::from_le_bytes(four(EXT4 + at)));
            // The upper half of the count means something only with the feature `64bit`.
            let upper = if word(0x60) & 0x80 != 0 { word(0x150) } else { 0 };
            let magic = word(0x38) & 0xffff == 0xef53;
            (magic && word(0x18) < 7).then(|| (upper << 32 | word(0x4)).checked_mul(1 << (10 + word(0x18)))).flatten()
        }
        Filesystem::Xfs => {
            let word = |at: usize| u64::from(u32::from_be_bytes(four(at)));
            (&four(0) == b"XFSB").then(|| (word(8) << 32 | word(12)).checked_mul(word(4))).flatten()
        }
    };
    found.filter(|size| *size <= MOST)
}

/// Bytes of a mounted xfs by the output of `xfs_growfs -n`; `None` if there is none.
pub(crate) fn geometry(text: &str) -> Option<u64> {
    let data = text.lines().find_map(|line| line.strip_prefix("data")?.trim_start().strip_prefix('='))?;
    let word = |name: &str| -> Option<u64> {
        let word = data.split([' ', ',']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        word.parse().ok()
    };
    word("bsize")?.checked_mul(word("blocks")?).filter(|size| *size <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_word_for_a_mounted_xfs_is_taken() {
        let text = "meta-data=/dev/mapper/luks-volkube isize=512    agcount=4, agsize=131072 blks\n         =                       sectsz=512   attr=2, projid32bit=1\n\
            data     =                       bsize=4096   blocks=524288, imaxpct=25\n         =                       sunit=0      swidth=0 blks\n\
            naming   =version 2              bsize=4096   ascii-ci=0, ftype=1\nlog      =internal log           bsize=4096   blocks=16384, version=2\n";
        assert_eq!(geometry(text), Some(2 << 30));
        for wrong in ["", "data     =  bsize=4096", "data = bsize=4096 blocks=18446744073709551615,", "data = bsize=-1 blocks=1"] {
            assert_eq!(geometry(wrong), None, "{wrong}");
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!(" {byte:02x}")).collect()
    }

    #[test]
    fn mkfs_and_we_agree() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for block in ["1024", "4096"] {
            file.as_file().set_len(2198 * 4096).unwrap();
            let made = std::process::Command::new("mkfs.ext4").args(["-q", "-F", "-b", block]).arg(file.path()).status().unwrap();
            assert!(made.success());
            let text = std::process::Command::new("od").args(["-An", "-v", "-tx1", "-w2048", "-N2048"]).arg(file.path()).output().unwrap();
            let text = String::from_utf8(text.stdout).unwrap();
            assert_eq!(text.lines().count(), 1);
            assert_eq!(size(&text, Filesystem::Ext4), Some(2198 * 4096), "{block}");
            assert_eq!(size(&text, Filesystem::Xfs), None);
        }
    }

    #[test]
    fn the_inodes_that_mkfs_was_asked_for_are_found_again_within_its_rounding() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mib, asked) in [(50, 1000), (50, 5000), (600, 5000), (600, 100_000), (3000, 1001)] {
            file.as_file().set_len(mib << 20).unwrap();
            let asked_of_mkfs = asked.to_string();
            let made = std::process::Command::new("mkfs.ext4").args(["-q", "-F", "-N", &asked_of_mkfs]).arg(file.path()).status().unwrap();
            assert!(made.success());
            let text = std::process::Command::new("od").args(["-An", "-v", "-tx1", "-w2048", "-N2048"]).arg(file.path()).output().unwrap();
            let found = inodes(&String::from_utf8(text.stdout).unwrap()).unwrap();
            assert!(found.count + found.rounding >= asked && found.count < asked * 2, "{mib} MiB, {asked}: {found:?}");
        }
    }

    #[test]
    fn xfs_counts_in_blocks_of_its_size() {
        let mut bytes = vec![0; LENGTH];
        bytes[..16].copy_from_slice(b"XFSB\0\0\x10\0\0\0\0\x01\0\0\0\x02");
        assert_eq!(size(&hex(&bytes), Filesystem::Xfs), Some(((1 << 32) + 2) * 4096));
        assert_eq!(size(&hex(&bytes[..100]), Filesystem::Xfs), None, "cut");
        assert_eq!(size(&hex(&bytes), Filesystem::Ext4), None);
        assert_eq!(size("", Filesystem::Ext4), None);
        bytes[4..16].fill(0xff);
        assert_eq!(size(&hex(&bytes), Filesystem::Xfs), None, "no disk is that large");
    }

    #[test]
    fn ext4_beyond_sixteen_tebibytes() {
        let mut bytes = vec![0; LENGTH];
        for (at, word) in [(0x4, 5u32), (0x18, 2), (0x38, 0xef53), (0x60, 0x80), (0x150, 1)] {
            bytes[EXT4 + at..EXT4 + at + 4].copy_from_slice(&word.to_le_bytes());
        }
        assert_eq!(size(&hex(&bytes), Filesystem::Ext4), Some(((1 << 32) + 5) * 4096));
        bytes[EXT4 + 0x60] = 0;
        assert_eq!(size(&hex(&bytes), Filesystem::Ext4), Some(5 * 4096));
    }
}
