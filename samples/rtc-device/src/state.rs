// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Saving a device and restoring it.

use crate::registers::Registers;
use crate::{Clock, InterruptLine, Rtc};
use core::fmt;

/// The only format so far; a new one gets a new number, and the old ones stay readable.
const VERSION: u8 = 1;

const RUNNING: u8 = 1 << 0;
const UNMASKED: u8 = 1 << 1;
const PENDING: u8 = 1 << 2;

/// Everything that a guest can tell about an [`Rtc`].
///
/// The clock goes on while a device is saved, as one with a battery does: an alarm that was due in
/// the meantime is raised by [`Rtc::restore`]. So both hosts need clocks of the same epoch, as
/// `HostClock` is.
///
/// ```
/// use rtc_device::{registers, Rtc, RtcState};
///
/// let mut saved = Rtc::running(|| 100, |_| {});
/// saved.write(registers::RTCLR, &7_u32.to_le_bytes())?;
/// let bytes = saved.state().to_bytes();
///
/// let state = RtcState::from_bytes(&bytes)?;
/// let mut restored = Rtc::restore(|| 103, |_| {}, &state);
/// let mut data = [0; 4];
/// restored.read(registers::RTCDR, &mut data)?;
/// assert_eq!(u32::from_le_bytes(data), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcState(Registers);

/// Why bytes are not a saved device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// Not [`RtcState::SIZE_BYTES`] long.
    WrongSize {
        /// Length of what was given.
        bytes: usize,
    },
    /// Saved by a version of this crate that is newer than this one.
    UnknownVersion {
        /// Version of the format.
        version: u8,
    },
    /// A bit that has no meaning is set.
    UnknownFlags {
        /// All the flags.
        flags: u8,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongSize { bytes } => {
                write!(
                    f,
                    "state of {bytes} bytes, {} expected",
                    RtcState::SIZE_BYTES
                )
            }
            Self::UnknownVersion { version } => write!(f, "state has unknown version {version}"),
            Self::UnknownFlags { flags } => write!(f, "state has unknown flags {flags:#010b}"),
        }
    }
}

impl core::error::Error for StateError {}

impl RtcState {
    /// Length of a saved device.
    pub const SIZE_BYTES: usize = 18;

    /// The saved form: version, flags, then four words in little-endian order.
    pub fn to_bytes(&self) -> [u8; Self::SIZE_BYTES] {
        let registers = &self.0;
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let words = [
            registers.base,
            registers.compared,
            registers.match_value,
            registers.load_value,
        ];

        let mut bytes = [0; Self::SIZE_BYTES];
        bytes[0] = VERSION;
        bytes[1] = flag(registers.running, RUNNING)
            | flag(registers.unmasked, UNMASKED)
            | flag(registers.pending, PENDING);
        for (place, word) in bytes[2..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the saved form.
    ///
    /// # Errors
    ///
    /// The bytes do not come from [`to_bytes`](Self::to_bytes), or from a newer one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let wrong_size = StateError::WrongSize { bytes: bytes.len() };
        let bytes: &[u8; Self::SIZE_BYTES] = bytes.try_into().map_err(|_| wrong_size)?;
        let [version, flags, ..] = *bytes;
        if version != VERSION {
            return Err(StateError::UnknownVersion { version });
        }
        if flags & !(RUNNING | UNMASKED | PENDING) != 0 {
            return Err(StateError::UnknownFlags { flags });
        }

        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Ok(Self(Registers {
            running: flags & RUNNING != 0,
            unmasked: flags & UNMASKED != 0,
            pending: flags & PENDING != 0,
            base: word(2),
            compared: word(6),
            match_value: word(10),
            load_value: word(14),
        }))
    }
}

impl<C: Clock, I: InterruptLine> Rtc<C, I> {
    /// The state of the device, to be saved.
    pub fn state(&self) -> RtcState {
        RtcState(self.registers().clone())
    }

    /// Creates a device from a saved one, and asserts `interrupt` if an alarm is pending.
    pub fn restore(clock: C, interrupt: I, state: &RtcState) -> Self {
        Self::with_registers(clock, interrupt, state.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::{RTCDR, RTCIMSC, RTCLR, RTCMR};
    use std::cell::Cell;
    use std::string::ToString;

    fn with_alarm_at_110() -> RtcState {
        let mut rtc = Rtc::running(|| 100, |_| {});
        rtc.write(RTCMR, &110_u32.to_le_bytes()).unwrap();
        rtc.write(RTCIMSC, &1_u32.to_le_bytes()).unwrap();
        rtc.state()
    }

    #[test]
    fn the_saved_form_is_stable() {
        let state = RtcState(Registers {
            running: true,
            unmasked: false,
            pending: true,
            base: 0x0403_0201,
            compared: 0x0807_0605,
            match_value: 0x0C0B_0A09,
            load_value: 0x100F_0E0D,
        });
        let bytes = [1, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(state.to_bytes(), bytes);
        assert_eq!(RtcState::from_bytes(&bytes), Ok(state));
    }

    #[test]
    fn an_alarm_that_was_due_in_the_meantime_is_raised_on_restore() {
        let line = Cell::new(false);
        let mut early = Rtc::restore(|| 109, |asserted| line.set(asserted), &with_alarm_at_110());
        assert_eq!(early.poll(), Some(1));
        assert!(!line.get());

        Rtc::restore(|| 500, |asserted| line.set(asserted), &with_alarm_at_110());
        assert!(line.get());
    }

    #[test]
    fn a_host_whose_clock_is_behind_raises_nothing() {
        let line = Cell::new(false);
        let mut rtc = Rtc::restore(|| 90, |asserted| line.set(asserted), &with_alarm_at_110());
        assert_eq!(rtc.poll(), Some(20));
        assert!(!line.get());
    }

    #[test]
    fn a_stopped_device_stays_as_it_was() {
        let mut rtc = Rtc::new(|| 100, |_| {});
        rtc.write(RTCLR, &42_u32.to_le_bytes()).unwrap();
        let mut restored = Rtc::restore(|| 900, |_| {}, &rtc.state());
        let mut data = [0; 4];
        restored.read(RTCDR, &mut data).unwrap();
        assert_eq!(data, 42_u32.to_le_bytes());
        assert_eq!(restored.state(), rtc.state());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = with_alarm_at_110().to_bytes();
        assert_eq!(
            RtcState::from_bytes(&bytes[1..]),
            Err(StateError::WrongSize { bytes: 17 })
        );

        let mut newer = bytes;
        newer[0] = 2;
        assert_eq!(
            RtcState::from_bytes(&newer),
            Err(StateError::UnknownVersion { version: 2 })
        );

        let mut damaged = bytes;
        damaged[1] |= 1 << 3;
        assert_eq!(
            RtcState::from_bytes(&damaged),
            Err(StateError::UnknownFlags { flags: 0b1011 })
        );
    }

    #[test]
    fn errors_say_what_was_found() {
        let messages = [
            StateError::WrongSize { bytes: 17 },
            StateError::UnknownVersion { version: 2 },
            StateError::UnknownFlags { flags: 0b1011 },
        ]
        .map(|error| error.to_string());
        let expected = [
            "state of 17 bytes, 18 expected",
            "state has unknown version 2",
            "state has unknown flags 0b00001011",
        ];
        assert_eq!(messages, expected);
    }
}
