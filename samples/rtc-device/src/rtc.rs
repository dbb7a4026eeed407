// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The device: registers, a clock and an interrupt line.

use crate::registers::Registers;
use crate::Clock;
use core::fmt;

/// The output `RTCINTR`, a level-sensitive interrupt line.
///
/// Every `FnMut(bool)` is an interrupt line.
pub trait InterruptLine {
    /// Called whenever the level changes. The line starts deasserted.
    fn set_level(&mut self, asserted: bool);
}

impl<F: FnMut(bool)> InterruptLine for F {
    fn set_level(&mut self, asserted: bool) {
        self(asserted);
    }
}

/// A guest's access that the device does not support.
///
/// It has no effect, and a read returns zeros, as on hardware. The error is there to be logged or
/// counted; it must not stop the virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// The access is not 4 bytes wide.
    UnsupportedWidth {
        /// Width of the access.
        bytes: usize,
    },
    /// No register starts at this offset.
    NoRegister {
        /// Offset from the start of the device.
        offset: u64,
    },
    /// A write to a register that is only read.
    ReadOnly {
        /// Offset from the start of the device.
        offset: u64,
    },
    /// A read of a register that is only written.
    WriteOnly {
        /// Offset from the start of the device.
        offset: u64,
    },
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedWidth { bytes } => write!(f, "access of {bytes} bytes, 4 expected"),
            Self::NoRegister { offset } => write!(f, "no register at offset {offset:#x}"),
            Self::ReadOnly { offset } => write!(f, "write to read-only register {offset:#x}"),
            Self::WriteOnly { offset } => write!(f, "read of write-only register {offset:#x}"),
        }
    }
}

impl core::error::Error for AccessError {}

/// A PL031 real-time clock.
///
/// The alarm is compared when the guest accesses the device and when [`poll`](Self::poll) is
/// called. A virtual machine monitor therefore arms a timer with what `poll` returns, after every
/// [`write`](Self::write), and calls `poll` again when the timer fires.
#[derive(Debug)]
pub struct Rtc<C, I> {
    clock: C,
    interrupt: I,
    asserted: bool,
    registers: Registers,
}

impl<C: Clock, I: InterruptLine> Rtc<C, I> {
    /// Creates a device as it is after a power-on reset: it counts nothing and reads 0 until the
    /// guest starts it.
    pub fn new(clock: C, interrupt: I) -> Self {
        Self::with_registers(clock, interrupt, Registers::default())
    }

    /// Creates a device that runs and shows the time of `clock`, as one with a battery does.
    ///
    /// This is what most guests expect to find.
    pub fn running(clock: C, interrupt: I) -> Self {
        let registers = Registers {
            running: true,
            ..Registers::default()
        };
        Self::with_registers(clock, interrupt, registers)
    }

    pub(crate) fn with_registers(clock: C, interrupt: I, registers: Registers) -> Self {
        let mut rtc = Self {
            clock,
            interrupt,
            asserted: false,
            registers,
        };
        rtc.advance();
        rtc.drive_interrupt();
        rtc
    }

    #[cfg(feature = "state")]
    pub(crate) fn registers(&self) -> &Registers {
        &self.registers
    }

    /// Handles a guest's read of `data.len()` bytes, `offset` bytes from the start of the device.
    ///
    /// # Errors
    ///
    /// The register or the width does not exist; `data` is then zeroed.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), AccessError> {
        data.fill(0);
        let bytes = data.len();
        let word: &mut [u8; 4] = data
            .try_into()
            .map_err(|_| AccessError::UnsupportedWidth { bytes })?;
        let now = self.advance();
        let value = self.registers.read(offset, now);
        self.drive_interrupt();
        *word = value?.to_le_bytes();
        Ok(())
    }

    /// Handles a guest's write of `data`, `offset` bytes from the start of the device.
    ///
    /// # Errors
    ///
    /// The register or the width does not exist; the write then has no effect.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), AccessError> {
        let bytes = data.len();
        let word: [u8; 4] = data
            .try_into()
            .map_err(|_| AccessError::UnsupportedWidth { bytes })?;
        let now = self.advance();
        let result = self.registers.write(offset, u32::from_le_bytes(word), now);
        self.drive_interrupt();
        result
    }

    /// Brings the interrupt line up to date, and returns the seconds until it rises.
    ///
    /// A timer of that length is never early and at most a second late. `None` means that the line
    /// cannot rise before the guest's next access.
    pub fn poll(&mut self) -> Option<u32> {
        let now = self.advance();
        self.drive_interrupt();
        self.registers.seconds_until_interrupt(now)
    }

    /// Reads the clock once and lets the registers catch up with it.
    fn advance(&mut self) -> u32 {
        let now = self.clock.seconds();
        self.registers.advance(now);
        now
    }

    fn drive_interrupt(&mut self) {
        let asserted = self.registers.interrupt_asserted();
        if asserted != self.asserted {
            self.asserted = asserted;
            self.interrupt.set_level(asserted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::{RTCCR, RTCDR, RTCICR, RTCIMSC, RTCLR, RTCMR, RTCRIS};
    use std::cell::{Cell, RefCell};
    use std::string::ToString;
    use std::vec::Vec;

    /// What a device is connected to.
    #[derive(Default)]
    struct Board {
        now: Cell<u32>,
        levels: RefCell<Vec<bool>>,
    }

    impl Board {
        fn clock(&self) -> impl Clock + '_ {
            || self.now.get()
        }

        fn line(&self) -> impl InterruptLine + '_ {
            |asserted| self.levels.borrow_mut().push(asserted)
        }
    }

    fn read(rtc: &mut Rtc<impl Clock, impl InterruptLine>, offset: u64) -> u32 {
        let mut data = [0; 4];
        rtc.read(offset, &mut data).unwrap();
        u32::from_le_bytes(data)
    }

    fn write(rtc: &mut Rtc<impl Clock, impl InterruptLine>, offset: u64, value: u32) {
        rtc.write(offset, &value.to_le_bytes()).unwrap();
    }

    #[test]
    fn a_new_device_stands_still_and_a_running_one_shows_the_time() {
        let board = Board::default();
        board.now.set(1_000);
        let mut new = Rtc::new(board.clock(), board.line());
        let mut running = Rtc::running(board.clock(), board.line());
        board.now.set(1_001);
        assert_eq!((read(&mut new, RTCDR), read(&mut new, RTCCR)), (0, 0));
        assert_eq!(
            (read(&mut running, RTCDR), read(&mut running, RTCCR)),
            (1_001, 1)
        );
    }

    #[test]
    fn the_line_is_told_about_changes_only() {
        let board = Board::default();
        let mut rtc = Rtc::running(board.clock(), board.line());
        write(&mut rtc, RTCMR, 5);
        write(&mut rtc, RTCIMSC, 1);
        assert_eq!(rtc.poll(), Some(5));
        assert_eq!(*board.levels.borrow(), []);

        board.now.set(5);
        assert_eq!(rtc.poll(), None);
        assert_eq!(rtc.poll(), None);
        assert_eq!(*board.levels.borrow(), [true]);

        write(&mut rtc, RTCICR, 1);
        write(&mut rtc, RTCICR, 1);
        assert_eq!(*board.levels.borrow(), [true, false]);
    }

    #[test]
    fn any_access_notices_that_the_alarm_is_due() {
        let board = Board::default();
        let mut rtc = Rtc::running(board.clock(), board.line());
        write(&mut rtc, RTCMR, 5);
        write(&mut rtc, RTCIMSC, 1);
        board.now.set(8);
        assert_eq!(read(&mut rtc, RTCRIS), 1);
        assert_eq!(*board.levels.borrow(), [true]);
    }

    #[test]
    fn a_late_load_does_not_swallow_the_alarm_before_it() {
        let board = Board::default();
        let mut rtc = Rtc::running(board.clock(), board.line());
        write(&mut rtc, RTCMR, 5);
        board.now.set(8);
        write(&mut rtc, RTCLR, 100);
        assert_eq!(read(&mut rtc, RTCRIS), 1);
    }

    #[test]
    fn words_are_little_endian() {
        let board = Board::default();
        let mut rtc = Rtc::running(board.clock(), board.line());
        rtc.write(RTCLR, &[0x44, 0x33, 0x22, 0x11]).unwrap();
        assert_eq!(read(&mut rtc, RTCLR), 0x1122_3344);
    }

    #[test]
    fn a_refused_read_returns_zeros() {
        let board = Board::default();
        let mut rtc = Rtc::running(board.clock(), board.line());
        let mut word = [0xFF; 4];
        rtc.read(RTCICR, &mut word).unwrap_err();
        assert_eq!(word, [0; 4]);

        let mut half_word = [0xFF; 2];
        let error = AccessError::UnsupportedWidth { bytes: 2 };
        assert_eq!(rtc.read(RTCLR, &mut half_word), Err(error));
        assert_eq!(half_word, [0; 2]);
    }

    #[test]
    fn a_refused_write_changes_nothing() {
        let board = Board::default();
        let mut rtc = Rtc::running(board.clock(), board.line());
        let error = AccessError::UnsupportedWidth { bytes: 8 };
        assert_eq!(rtc.write(RTCLR, &[1; 8]), Err(error));
        let error = AccessError::ReadOnly { offset: RTCDR };
        assert_eq!(rtc.write(RTCDR, &[1; 4]), Err(error));
        assert_eq!(read(&mut rtc, RTCDR), 0);
    }

    #[test]
    fn errors_name_the_access() {
        let offset = 0x1C;
        let messages = [
            AccessError::UnsupportedWidth { bytes: 2 },
            AccessError::NoRegister { offset },
            AccessError::ReadOnly { offset },
            AccessError::WriteOnly { offset },
        ]
        .map(|error| error.to_string());
        let expected = [
            "access of 2 bytes, 4 expected",
            "no register at offset 0x1c",
            "write to read-only register 0x1c",
            "read of write-only register 0x1c",
        ];
        assert_eq!(messages, expected);
    }
}
