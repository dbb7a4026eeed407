// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What every exit to the monitor costs, and a whole alarm.

use criterion::{criterion_group, criterion_main, Criterion};
use rtc_device::registers::{RTCDR, RTCICR, RTCIMSC, RTCMR};
use rtc_device::Rtc;
use std::cell::Cell;
use std::hint::black_box;

fn read_the_time(c: &mut Criterion) {
    let mut rtc = Rtc::running(|| black_box(1_000), |_| {});
    c.bench_function("read_the_time", |b| {
        b.iter(|| {
            let mut data = [0; 4];
            rtc.read(black_box(RTCDR), &mut data).unwrap();
            data
        })
    });
}

fn set_raise_and_clear_an_alarm(c: &mut Criterion) {
    let now = Cell::new(0_u32);
    let line = Cell::new(false);
    let mut rtc = Rtc::running(|| now.get(), |asserted| line.set(asserted));
    rtc.write(RTCIMSC, &1_u32.to_le_bytes()).unwrap();
    c.bench_function("set_raise_and_clear_an_alarm", |b| {
        b.iter(|| {
            let alarm = now.get().wrapping_add(1);
            rtc.write(RTCMR, &alarm.to_le_bytes()).unwrap();
            now.set(alarm);
            rtc.poll();
            assert!(line.get());
            rtc.write(RTCICR, &1_u32.to_le_bytes()).unwrap();
        })
    });
}

#[cfg(feature = "state")]
fn save_and_restore(c: &mut Criterion) {
    use rtc_device::RtcState;

    let rtc = Rtc::running(|| 1_000, |_| {});
    c.bench_function("save_and_restore", |b| {
        b.iter(|| {
            let bytes = black_box(rtc.state().to_bytes());
            let state = RtcState::from_bytes(&bytes).unwrap();
            Rtc::restore(|| 1_000, |_| {}, &state)
        })
    });
}

fn all(c: &mut Criterion) {
    read_the_time(c);
    set_raise_and_clear_an_alarm(c);
    #[cfg(feature = "state")]
    save_and_restore(c);
}

criterion_group!(benches, all);
criterion_main!(benches);
