// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A virtual PL031 real-time clock.
//!
//! The [PL031](https://developer.arm.com/documentation/ddi0224/c) counts seconds and raises an
//! interrupt when the count reaches a match value. [`Rtc`] is its register interface, to be put on
//! the MMIO bus of a virtual machine. It asks a [`Clock`] for the time and drives an
//! [`InterruptLine`]; closures serve as both.
//!
//! # Example
//!
//! A guest sets an alarm that is due in ten seconds:
//!
//! ```
//! use rtc_device::{registers, Rtc};
//! use std::cell::Cell;
//!
//! let now = Cell::new(1_000);
//! let line = Cell::new(false);
//! let mut rtc = Rtc::running(|| now.get(), |asserted| line.set(asserted));
//!
//! rtc.write(registers::RTCMR, &1_010_u32.to_le_bytes())?;
//! rtc.write(registers::RTCIMSC, &1_u32.to_le_bytes())?;
//! assert_eq!(rtc.poll(), Some(10));
//!
//! now.set(1_010);
//! assert_eq!(rtc.poll(), None);
//! assert!(line.get());
//! # Ok::<(), rtc_device::AccessError>(())
//! ```
//!
//! # Features
//!
//! - `std-clock` (default): `HostClock`, the time of the host. Without it the crate is `no_std`.
//! - `state`: `RtcState`, to save a device and to restore it on another host.

#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std-clock"))]
extern crate std;

mod clock;
pub mod registers;
mod rtc;
#[cfg(feature = "state")]
mod state;

pub use clock::Clock;
#[cfg(feature = "std-clock")]
pub use clock::HostClock;
pub use rtc::{AccessError, InterruptLine, Rtc};
#[cfg(feature = "state")]
pub use state::{RtcState, StateError};

#[cfg(all(doctest, feature = "std-clock"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
