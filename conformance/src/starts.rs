use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Which images have been started, so that cases may be played side by side.
///
/// An image's first start compiles, and a shim that stands on containerd-shim-wasm fails where two of those meet: all
/// its shims share one lease. There is a case for that; no other case is about it.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    warm: Mutex<BTreeSet<String>>,
    order: RwLock<()>,
}

/// The right to make a container, until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "what is held is the lock; nobody reads it")]
pub(crate) enum Turn<'a> {
    /// Beside others.
    Shared(RwLockReadGuard<'a, ()>),
    /// With no other.
    Alone(RwLockWriteGuard<'a, ()>),
}

impl Starts {
    /// Waits for the right to make a container of this image.
    pub(crate) fn turn(&self, image: &str) -> Turn<'_> {
        let is_warm = || self.warm.lock().unwrap_or_else(PoisonError::into_inner).contains(image);
        if !is_warm() {
            let alone = self.order.write().unwrap_or_else(PoisonError::into_inner);
            if !is_warm() {
                self.warm.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned());
                return Turn::Alone(alone);
            }
        }
        Turn::Shared(self.order.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_of_an_image_is_alone_and_later_ones_are_not() {
        let starts = Starts::default();
        assert!(matches!(starts.turn("one"), Turn::Alone(_)), "one is cold");
        let (first, second) = (starts.turn("one"), starts.turn("one"));
        assert!(matches!((&first, &second), (Turn::Shared(_), Turn::Shared(_))), "one is warm");
        drop((first, second));
        assert!(matches!(starts.turn("two"), Turn::Alone(_)), "two is cold");
    }
}
