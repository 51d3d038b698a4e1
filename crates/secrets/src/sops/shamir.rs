//! Shamir's secret sharing over GF(2^8), as the key groups of sops use it: a share is one byte of y per byte of the secret, then x.

use zeroize::Zeroizing;

/// A share; wiped when dropped.
pub(crate) type Share = Zeroizing<Vec<u8>>;

/// Splits a secret into shares of which `threshold` give it back.
pub(crate) fn split(secret: &[u8], parts: usize, threshold: usize) -> Result<Vec<Share>, String> {
    let Some(last) = u8::try_from(parts).ok().filter(|_| (2..=parts).contains(&threshold)) else {
        return Err(format!("{threshold} of {parts} key groups: the threshold must be at least 2 and at most the number of groups (255)"));
    };
    let mut coefficients = Zeroizing::new(vec![0; secret.len() * (threshold - 1)]);
    getrandom::fill(&mut coefficients).map_err(|e| format!("the operating system gave no random bytes: {e}"))?;
    let share = |x: u8| {
        let polynomials = secret.iter().zip(coefficients.chunks(threshold - 1));
        let mut share: Share = Zeroizing::new(polynomials.map(|(byte, higher)| evaluate(*byte, higher, x)).collect());
        share.push(x);
        share
    };
    Ok((1..=last).map(share).collect())
}

fn evaluate(constant: u8, higher: &[u8], x: u8) -> u8 {
    multiply(higher.iter().rev().fold(0, |sum, coefficient| multiply(sum, x) ^ coefficient), x) ^ constant
}

/// Joins shares. With too few, or with shares of another secret, the result is wrong and nothing shows it: the caller's MAC does.
pub(crate) fn combine(shares: &[Share]) -> Result<Zeroizing<Vec<u8>>, String> {
    let xs: Vec<u8> = shares.iter().filter_map(|share| share.last().copied()).collect();
    let length = shares.first().map_or(0, |share| share.len());
    let distinct = xs.iter().enumerate().all(|(index, x)| *x != 0 && !xs[..index].contains(x));
    if length < 2 || xs.len() < 2 || !distinct || shares.iter().any(|share| share.len() != length) {
        return Err("the shares of the key groups do not fit each other".to_owned());
    }
    // Lagrange at 0: in this field subtraction is exclusive or.
    let weight =
        |x: u8| xs.iter().filter(|other| **other != x).fold(1, |product, other| multiply(product, multiply(*other, inverse(*other ^ x))));
    let weights: Vec<u8> = xs.iter().map(|x| weight(*x)).collect();
    let byte = |at: usize| shares.iter().zip(&weights).fold(0, |sum, (share, weight)| sum ^ multiply(share[at], *weight));
    Ok(Zeroizing::new((0..length - 1).map(byte).collect()))
}

/// Without branches or tables on secret bytes.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut product, mut a) = (0, a);
    for bit in 0..8 {
        product ^= a & 0_u8.wrapping_sub(b >> bit & 1);
        a = (a << 1) ^ (0x1b & 0_u8.wrapping_sub(a >> 7));
    }
    product
}

fn inverse(a: u8) -> u8 {
    // a^254
    (0..6).fold(multiply(a, a), |power, _| multiply(multiply(power, power), multiply(a, a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_the_specification() {
        let shares: Vec<u8> = (1..=3).map(|x| evaluate(0x66, &[0x95], x)).collect();
        assert_eq!(shares, [0xf3, 0x57, 0xc2]);
        assert!((1..=255).all(|a| multiply(a, inverse(a)) == 1));
    }

    #[test]
    fn any_threshold_of_the_shares_gives_the_secret_and_fewer_do_not() {
        let secret: Vec<u8> = (0..32).collect();
        let shares = split(&secret, 5, 3).unwrap();
        for pick in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let picked: Vec<Share> = pick.iter().map(|index| shares[*index].clone()).collect();
            assert_eq!(*combine(&picked).unwrap(), secret);
        }
        assert_ne!(*combine(&shares[..2]).unwrap(), secret);
        assert!(split(&secret, 2, 3).is_err() && split(&secret, 2, 1).is_err() && split(&secret, 256, 2).is_err());
        assert!(combine(&[shares[0].clone(), shares[0].clone()]).is_err());
    }
}
