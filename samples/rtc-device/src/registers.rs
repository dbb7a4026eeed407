// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Offsets of the registers, under the names of the reference manual.
//!
//! | register | access | width | after reset |
//! |---|---|---|---|
//! | [`RTCDR`] | read | 32 | 0 |
//! | [`RTCMR`] | read, write | 32 | 0 |
//! | [`RTCLR`] | read, write | 32 | 0 |
//! | [`RTCCR`] | read, write | 1 | 0 |
//! | [`RTCIMSC`] | read, write | 1 | 0 |
//! | [`RTCRIS`] | read | 1 | 0 |
//! | [`RTCMIS`] | read | 1 | 0 |
//! | [`RTCICR`] | write | 1 | |
//! | [`RTCPERIPHID0`] and the three after it | read | 8 | `0x31`, `0x10`, `0x04`, `0x00` |
//! | [`RTCPCELLID0`] and the three after it | read | 8 | `0x0D`, `0xF0`, `0x05`, `0xB1` |
//!
//! All are accessed as aligned 32-bit words.

use crate::AccessError;

/// Data register: the current count of seconds.
pub const RTCDR: u64 = 0x000;
/// Match register: the count at which the alarm is due.
pub const RTCMR: u64 = 0x004;
/// Load register: a write sets the count, a read returns what was written last.
pub const RTCLR: u64 = 0x008;
/// Control register: 1 starts the clock, for good.
pub const RTCCR: u64 = 0x00C;
/// Interrupt mask set or clear register: 1 lets the alarm reach the interrupt line.
pub const RTCIMSC: u64 = 0x010;
/// Raw interrupt status register: 1 when an alarm is pending.
pub const RTCRIS: u64 = 0x014;
/// Masked interrupt status register: 1 when the interrupt line is asserted.
pub const RTCMIS: u64 = 0x018;
/// Interrupt clear register: a write of 1 clears the pending alarm.
pub const RTCICR: u64 = 0x01C;
/// First of the four peripheral identification registers, one byte in each.
pub const RTCPERIPHID0: u64 = 0xFE0;
/// First of the four PrimeCell identification registers, one byte in each.
pub const RTCPCELLID0: u64 = 0xFF0;

/// Size of the device's MMIO region in bytes.
pub const SIZE_BYTES: u64 = 0x1000;

/// What the identification registers hold, from `RTCPERIPHID0` on.
const IDENTIFICATION: [u8; 8] = [0x31, 0x10, 0x04, 0x00, 0x0D, 0xF0, 0x05, 0xB1];

const BIT_0: u32 = 1;

/// The registers and what they do. The time comes in as an argument, so that nothing here depends
/// on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    pub(crate) running: bool,
    /// What to add to the clock for the count or, as long as the clock does not run, the count.
    pub(crate) base: u32,
    /// The last count that was compared with the match value.
    pub(crate) compared: u32,
    pub(crate) match_value: u32,
    pub(crate) load_value: u32,
    pub(crate) unmasked: bool,
    pub(crate) pending: bool,
}

impl Registers {
    pub(crate) fn read(&self, offset: u64, now: u32) -> Result<u32, AccessError> {
        match offset {
            RTCDR => Ok(self.count(now)),
            RTCMR => Ok(self.match_value),
            RTCLR => Ok(self.load_value),
            RTCCR => Ok(self.running.into()),
            RTCIMSC => Ok(self.unmasked.into()),
            RTCRIS => Ok(self.pending.into()),
            RTCMIS => Ok(self.interrupt_asserted().into()),
            RTCICR => Err(AccessError::WriteOnly { offset }),
            _ => identification(offset).ok_or(AccessError::NoRegister { offset }),
        }
    }

    pub(crate) fn write(&mut self, offset: u64, value: u32, now: u32) -> Result<(), AccessError> {
        match offset {
            RTCMR => self.set_match(value, now),
            RTCLR => self.load(value, now),
            // Issue B of the manual ignores every write to a clock that runs. Issue C only says
            // that such a write would reset the count; but Linux does it whenever it probes the
            // device, and has to find the time afterwards.
            RTCCR if value & BIT_0 != 0 => self.start(now),
            RTCCR => {}
            RTCIMSC => self.unmasked = value & BIT_0 != 0,
            // The overview of the manual has any value clear the interrupt, the description of the
            // register only a 1. No guest is known to rely on the former.
            RTCICR => self.pending &= value & BIT_0 == 0,
            RTCDR | RTCRIS | RTCMIS => return Err(AccessError::ReadOnly { offset }),
            _ if identification(offset).is_some() => return Err(AccessError::ReadOnly { offset }),
            _ => return Err(AccessError::NoRegister { offset }),
        }
        Ok(())
    }

    /// Compares every count since the last call, so that no alarm is lost between two accesses.
    pub(crate) fn advance(&mut self, now: u32) {
        let count = self.count(now);
        let elapsed = count.wrapping_sub(self.compared);
        let until_match = self.match_value.wrapping_sub(self.compared);
        // More than half the range is not 68 years gone by, but a clock that was set back.
        let set_back = elapsed > u32::MAX / 2;
        if !set_back && (1..=elapsed).contains(&until_match) {
            self.pending = true;
        }
        self.compared = count;
    }

    /// The level of the output `RTCINTR`.
    pub(crate) fn interrupt_asserted(&self) -> bool {
        self.pending && self.unmasked
    }

    /// Seconds until the interrupt line will rise, if it will.
    pub(crate) fn seconds_until_interrupt(&self, now: u32) -> Option<u32> {
        let seconds = self.match_value.wrapping_sub(self.count(now));
        // Zero: the alarm of this second was cleared already. The next is 136 years away.
        (self.running && self.unmasked && !self.pending && seconds != 0).then_some(seconds)
    }

    fn count(&self, now: u32) -> u32 {
        if self.running {
            now.wrapping_add(self.base)
        } else {
            self.base
        }
    }

    fn start(&mut self, now: u32) {
        if !self.running {
            self.base = self.base.wrapping_sub(now);
            self.running = true;
        }
    }

    fn load(&mut self, value: u32, now: u32) {
        self.load_value = value;
        self.base = if self.running {
            value.wrapping_sub(now)
        } else {
            value
        };
        self.compared = value;
        self.compare(value);
    }

    fn set_match(&mut self, value: u32, now: u32) {
        self.match_value = value;
        self.compare(self.count(now));
    }

    /// A clock that stands still does not compare: after a reset count and match value are equal,
    /// and no interrupt is pending.
    fn compare(&mut self, count: u32) {
        self.pending |= self.running && count == self.match_value;
    }
}

fn identification(offset: u64) -> Option<u32> {
    let distance = offset.checked_sub(RTCPERIPHID0)?;
    let index = usize::try_from(distance / 4).ok()?;
    let byte = IDENTIFICATION.get(index)?;
    (distance % 4 == 0).then_some(u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that was started when it read `now`, loaded with `count`.
    fn started(count: u32, now: u32) -> Registers {
        let mut registers = Registers::default();
        registers.write(RTCCR, 1, now).unwrap();
        registers.write(RTCLR, count, now).unwrap();
        registers
    }

    #[test]
    fn after_a_reset_every_register_has_the_value_of_the_manual() {
        let registers = Registers::default();
        for offset in [RTCDR, RTCMR, RTCLR, RTCCR, RTCIMSC, RTCRIS, RTCMIS] {
            assert_eq!(registers.read(offset, 77), Ok(0), "{offset:#x}");
        }
        let identification = [0x31, 0x10, 0x04, 0x00, 0x0D, 0xF0, 0x05, 0xB1];
        for (offset, value) in (0xFE0..0x1000).step_by(4).zip(identification) {
            assert_eq!(registers.read(offset, 77), Ok(value), "{offset:#x}");
        }
    }

    #[test]
    fn the_count_stands_still_until_the_clock_is_started() {
        let mut registers = Registers::default();
        registers.write(RTCLR, 500, 10).unwrap();
        registers.write(RTCCR, 0, 15).unwrap();
        assert_eq!(registers.read(RTCDR, 20), Ok(500));
        assert_eq!(registers.read(RTCCR, 20), Ok(0));

        registers.write(RTCCR, 1, 20).unwrap();
        assert_eq!(registers.read(RTCDR, 23), Ok(503));
        assert_eq!(registers.read(RTCCR, 23), Ok(1));
    }

    #[test]
    fn a_running_clock_ignores_writes_to_the_control_register() {
        let mut registers = started(100, 0);
        registers.write(RTCCR, 0, 5).unwrap();
        registers.write(RTCCR, 1, 6).unwrap();
        assert_eq!(registers.read(RTCCR, 7), Ok(1));
        assert_eq!(registers.read(RTCDR, 7), Ok(107));
    }

    #[test]
    fn the_load_register_sets_the_count_and_reads_back_what_was_written() {
        let registers = started(100, 40);
        assert_eq!(registers.read(RTCDR, 42), Ok(102));
        assert_eq!(registers.read(RTCLR, 42), Ok(100));
    }

    #[test]
    fn an_alarm_is_found_however_late_somebody_looks() {
        let mut registers = started(100, 0);
        registers.write(RTCMR, 103, 0).unwrap();
        registers.advance(2);
        assert_eq!(registers.read(RTCRIS, 2), Ok(0));
        registers.advance(90);
        assert_eq!(registers.read(RTCRIS, 90), Ok(1));
    }

    #[test]
    fn an_alarm_in_the_past_is_not_due() {
        let mut registers = started(100, 0);
        registers.write(RTCMR, 99, 0).unwrap();
        registers.advance(1_000);
        assert!(!registers.pending);
    }

    #[test]
    fn an_alarm_for_this_very_second_is_due_at_once() {
        let mut registers = started(100, 0);
        registers.write(RTCMR, 103, 3).unwrap();
        assert!(registers.pending);
    }

    #[test]
    fn loading_the_match_value_is_a_match_and_loading_past_it_is_not() {
        let mut registers = started(100, 0);
        registers.write(RTCMR, 200, 0).unwrap();
        registers.write(RTCLR, 300, 0).unwrap();
        registers.advance(1);
        assert!(!registers.pending);
        registers.write(RTCLR, 200, 1).unwrap();
        assert!(registers.pending);
    }

    #[test]
    fn the_count_wraps_and_the_alarm_with_it() {
        let mut registers = started(u32::MAX, 0);
        registers.write(RTCMR, 1, 0).unwrap();
        registers.write(RTCIMSC, 1, 0).unwrap();
        assert_eq!(registers.seconds_until_interrupt(0), Some(2));
        assert_eq!(registers.read(RTCDR, 1), Ok(0));
        registers.advance(2);
        assert!(registers.interrupt_asserted());
    }

    #[test]
    fn a_clock_that_is_set_back_raises_nothing_until_it_gets_there_again() {
        let mut registers = started(100, 1_000);
        registers.write(RTCMR, 95, 1_000).unwrap();
        registers.advance(990);
        assert_eq!(registers.read(RTCDR, 990), Ok(90));
        assert!(!registers.pending);
        registers.advance(995);
        assert!(registers.pending);
    }

    #[test]
    fn the_mask_hides_the_alarm_and_does_not_forget_it() {
        let mut registers = started(100, 0);
        registers.write(RTCMR, 100, 0).unwrap();
        assert_eq!(registers.read(RTCRIS, 0), Ok(1));
        assert_eq!(registers.read(RTCMIS, 0), Ok(0));

        registers.write(RTCIMSC, 1, 0).unwrap();
        assert_eq!(registers.read(RTCIMSC, 0), Ok(1));
        assert_eq!(registers.read(RTCMIS, 0), Ok(1));

        registers.write(RTCIMSC, 0, 0).unwrap();
        assert_eq!(registers.read(RTCMIS, 0), Ok(0));
    }

    #[test]
    fn only_bit_0_clears_the_alarm() {
        let mut registers = started(100, 0);
        registers.write(RTCMR, 100, 0).unwrap();
        registers.write(RTCICR, 0xFFFF_FFFE, 0).unwrap();
        assert!(registers.pending);
        registers.write(RTCICR, 1, 0).unwrap();
        assert!(!registers.pending);
    }

    #[test]
    fn a_clock_that_stands_still_raises_nothing() {
        let mut registers = Registers::default();
        registers.write(RTCMR, 0, 0).unwrap();
        registers.write(RTCLR, 0, 0).unwrap();
        registers.write(RTCCR, 1, 0).unwrap();
        assert!(!registers.pending);
    }

    #[test]
    fn only_bit_0_unmasks_the_alarm() {
        let mut registers = Registers::default();
        registers.write(RTCIMSC, 0xFFFF_FFFE, 0).unwrap();
        assert_eq!(registers.read(RTCIMSC, 0), Ok(0));
    }

    #[test]
    fn nothing_is_due_when_the_interrupt_cannot_rise() {
        let mut registers = Registers::default();
        registers.write(RTCMR, 60, 0).unwrap();
        registers.write(RTCIMSC, 1, 0).unwrap();
        assert_eq!(registers.seconds_until_interrupt(0), None, "stopped");
        registers.write(RTCCR, 1, 0).unwrap();
        assert_eq!(registers.seconds_until_interrupt(20), Some(40));

        registers.write(RTCIMSC, 0, 20).unwrap();
        assert_eq!(registers.seconds_until_interrupt(20), None, "masked");
        registers.write(RTCIMSC, 1, 20).unwrap();

        registers.advance(60);
        registers.write(RTCMR, 90, 60).unwrap();
        assert_eq!(registers.seconds_until_interrupt(60), None, "pending");
        registers.write(RTCICR, 1, 60).unwrap();
        assert_eq!(registers.seconds_until_interrupt(60), Some(30));

        registers.advance(90);
        registers.write(RTCICR, 1, 90).unwrap();
        assert_eq!(registers.seconds_until_interrupt(90), None, "cleared");
    }

    #[test]
    fn an_access_that_the_manual_does_not_allow_is_reported() {
        let mut registers = Registers::default();
        let untouched = registers.clone();

        let offset = RTCICR;
        assert_eq!(
            registers.read(offset, 0),
            Err(AccessError::WriteOnly { offset })
        );
        for offset in [RTCDR, RTCRIS, RTCMIS, RTCPERIPHID0, RTCPCELLID0 + 12] {
            let refused = Err(AccessError::ReadOnly { offset });
            assert_eq!(registers.write(offset, 1, 0), refused);
        }
        for offset in [0x002, 0x020, 0xFDC, 0xFE1, 0x1000, u64::MAX] {
            let error = AccessError::NoRegister { offset };
            assert_eq!(registers.read(offset, 0), Err(error));
            assert_eq!(registers.write(offset, 1, 0), Err(error));
        }
        assert_eq!(registers, untouched);
    }
}
