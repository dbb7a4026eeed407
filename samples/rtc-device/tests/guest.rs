// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a guest's driver does with the device, through the public interface alone.

use rtc_device::registers::*;
use rtc_device::{Clock, InterruptLine, Rtc};
use std::cell::Cell;

/// The part of a PL031 driver that talks to the device.
struct Driver<C, I> {
    device: Rtc<C, I>,
}

impl<C: Clock, I: InterruptLine> Driver<C, I> {
    /// Identifies the device the way the AMBA bus does, and starts it.
    fn probe(device: Rtc<C, I>) -> Self {
        let mut driver = Self { device };
        let mut identification =
            |first: u64| (0..4).fold(0, |id, i| id | driver.read(first + 4 * i) << (8 * i));
        assert_eq!(identification(RTCPCELLID0), 0xB105_F00D);
        // The revision, in bits 20 to 23, is not for a driver to look at.
        assert_eq!(identification(RTCPERIPHID0) & 0x000F_FFFF, 0x0004_1031);

        let control = driver.read(RTCCR);
        driver.write(RTCCR, control | 1);
        driver
    }

    fn set_alarm(&mut self, at: u32) {
        self.write(RTCMR, at);
        self.write(RTCIMSC, 1);
    }

    /// Returns whether the interrupt was the device's.
    fn handle_interrupt(&mut self) -> bool {
        let is_ours = self.read(RTCMIS) == 1;
        if is_ours {
            self.write(RTCICR, 1);
        }
        is_ours
    }

    fn read(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.device.read(offset, &mut data).expect("a register");
        u32::from_le_bytes(data)
    }

    fn write(&mut self, offset: u64, value: u32) {
        let data = value.to_le_bytes();
        self.device.write(offset, &data).expect("a register");
    }
}

#[test]
fn a_guest_boots_with_the_time_of_the_host() {
    let mut driver = Driver::probe(Rtc::running(|| 1_700_000_000, |_| {}));
    assert_eq!(driver.read(RTCDR), 1_700_000_000);
}

#[test]
fn a_guest_that_keeps_its_own_time_is_not_disturbed_by_a_second_probe() {
    let now = Cell::new(1_700_000_000);
    let mut driver = Driver::probe(Rtc::new(|| now.get(), |_| {}));
    driver.write(RTCLR, 86_400);
    now.set(now.get() + 60);
    let mut driver = Driver::probe(driver.device);
    assert_eq!(driver.read(RTCDR), 86_460);
}

#[test]
fn an_alarm_wakes_an_idle_guest() {
    let now = Cell::new(1_000);
    let line = Cell::new(false);
    let device = Rtc::running(|| now.get(), |asserted| line.set(asserted));
    let mut driver = Driver::probe(device);

    driver.set_alarm(1_030);
    let timer = driver.device.poll().expect("an alarm to wait for");
    assert!(!line.get());

    now.set(now.get() + timer);
    assert_eq!(driver.device.poll(), None);
    assert!(line.get());

    assert!(driver.handle_interrupt());
    assert!(!line.get());
    assert!(!driver.handle_interrupt());

    driver.set_alarm(1_031);
    assert_eq!(driver.device.poll(), Some(1));
}

#[cfg(feature = "std-clock")]
#[test]
fn the_clock_of_the_host_can_be_asked_directly() {
    use rtc_device::HostClock;

    let before = HostClock.seconds();
    let mut driver = Driver::probe(Rtc::running(HostClock, |_| {}));
    let shown = driver.read(RTCDR);
    let after = HostClock.seconds();
    assert!((before..=after).contains(&shown));
}

#[cfg(feature = "state")]
#[test]
fn a_guest_that_migrates_keeps_its_alarm() {
    use rtc_device::RtcState;

    let mut source = Driver::probe(Rtc::running(|| 1_000, |_| {}));
    source.write(RTCLR, 50);
    source.set_alarm(70);
    let bytes = source.device.state().to_bytes();

    let now = Cell::new(1_012);
    let line = Cell::new(false);
    let state = RtcState::from_bytes(&bytes).expect("what was just saved");
    let device = Rtc::restore(|| now.get(), |asserted| line.set(asserted), &state);
    let mut destination = Driver::probe(device);
    assert_eq!(destination.read(RTCDR), 62);
    assert_eq!(destination.device.poll(), Some(8));

    now.set(1_020);
    assert_eq!(destination.device.poll(), None);
    assert!(line.get());
}
