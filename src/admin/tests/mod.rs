//! Management over real sockets, where a test has to know the table of routes.

mod authorization;
mod stage;
