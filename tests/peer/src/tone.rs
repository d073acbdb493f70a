//! The audio: a pure tone of whole cycles per packet, and how to hear one.

use std::f64::consts::TAU;

/// Samples of a 20 ms packet at 8 kHz.
pub(crate) const SAMPLES: usize = 160;

/// Tones are told apart at this step, in Hz: one cycle per packet.
const STEP_HZ: u16 = 50;
const LOWEST_HZ: u16 = 300;
const HIGHEST_HZ: u16 = 1200;

/// One PCMU packet of the tone, rounded to a step of 50 Hz; it repeats seamlessly.
pub(crate) fn packet(hz: u16) -> [u8; SAMPLES] {
    let step = f64::from(hz / STEP_HZ * STEP_HZ) * TAU / 8000.0;
    let mut out = [0; SAMPLES];
    let mut phase = 0.0_f64;
    for byte in &mut out {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by 8000")]
        let sample = (phase.sin() * 8000.0) as i16;
        *byte = encode(sample);
        phase += step;
    }
    out
}

/// The tone, in Hz, that holds most of the packet's energy; `None` for silence, speech or noise.
pub(crate) fn heard(payload: &[u8]) -> Option<u16> {
    if payload.len() != SAMPLES {
        return None;
    }
    let samples: Vec<f64> = payload.iter().map(|b| f64::from(decode(*b))).collect();
    let energy: f64 = samples.iter().map(|s| s * s).sum();
    if energy < 160.0 * 200.0 * 200.0 {
        return None;
    }
    (LOWEST_HZ..=HIGHEST_HZ).step_by(usize::from(STEP_HZ)).find(|hz| {
        // Goertzel: for a pure tone |X|² = energy · N / 2.
        let w = f64::from(*hz) * TAU / 8000.0;
        let factor = 2.0 * w.cos();
        let (mut s1, mut s2) = (0.0, 0.0);
        for sample in &samples {
            (s1, s2) = (sample + factor * s1 - s2, s1);
        }
        let power = s1 * s1 + s2 * s2 - factor * s1 * s2;
        power > 0.5 * energy * 80.0
    })
}

fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let exponent = 15_u16.saturating_sub(u16::try_from(magnitude.leading_zeros()).unwrap_or(0)).saturating_sub(7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | u8::try_from((exponent << 4) | mantissa).unwrap_or(0x7f))
}

fn decode(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = i16::from((byte >> 4) & 7);
    let magnitude = (((i16::from(byte & 0x0f) << 3) + 132) << exponent) - 132;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_its_own_tone_and_no_silence() {
        for hz in [300, 450, 600, 1000, 1200] {
            assert_eq!(heard(&packet(hz)), Some(hz));
        }
        assert_eq!(heard(&[0xff; SAMPLES]), None);
        assert_eq!(heard(&[0x7f; SAMPLES]), None);
    }

    #[test]
    fn pcmu_round_trip_is_close() {
        for sample in [-8000_i16, -300, 0, 5, 1000, 8000, 32_000] {
            let back = decode(encode(sample));
            assert!((i32::from(back) - i32::from(sample)).abs() <= i32::from(sample).abs() / 16 + 8);
        }
    }
}
