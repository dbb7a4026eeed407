// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Where the device takes the time from.

/// The 1 Hz input of the device.
///
/// Every `Fn() -> u32` is a clock.
pub trait Clock {
    /// Seconds since an epoch of the clock's own choosing, modulo 2³².
    ///
    /// A clock may be set, like any clock on a wall. Forwards, the device takes the seconds for
    /// elapsed, and an alarm among them is due. Backwards, nothing elapsed.
    fn seconds(&self) -> u32;
}

impl<F: Fn() -> u32> Clock for F {
    fn seconds(&self) -> u32 {
        self()
    }
}

#[cfg(feature = "std-clock")]
pub use host::HostClock;

#[cfg(feature = "std-clock")]
mod host {
    use super::Clock;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// The time of the host, in seconds since 1970.
    ///
    /// It is the wall clock, not a monotonic one, because that is what a guest expects of an RTC:
    /// time that the host spent suspended has passed in the guest too.
    ///
    /// ```
    /// use rtc_device::{Clock, HostClock};
    ///
    /// let year_2020 = 1_577_836_800;
    /// assert!(HostClock.seconds() > year_2020);
    /// ```
    #[derive(Clone, Copy, Debug, Default)]
    pub struct HostClock;

    impl Clock for HostClock {
        fn seconds(&self) -> u32 {
            unix_seconds(SystemTime::now())
        }
    }

    fn unix_seconds(time: SystemTime) -> u32 {
        // A host without a battery may wake up before 1970; that is not worth failing for.
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Wraps in 2106, as the hardware does.
        since_epoch.as_secs() as u32
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::time::Duration;

        #[test]
        fn whole_seconds_are_counted_from_1970() {
            let time = UNIX_EPOCH + Duration::from_millis(1_999);
            assert_eq!(unix_seconds(time), 1);
        }

        #[test]
        fn a_time_before_1970_reads_as_1970() {
            let time = UNIX_EPOCH - Duration::from_secs(1);
            assert_eq!(unix_seconds(time), 0);
        }

        #[test]
        fn the_count_wraps_in_2106() {
            let time = UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) + 8);
            assert_eq!(unix_seconds(time), 7);
        }
    }
}
