//! What an integer is modulo other primes than those that it is known by: exact conversions, which
//! division with rounding and the digits of key switching consist of.

mod digits;
mod division;
mod mixed_radix;

pub(crate) use digits::Digits;
pub(crate) use division::Division;
use mixed_radix::MixedRadix;
