//! Pure. A short name for a long text: the same on every machine and with every version of ours.

/// FNV-1a with 64 bits, as 16 hexadecimal digits. Good for names of files; whoever needs to be sure
/// compares the text too. <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(crate) fn fingerprint(text: &[u8]) -> String {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash =
        text.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_the_algorithms_authors() {
        assert_eq!(fingerprint(b""), "cbf29ce484222325");
        assert_eq!(fingerprint(b"a"), "af63dc4c8601ec8c");
        assert_eq!(fingerprint(b"foobar"), "85944171f73967e8");
    }
}
