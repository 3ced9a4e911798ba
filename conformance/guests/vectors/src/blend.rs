//! Blending pictures: bytes of many lanes, as SIMD has them.

const PIXELS: usize = 1 << 20;

/// Blends `pictures` of a million bytes each into one, the `n`th with a weight of its own, and gives a checksum.
#[must_use]
pub fn blend(pictures: u32) -> u64 {
    let mut canvas = vec![0_u8; PIXELS];
    let sources: Vec<Vec<u8>> = (0..4_usize).map(pattern).collect();
    for (number, source) in (0..pictures).zip(sources.iter().cycle()) {
        mix(&mut canvas, source, (number % 255) as u8);
    }
    canvas.iter().fold(0, |sum, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

fn pattern(seed: usize) -> Vec<u8> {
    (0..PIXELS).map(|place| (place.wrapping_mul(2 * seed + 7) >> 3) as u8).collect()
}

/// The compiler makes vectors of this loop: on x86-64 always, for WebAssembly where it may.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn mix(canvas: &mut [u8], source: &[u8], weight: u8) {
    let (of_source, of_canvas) = (u16::from(weight), 255 - u16::from(weight));
    for (pixel, &other) in canvas.iter_mut().zip(source) {
        *pixel = ((u16::from(*pixel) * of_canvas + u16::from(other) * of_source) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_a_known_result() {
        assert_eq!(blend(0), 0, "an empty picture");
        assert_eq!(blend(9), 8_208_866_337_807_062_528);
    }
}
