//! The tasks of one executor. glommio forgets tasks that are left when the main one ends, with all they hold; here
//! they are dropped.

use crate::LocalFuture;
use crate::panics::{Panic, Panics};
use ::glommio::Task;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Who runs on the executor besides its main task.
#[derive(Debug)]
pub(super) struct Tasks {
    running: RefCell<BTreeMap<u64, Task<()>>>,
    numbers: Cell<u64>,
    /// Closed once the main task has ended.
    open: Cell<bool>,
    panics: Panics,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self {
            running: RefCell::default(),
            numbers: Cell::new(0),
            open: Cell::new(true),
            panics: Panics::new(),
        }
    }

    /// Starts a task; drops it instead once the main task has ended.
    pub(super) fn spawn(self: &Rc<Self>, task: LocalFuture<()>) {
        if !self.open.get() {
            return;
        }
        let number = self.numbers.get();
        self.numbers.set(number.wrapping_add(1));
        let leave = Leave { tasks: Rc::clone(self), number };
        let task = self.panics.telling(task);
        let task = ::glommio::spawn_local(async move {
            task.await;
            drop(leave);
        });
        self.running.borrow_mut().insert(number, task);
    }

    /// Runs the main task to its end or to the first panic of any task, then drops the tasks that are left.
    pub(super) async fn run(self: Rc<Self>, main: LocalFuture<()>) -> Result<(), Panic> {
        let ended = self.panics.run(main).await;
        self.open.set(false);
        loop {
            let left = self.running.borrow_mut().pop_first();
            match left {
                Some((_, task)) => drop(task.cancel().await),
                None => return ended,
            }
        }
    }
}

/// Takes a task off the list when it ends, in whatever way.
struct Leave {
    tasks: Rc<Tasks>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let task = self.tasks.running.borrow_mut().remove(&self.number);
        if let Some(task) = task {
            // Dropped, it would be cancelled; it is ending by itself.
            task.detach();
        }
    }
}
