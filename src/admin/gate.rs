//! How many listings are put together at a time.
//!
//! Each takes memory for what it shows, and turns of the router. More of them at once are not done
//! sooner, so others wait here, for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::answer::Refusal;

/// The most at a time: one that is put together while another is sent.
const AT_ONCE_MAX: usize = 2;

/// How long one waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
}

/// The permission to put a listing together, until this is dropped.
#[derive(Debug)]
pub(super) struct Pass(Arc<Gate>);

impl Gate {
    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// 503 when it takes too long.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, Refusal> {
        let deadline = Instant::now() + WAIT_MAX;
        let mut inside = self.inside.lock();
        while *inside >= AT_ONCE_MAX {
            let late = self.left.wait_until(&mut inside, deadline).timed_out();
            if late && *inside >= AT_ONCE_MAX {
                return Err(Refusal::busy("too many listings are asked for at once"));
            }
        }
        *inside += 1;
        Ok(Pass(Arc::clone(self)))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        *self.0.inside.lock() -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_so_many_are_inside() {
        let (gate, inside, most) = (Arc::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let pass = Gate::enter(&gate).unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(pass);
                });
            }
        });
        assert!((1..=AT_ONCE_MAX).contains(&most.into_inner()));
        assert_eq!(*gate.inside.lock(), 0);
    }
}
