//! Flat arrays that are walked at random: on huge pages, where the system has them.
//!
//! What always holds: an array begins at a page, is zero where nothing was written, and never grows.

use crate::error::VectorError;
use bytemuck::Pod;
use memmap2::{Advice, MmapMut};
use std::marker::PhantomData;

/// A flat array of numbers in memory of its own. Transparent huge pages are asked for; a miss of the TLB costs as much
/// as a miss of the cache, and a walk through a graph has one at each step.
pub struct Array<T> {
    map: Option<MmapMut>,
    of: PhantomData<T>,
}

impl<T: Pod> Array<T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`VectorError::Memory`].
    pub fn zeroed(len: usize) -> Result<Self, VectorError> {
        let bytes = len.checked_mul(size_of::<T>());
        let refused =
            |reason: String| VectorError::Memory { bytes: bytes.unwrap_or(usize::MAX) as u64, reason };
        let Some(wanted) = bytes else { return Err(refused("it is more than there are addresses".into())) };
        if wanted == 0 {
            return Ok(Self { map: None, of: PhantomData });
        }
        let map = MmapMut::map_anon(wanted).map_err(|error| refused(error.to_string()))?;
        // Where there are no huge pages, small ones do it.
        let _ = map.advise(Advice::HugePage);
        Ok(Self { map: Some(map), of: PhantomData })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len())
    }

    /// The numbers.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        // A map begins at a page and has whole numbers, so the cast gives all of them.
        self.map.as_ref().map_or(&[], |map| bytemuck::cast_slice(map))
    }

    /// The numbers, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.map.as_mut().map_or(&mut [], |map| bytemuck::cast_slice_mut(map))
    }
}

/// Asks for the cache line of an element that will be read soon. Out of bounds is no error, and does nothing.
#[inline]
pub fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(at) = slice.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads nothing that the program sees, and the address is that of an element.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}
