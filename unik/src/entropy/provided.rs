//! The generator given to cryptography that draws by itself, through the `getrandom` crate. It makes keys, and gets no numbers
//! that could be guessed.

use super::Shared;
use unik_kernel::random::{self, Source};

impl Source for Shared {
    fn fill(&self, bytes: &mut [u8]) -> bool {
        let is_strong = !self.seeded.borrow().is_weak();
        if is_strong {
            Shared::fill(self, bytes);
        }
        is_strong
    }
}

/// Gives it.
pub(super) fn provide(shared: &'static Shared) {
    random::provide(shared);
}
